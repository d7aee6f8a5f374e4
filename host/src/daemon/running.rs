//! The runs that this daemon has under way: who may begin, what is told of them, how they are cancelled.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::control::{Event, RunningRun, StepProgress, What};
use crate::deployment_log::{RunRecord, Status, Trigger};
use crate::failure::{Failure, FailureKind};
use crate::jobs::{self, Observer, Project, RunOutcome, RunRequest};
use crate::transfer::Progress;

/// Events that a slow receiver may be behind.
const EVENTS: usize = 1024;
/// How often the progress of steps is told, where anybody listens.
pub(super) const TOLD: Duration = Duration::from_secs(1);
/// How long what cannot be recorded (a full disk) is tried again, and how often.
pub(super) const RECORDED_WITHIN: Duration = Duration::from_secs(3600);
pub(super) const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_THE_END: Duration = Duration::from_millis(500);

/// All runs of this daemon.
#[derive(Debug)]
pub struct Runs {
    patience: Patience,
    running: Mutex<BTreeMap<Uuid, Running>>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    events: broadcast::Sender<Event>,
}

#[derive(Debug)]
struct Running {
    job: String,
    trigger: Trigger,
    schedule: Option<String>,
    started: Timestamp,
    cancel: CancellationToken,
    step: Option<Step>,
}

#[derive(Debug)]
struct Step {
    index: usize,
    count: usize,
    plugin: String,
    progress: Progress,
}

/// What somebody who starts a run has to do with its beginning and end.
#[async_trait]
pub trait Interest: Send + Sync {
    /// The run is in the journal.
    async fn recorded(&self, _record: &RunRecord) {}
    /// The run is about to begin; an error ends it before any effect.
    async fn began(&self, record: &RunRecord) -> Result<(), Failure>;
    /// The run is over, and its record about to be closed.
    async fn closing(&self, record: &RunRecord);
}

impl Runs {
    /// At most so many run at a time.
    pub(super) fn new(at_once: usize, patience: Patience) -> Self {
        Self {
            patience,
            running: Mutex::default(),
            turns: Arc::new(Semaphore::new(at_once)),
            waiting: AtomicUsize::new(0),
            events: broadcast::channel(EVENTS).0,
        }
    }

    /// Whether a run would have to wait.
    pub fn is_full(&self) -> bool {
        self.turns.available_permits() == 0
    }

    /// How many wait for their turn.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a turn; dropped, the waiting ends.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        struct Waits<'a>(&'a AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits(&self.waiting);
        let turn = self.turns.clone().acquire_owned().await;
        turn.map_err(|_| Failure::new(FailureKind::Unavailable, "the daemon is stopping"))
    }

    /// For what a fire has to record.
    pub(super) fn patient(&self) -> Patient<'_> {
        self.patience.begin()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Those that are under way.
    pub fn list(&self) -> Vec<RunningRun> {
        self.entries()
            .iter()
            .map(|(run, running)| RunningRun {
                run: *run,
                job: running.job.clone(),
                trigger: running.trigger,
                schedule: running.schedule.clone(),
                started: running.started,
                step: running.step.as_ref().map(Step::moment),
            })
            .collect()
    }

    /// Asks a run to end.
    pub fn cancel(&self, run: Uuid) -> Result<(), Failure> {
        match self.entries().get(&run) {
            Some(running) => {
                running.cancel.cancel();
                Ok(())
            }
            None => Err(
                Failure::not_found(format!("no run {run} is under way in this daemon")).hint(
                    "another daemon, or a command, may be running it: see `orchestrator log show`",
                ),
            ),
        }
    }

    /// Tells how far the steps are.
    pub fn tell_progress(&self) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let moments: Vec<_> = self
            .entries()
            .iter()
            .filter_map(|(run, running)| {
                Some((*run, running.job.clone(), running.step.as_ref()?.moment()))
            })
            .collect();
        for (run, job, step) in moments {
            self.tell(run, &job, What::Progress { step });
        }
    }

    /// Runs a job to its end.
    pub async fn run(
        &self,
        project: &Project,
        request: RunRequest,
        schedule: Option<String>,
        cancel: CancellationToken,
        interest: &dyn Interest,
    ) -> Result<RunOutcome, Failure> {
        let watch = Watch {
            runs: self,
            job: request.job.clone(),
            trigger: request.trigger,
            schedule,
            cancel: cancel.clone(),
            run: Mutex::new(None),
            interest,
            closing: OnceLock::new(),
        };
        let outcome = jobs::run(project, request, &cancel, &watch).await;
        let status = outcome
            .as_ref()
            .map_or(Status::Failed, |outcome| outcome.record.status);
        watch.over(status);
        outcome
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Uuid, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, run: Uuid, job: &str, what: What) {
        // Nobody listens: nothing is lost.
        let _ = self.events.send(Event {
            run,
            job: job.to_owned(),
            at: crate::deployment_log::now(),
            what,
        });
    }
}

impl Step {
    fn moment(&self) -> StepProgress {
        StepProgress::of(
            self.index,
            self.count,
            &self.plugin,
            self.progress.snapshot(),
        )
    }
}

/// How those wait who have something to record and no room for it.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    stop: CancellationToken,
    kill: CancellationToken,
}

impl Patience {
    pub fn new(stop: CancellationToken, kill: CancellationToken) -> Self {
        Self { stop, kill }
    }

    /// From now on somebody waits.
    pub fn begin(&self) -> Patient<'_> {
        Patient {
            patience: self,
            begun: Instant::now(),
        }
    }
}

/// One who waits.
pub(super) struct Patient<'a> {
    patience: &'a Patience,
    begun: Instant,
}

impl Patient<'_> {
    /// Waits; whether it is to be tried again. A daemon that is stopping tries more often, for as long as it has.
    pub async fn waited(&self) -> bool {
        let Patience { stop, kill } = self.patience;
        let until_stop = tokio::time::sleep(AGAIN);
        if stop.run_until_cancelled(until_stop).await.is_some() {
            return self.begun.elapsed() <= RECORDED_WITHIN;
        }
        let last = tokio::time::sleep(AGAIN_AT_THE_END);
        kill.run_until_cancelled(last).await.is_some()
    }
}

#[async_trait]
impl Observer for Patient<'_> {
    async fn is_closed_later(&self, failure: &Failure) -> bool {
        warn!("the record of a run could not be closed, it is tried again: {failure}");
        self.waited().await
    }

    fn step_began(&self, _index: usize, _count: usize, _plugin: &str, _progress: &Progress) {}
    fn step_ended(&self, _index: usize, _status: Status) {}
}

/// Follows one run.
struct Watch<'a> {
    runs: &'a Runs,
    job: String,
    trigger: Trigger,
    schedule: Option<String>,
    cancel: CancellationToken,
    run: Mutex<Option<Uuid>>,
    interest: &'a dyn Interest,
    closing: OnceLock<Patient<'a>>,
}

impl Watch<'_> {
    fn id(&self) -> Option<Uuid> {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn over(&self, status: Status) {
        let run = self
            .run
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(run) = run {
            self.runs.entries().remove(&run);
            self.runs.tell(run, &self.job, What::Ended { status });
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // A run whose task was dropped is under way no more, and is found at the next start.
        self.over(Status::Interrupted);
    }
}

#[async_trait]
impl Observer for Watch<'_> {
    async fn recorded(&self, record: &RunRecord) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.run_id);
        let running = Running {
            job: self.job.clone(),
            trigger: self.trigger,
            schedule: self.schedule.clone(),
            started: record.started,
            cancel: self.cancel.clone(),
            step: None,
        };
        self.runs.entries().insert(record.run_id, running);
        let (trigger, schedule) = (self.trigger, self.schedule.clone());
        self.runs.tell(
            record.run_id,
            &self.job,
            What::Started { trigger, schedule },
        );
        self.interest.recorded(record).await;
    }

    async fn began(&self, record: &RunRecord) -> Result<(), Failure> {
        self.interest.began(record).await
    }

    async fn closing(&self, record: &RunRecord) {
        self.interest.closing(record).await;
        let _ = self.closing.set(self.runs.patience.begin());
    }

    async fn is_closed_later(&self, failure: &Failure) -> bool {
        match self.closing.get() {
            Some(patient) => patient.is_closed_later(failure).await,
            None => false,
        }
    }

    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress) {
        let Some(run) = self.id() else { return };
        if let Some(running) = self.runs.entries().get_mut(&run) {
            running.step = Some(Step {
                index,
                count,
                plugin: plugin.to_owned(),
                progress: progress.clone(),
            });
        }
        let plugin = plugin.to_owned();
        self.runs.tell(
            run,
            &self.job,
            What::StepBegan {
                index,
                count,
                plugin,
            },
        );
    }

    fn step_ended(&self, index: usize, status: Status) {
        if let Some(run) = self.id() {
            self.runs
                .tell(run, &self.job, What::StepEnded { index, status });
        }
    }
}
