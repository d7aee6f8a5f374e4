//! A daemon without a clock, over a real project: what is asked of it by HTTP happens.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use orchestrator::config::{Config, Sources};
use orchestrator::daemon::control::{
    Control, Event, Fire, Health, RunningRun, ScheduleStatus, Schedules, StepProgress, What,
};
use orchestrator::database::ProcessEnvironment;
use orchestrator::deployment_log::{Page, Status, Trigger};
use orchestrator::failure::Failure;
use orchestrator::jobs::{self, Observer, Project, RunRequest};
use orchestrator::transfer::Progress;
use serde_json::{Map, Value};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// The daemon.
pub struct Lone(Arc<Inner>);

struct Inner {
    project: Arc<Project>,
    events: broadcast::Sender<Event>,
    running: Mutex<BTreeMap<Uuid, (RunningRun, CancellationToken)>>,
    /// One run begins at a time: its id is the newest of the log.
    beginning: tokio::sync::Mutex<()>,
}

impl Lone {
    /// Of the project in a folder.
    pub fn new(folder: &Path) -> Self {
        let file = folder.join("orchestrator.toml");
        let sources = Sources {
            file: Some(&file),
            environment: None,
            working_folder: folder,
            process: &ProcessEnvironment::from_process(),
        };
        let config = Config::load(&sources).expect("a configuration");
        let compiled = std::env::temp_dir().join("orchestrator-tests-cache/orchestrator/compiled");
        let project = Project::open(config, Some(compiled)).expect("a project");
        Self(Arc::new(Inner {
            project: Arc::new(project),
            events: broadcast::channel(64).0,
            running: Mutex::default(),
            beginning: tokio::sync::Mutex::default(),
        }))
    }

    /// Tells the readers of events something.
    pub fn tell(&self, event: Event) {
        let _ = self.0.events.send(event);
    }
}

impl Inner {
    async fn newest(&self) -> Option<Uuid> {
        let page = Page {
            limit: 1,
            ..Page::default()
        };
        let runs = self.project.log.page(&page, None).await.expect("the log");
        runs.first().map(|record| record.run_id)
    }

    fn tell(&self, run: Uuid, job: &str, what: What) {
        let _ = self.events.send(Event {
            run,
            job: job.to_owned(),
            at: Timestamp::now(),
            what,
        });
    }
}

/// Tells of a run whose id is known a moment after it began.
struct Teller {
    inner: Arc<Inner>,
    job: String,
    run: Mutex<Option<Uuid>>,
}

impl Observer for Teller {
    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress) {
        if let Some(run) = *self.run.lock().unwrap() {
            let step = StepProgress::of(index, count, plugin, progress.snapshot());
            if let Some((running, _)) = self.inner.running.lock().unwrap().get_mut(&run) {
                running.step = Some(step);
            }
            let plugin = plugin.to_owned();
            let what = What::StepBegan {
                index,
                count,
                plugin,
            };
            self.inner.tell(run, &self.job, what);
        }
    }

    fn step_ended(&self, index: usize, status: Status) {
        if let Some(run) = *self.run.lock().unwrap() {
            self.inner
                .tell(run, &self.job, What::StepEnded { index, status });
        }
    }
}

#[async_trait]
impl Control for Lone {
    fn project(&self) -> Arc<Project> {
        self.0.project.clone()
    }

    async fn schedules(&self) -> Result<Schedules, Failure> {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        Ok(Schedules {
            schedules: vec![ScheduleStatus {
                name: "nightly".to_owned(),
                description: None,
                job: "backup".to_owned(),
                cron: "0 2 * * *".to_owned(),
                words: "at 02:00 every day".to_owned(),
                time_zone: "UTC".to_owned(),
                enabled: true,
                next: vec![time("2026-01-18T02:00:00Z"), time("2026-01-19T02:00:00Z")],
                last: Some(Fire {
                    due: time("2026-01-17T02:00:00Z"),
                    status: Status::Skipped,
                    run: None,
                }),
                missed: 2,
            }],
            problems: vec![
                "schedules/weekly.toml:3: cron: the password=hunter2 is wrong".to_owned(),
            ],
        })
    }

    fn running(&self) -> Vec<RunningRun> {
        let running = self.0.running.lock().unwrap();
        running.values().map(|(run, _)| run.clone()).collect()
    }

    fn queued(&self) -> usize {
        0
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.0.events.subscribe()
    }

    async fn trigger(
        &self,
        job: &str,
        parameters: Map<String, Value>,
        actor: String,
    ) -> Result<Uuid, Failure> {
        let _beginning = self.0.beginning.lock().await;
        let before = self.0.newest().await;
        let steps = &self.0.project.config.job(job)?.steps;
        let request = RunRequest {
            overrides: parameters,
            ..RunRequest::of_job(job, steps, Trigger::Api, actor)
        };
        let cancel = CancellationToken::new();
        let teller = Arc::new(Teller {
            inner: self.0.clone(),
            job: job.to_owned(),
            run: Mutex::default(),
        });
        let task = {
            let (inner, cancel, teller) = (self.0.clone(), cancel.clone(), teller.clone());
            tokio::spawn(async move { jobs::run(&inner.project, request, &cancel, &*teller).await })
        };
        let run = loop {
            match self.0.newest().await {
                Some(run) if Some(run) > before => break run,
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        let running = RunningRun {
            run,
            job: job.to_owned(),
            trigger: Trigger::Api,
            schedule: None,
            started: Timestamp::now(),
            step: None,
        };
        self.0
            .running
            .lock()
            .unwrap()
            .insert(run, (running, cancel));
        *teller.run.lock().unwrap() = Some(run);
        let inner = self.0.clone();
        tokio::spawn(async move {
            let outcome = task.await.expect("no panic").expect("a recorded run");
            inner.running.lock().unwrap().remove(&run);
            let status = outcome.record.status;
            inner.tell(run, &outcome.record.job, What::Ended { status });
        });
        Ok(run)
    }

    fn cancel(&self, run: Uuid) -> Result<(), Failure> {
        match self.0.running.lock().unwrap().get(&run) {
            Some((_, cancel)) => {
                cancel.cancel();
                Ok(())
            }
            None => Err(Failure::not_found(format!(
                "the run {run} is not under way in this daemon"
            ))),
        }
    }

    async fn health(&self) -> Health {
        Health {
            alive: true,
            ready: false,
            reasons: vec!["the database of the log is away".to_owned()],
        }
    }
}
