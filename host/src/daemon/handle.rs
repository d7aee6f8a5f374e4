//! The daemon, as HTTP and metrics see it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Mutex, broadcast, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::control::{
    Asked, Control, Event, Fire, Health, Jobs, RunningRun, ScheduleStatus, Schedules,
};
use super::running::Interest;
use super::standing::Fires;
use super::{Daemon, Loaded};
use crate::config::{Config, HttpSettings, Name, Step};
use crate::deployment_log::{RunRecord, Status, Trigger};
use crate::failure::{Failure, FailureKind};
use crate::jobs::{Project, RunRequest};
use crate::notifications::Audience;
use crate::schedules::Schedule;

/// How many of a schedule's next fires are told.
const NEXT: usize = 5;
/// Why nothing is known of fires yet.
const UNANSWERED: &str = "the database of the log has not answered yet";
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

    fn http_settings(&self) -> HttpSettings {
        self.0.loaded().http_settings()
    }

    async fn schedules(&self) -> Schedules {
        let loaded = self.0.loaded();
        let (fires, runs) = tokio::join!(
            self.0.observatory.fires(&loaded.project),
            self.0.observatory.runs(&loaded.project),
        );
        let known = fires.value.as_ref();
        let answered = runs.value.unwrap_or_default().fires;
        let schedules = loaded.schedules.values().map(|schedule| {
            let answered = answered.get(schedule.name.as_str());
            status(schedule, known, answered.copied(), loaded.at)
        });
        let unanswered = || known.is_none().then(|| UNANSWERED.to_owned());
        let failed = fires.failure.as_ref().map(ToString::to_string);
        Schedules {
            schedules: schedules.collect(),
            problems: loaded.problems.clone(),
            incomplete: failed.or_else(unanswered),
        }
    }

    async fn jobs(&self) -> Jobs {
        let runs = self.0.observatory.runs(&self.0.loaded().project).await;
        Jobs {
            is_up: runs.is_up(),
            runs: runs.value.unwrap_or_default(),
        }
    }

    fn expected_backups(&self) -> BTreeSet<(String, String)> {
        let loaded = self.0.loaded();
        let enabled = loaded
            .schedules
            .values()
            .filter(|schedule| schedule.enabled);
        enabled
            .flat_map(|schedule| backups_of(&loaded, schedule))
            .collect()
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

    async fn trigger(&self, asked: Asked) -> Result<Uuid, Failure> {
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
        let config = &loaded.project.config;
        let steps = match config.job(&asked.job) {
            Ok(job) => &job.steps,
            Err(error) => {
                return Err(Failure {
                    kind: FailureKind::NotFound,
                    ..error.into()
                });
            }
        };
        let targets = targets(config, &asked.notify)?;
        let request = RunRequest {
            overrides: asked.parameters,
            ..RunRequest::of_job(&asked.job, steps, Trigger::Api, asked.actor)
        };
        let (recorded, told) = oneshot::channel();
        let tasks = daemon.tasks.clone();
        tasks.spawn(async move {
            let cancel = daemon.kill.child_token();
            let waits = InTurn {
                daemon: &daemon,
                cancel: cancel.clone(),
                targets,
                recorded: Mutex::new(Some(recorded)),
                turn: Mutex::new(None),
            };
            let run = daemon
                .runs
                .run(&loaded.project, request, None, cancel, &waits)
                .await;
            match run {
                Ok(outcome) => {
                    if let Some(failure) = &outcome.unclosed {
                        warn!(run = %outcome.record.run_id, "{failure}; the next start closes the record");
                    }
                    waits.tell(&loaded, &outcome.record).await;
                }
                Err(failure) => match waits.recorded.lock().await.take() {
                    // Whoever asked may have gone.
                    Some(recorded) => drop(recorded.send(Err(failure))),
                    None => warn!("a run of the API: {failure}"),
                },
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

/// What is told of a schedule, where `all` is what the database has said, if it has answered. `loaded` is since when the schedule owes its
/// fires, as long as the database has not said so.
fn status(
    schedule: &Schedule,
    all: Option<&Fires>,
    answered: Option<Timestamp>,
    loaded: Timestamp,
) -> ScheduleStatus {
    let known = all.and_then(|all| all.get(schedule.name.as_str()));
    let fires = |after: Timestamp| {
        let first = schedule
            .enabled
            .then(|| schedule.next_after(after))
            .flatten();
        std::iter::successors(first, move |last| schedule.next_after(*last))
    };
    let owes_since = known.and_then(|known| known.owes_since(schedule));
    let owes_since = owes_since.map_or(loaded, |since| answered.map_or(since, |at| at.max(since)));
    ScheduleStatus {
        name: schedule.name.to_string(),
        description: schedule.description.clone(),
        job: schedule.job.to_string(),
        cron: schedule.cron.to_string(),
        words: schedule.cron.words(),
        time_zone: schedule.zone_name().to_owned(),
        enabled: schedule.enabled,
        next: fires(Timestamp::now()).take(NEXT).collect(),
        due: fires(owes_since).next(),
        last: known
            .and_then(|known| known.last.as_ref())
            .map(|last| Fire {
                due: last.fire,
                status: last.status,
                run: last.run,
            }),
        missed: all.map(|_| known.map_or(0, |known| known.missed)),
    }
}

/// The storage and the database of each backup that a schedule takes.
fn backups_of(loaded: &Loaded, schedule: &Schedule) -> Vec<(String, String)> {
    let config = &loaded.project.config;
    let steps = loaded.steps(schedule.job.as_str()).iter();
    let backups = steps.filter(|step| step.plugin.as_str() == "backup");
    let pair = |step: &Step| {
        let parameter = |name: &str| {
            let given = schedule.parameters.get(name);
            given.or_else(|| step.parameters.get(name))?.as_str()
        };
        let (storage, _) = config.storage(parameter("storage")).ok()?;
        let (_, database) = config.database(parameter("database")).ok()?;
        Some((storage.to_string(), database.settings.database.clone()))
    };
    backups.filter_map(pair).collect()
}

/// Targets of notices, by their names.
fn targets(config: &Config, names: &[String]) -> Result<Vec<Name>, Failure> {
    let mut targets = Vec::new();
    for name in names {
        let Some((name, _)) = config.notify.get_key_value(name.as_str()) else {
            return Err(
                Failure::not_found(format!("there is no notify target named {name:?}"))
                    .hint("the configuration names them below [notify]"),
            );
        };
        targets.push(name.clone());
    }
    targets.sort();
    targets.dedup();
    Ok(targets)
}

/// A run of the API: recorded at once, begun when it is its turn.
struct InTurn<'a> {
    daemon: &'a Daemon,
    cancel: CancellationToken,
    targets: Vec<Name>,
    recorded: Mutex<Option<oneshot::Sender<Result<Uuid, Failure>>>>,
    turn: Mutex<Option<tokio::sync::OwnedSemaphorePermit>>,
}

impl InTurn<'_> {
    /// Tells those whom the request named how the run has ended.
    async fn tell(&self, loaded: &Loaded, record: &RunRecord) {
        if self.targets.is_empty() {
            return;
        }
        match record.status {
            Status::Succeeded => {
                let before = loaded.project.outcome_before(record).await;
                self.audience().succeeded(record, before);
            }
            _ => self.audience().failed(record),
        }
    }

    fn audience(&self) -> Audience<'_> {
        Audience {
            notifications: self.daemon.notifications.clone(),
            targets: &self.targets,
            ping: None,
            schedule: None,
            fire: None,
        }
    }
}

#[async_trait]
impl Interest for InTurn<'_> {
    async fn recorded(&self, record: &RunRecord) {
        if let Some(recorded) = self.recorded.lock().await.take() {
            // Whoever asked may have gone; the run goes on.
            let _ = recorded.send(Ok(record.run_id));
        }
    }

    async fn began(&self, record: &RunRecord) -> Result<(), Failure> {
        let turn = tokio::select! {
            turn = self.daemon.runs.turn() => turn?,
            () = self.daemon.stop.cancelled() => return Err(Failure::cancelled()),
            () = self.cancel.cancelled() => return Err(Failure::cancelled()),
        };
        *self.turn.lock().await = Some(turn);
        if !self.targets.is_empty() {
            self.audience().began(record);
        }
        Ok(())
    }

    async fn closing(&self, _record: &RunRecord) {
        self.turn.lock().await.take();
    }
}
