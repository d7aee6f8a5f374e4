//! The daemon, as HTTP and metrics see it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, broadcast, oneshot};
use uuid::Uuid;

use super::Daemon;
use super::control::{Control, Event, Fire, Health, RunningRun, ScheduleStatus, Schedules};
use super::running::Interest;
use crate::deployment_log::{RunRecord, Trigger};
use crate::failure::{Failure, FailureKind};
use crate::jobs::{Project, RunRequest};

/// How many of a schedule's next fires are told.
const NEXT: usize = 5;
/// Runs of the API that may wait for their turn.
const WAITING: usize = 100;
/// The loop turns every two seconds, and waits for a server that does not answer.
const STUCK: Duration = Duration::from_secs(60);

/// A daemon that is running.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Daemon>);

#[async_trait]
impl Control for Handle {
    fn project(&self) -> Arc<Project> {
        self.0.loaded().project.clone()
    }

    async fn schedules(&self) -> Result<Schedules, Failure> {
        let loaded = self.0.loaded();
        let last = self.0.claims.last_fires().await?;
        let schedules = loaded.schedules.values().map(|schedule| {
            let found = last
                .iter()
                .find(|(name, ..)| name == schedule.name.as_str());
            let after = std::iter::successors(schedule.next_after(Timestamp::now()), |last| {
                schedule.next_after(*last)
            });
            ScheduleStatus {
                name: schedule.name.to_string(),
                description: schedule.description.clone(),
                job: schedule.job.to_string(),
                cron: schedule.cron.to_string(),
                words: schedule.cron.words(),
                time_zone: schedule.zone_name().to_owned(),
                enabled: schedule.enabled,
                next: if schedule.enabled {
                    after.take(NEXT).collect()
                } else {
                    Vec::new()
                },
                last: found.map(|(_, last, _)| Fire {
                    due: last.fire,
                    status: last.status,
                    run: last.run,
                }),
                missed: found.map_or(0, |(.., missed)| *missed),
            }
        });
        Ok(Schedules {
            schedules: schedules.collect(),
            problems: loaded.problems.clone(),
        })
    }

    fn running(&self) -> Vec<RunningRun> {
        self.0.runs.list()
    }

    fn queued(&self) -> usize {
        self.0.runs.waiting()
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.0.runs.events()
    }

    async fn trigger(
        &self,
        job: &str,
        parameters: Map<String, Value>,
        actor: String,
    ) -> Result<Uuid, Failure> {
        let daemon = self.0.clone();
        if daemon.stop.is_cancelled() {
            return Err(stopping());
        }
        if daemon.runs.waiting() >= WAITING {
            return Err(Failure::limit(format!(
                "{WAITING} runs are waiting for their turn already"
            )));
        }
        let loaded = daemon.loaded();
        let steps = match loaded.project.config.job(job) {
            Ok(job) => &job.steps,
            Err(error) => {
                return Err(Failure {
                    kind: FailureKind::NotFound,
                    ..error.into()
                });
            }
        };
        let request = RunRequest {
            overrides: parameters,
            ..RunRequest::of_job(job, steps, Trigger::Api, actor)
        };
        let (recorded, told) = oneshot::channel();
        let tasks = daemon.tasks.clone();
        tasks.spawn(async move {
            let waits = InTurn {
                daemon: &daemon,
                recorded: Mutex::new(Some(recorded)),
                turn: Mutex::new(None),
            };
            let cancel = daemon.kill.child_token();
            let run = daemon
                .runs
                .run(&loaded.project, request, None, cancel, &waits)
                .await;
            if let (Err(failure), Some(recorded)) = (run, waits.recorded.lock().await.take()) {
                // Whoever asked may have gone.
                let _ = recorded.send(Err(failure));
            }
        });
        told.await.unwrap_or_else(|_| Err(stopping()))
    }

    fn cancel(&self, run: Uuid) -> Result<(), Failure> {
        self.0.runs.cancel(run)
    }

    async fn health(&self) -> Health {
        let mut reasons = Vec::new();
        let alive = self.0.since_turned() < STUCK;
        if !alive {
            reasons.push(format!(
                "the schedules were last looked at {} s ago",
                self.0.since_turned().as_secs()
            ));
        }
        if self.0.stop.is_cancelled() {
            reasons.push("the daemon is stopping".to_owned());
        } else if !self.0.is_scheduling.load(Ordering::Relaxed) {
            reasons.push("the schedules wait: the database of the log does not answer".to_owned());
        }
        Health {
            alive,
            ready: reasons.is_empty(),
            reasons,
        }
    }
}

fn stopping() -> Failure {
    Failure::new(FailureKind::Unavailable, "the daemon is stopping")
}

/// A run of the API: recorded at once, begun when it is its turn.
struct InTurn<'a> {
    daemon: &'a Daemon,
    recorded: Mutex<Option<oneshot::Sender<Result<Uuid, Failure>>>>,
    turn: Mutex<Option<tokio::sync::OwnedSemaphorePermit>>,
}

#[async_trait]
impl Interest for InTurn<'_> {
    async fn began(&self, record: &RunRecord) -> Result<(), Failure> {
        if let Some(recorded) = self.recorded.lock().await.take() {
            // Whoever asked may have gone; the run goes on.
            let _ = recorded.send(Ok(record.run_id));
        }
        let turn = tokio::select! {
            turn = self.daemon.runs.turn() => turn?,
            () = self.daemon.stop.cancelled() => return Err(Failure::cancelled()),
        };
        *self.turn.lock().await = Some(turn);
        Ok(())
    }

    async fn closing(&self, _record: &RunRecord) {
        self.turn.lock().await.take();
    }
}
