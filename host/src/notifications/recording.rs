//! What became of each notice.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};
use uuid::Uuid;

use super::guard;
use crate::failure::Failure;

/// One notice to one target, when it was over.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    /// A UUIDv7.
    pub id: Uuid,
    /// When it was over.
    pub time: Timestamp,
    /// The target's name; of a ping, its host.
    pub target: String,
    /// `failed`, `ping start`.
    pub kind: String,
    /// The run that it is about.
    pub run: Option<Uuid>,
    /// How often it was tried.
    pub attempts: u32,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// Why it was not sent, without secrets.
    pub error: Option<String>,
}

/// What became of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryOutcome {
    /// The other side has it.
    Sent,
    /// The other side refused it, or did not answer.
    Failed,
    /// The queue was full, or the program stopped.
    NotSent,
}

impl fmt::Display for DeliveryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::NotSent => "not sent",
        })
    }
}

/// Keeps outcomes. The log has them in any case.
#[async_trait]
pub trait Recorder: Send + Sync {
    /// Hears of each at once, also while others are still being recorded. Must not block.
    fn hear(&self, _record: &DeliveryRecord) {}

    /// After an error the same records come again, with those that came meanwhile.
    async fn record(&self, records: &[DeliveryRecord]) -> Result<(), Failure>;
}

/// Outcomes that wait to be recorded.
const WAITING: usize = 1024;

/// Records that are kept while they cannot be recorded; older ones go.
const KEPT: usize = 1000;

/// How long until it is tried again.
const PAUSE: Duration = Duration::from_secs(30);

/// How long the last ones may take to be recorded.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// Tells the log and the recorder what became of notices.
pub(super) struct Outcomes {
    recorder: watch::Sender<Arc<dyn Recorder>>,
    /// `None` once it is over.
    queue: Mutex<Option<mpsc::Sender<DeliveryRecord>>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Outcomes {
    pub fn start(recorder: Arc<dyn Recorder>) -> Self {
        let (sender, queue) = mpsc::channel(WAITING);
        let (recorder, current) = watch::channel(recorder);
        Self {
            recorder,
            queue: Mutex::new(Some(sender)),
            task: Mutex::new(Some(tokio::spawn(run(current, queue)))),
        }
    }

    /// From now on another one records, also what the one before could not.
    pub fn record_by(&self, recorder: Arc<dyn Recorder>) {
        self.recorder.send_replace(recorder);
    }

    /// Never blocks.
    pub fn report(&self, record: DeliveryRecord) {
        let DeliveryRecord {
            target,
            kind,
            attempts,
            ..
        } = &record;
        match (&record.outcome, &record.error) {
            (DeliveryOutcome::Sent, _) => info!(target, kind, attempts, "told {target} of: {kind}"),
            (outcome, error) => warn!(
                "{target} was not told of {kind} ({outcome}, {attempts} attempts): {}",
                error.as_deref().unwrap_or_default()
            ),
        }
        self.recorder.borrow().hear(&record);
        let queue = guard(&self.queue).clone();
        let ended = "nothing is recorded any more";
        let why = match queue {
            None => ended,
            Some(queue) => match queue.try_send(record) {
                Ok(()) => return,
                Err(TrySendError::Full(_)) => "too many wait to be recorded",
                Err(TrySendError::Closed(_)) => ended,
            },
        };
        warn!("the outcome of a notice is in this log alone: {why}");
    }

    /// Waits until all are recorded, but not for ever.
    pub async fn finish(&self) {
        drop(guard(&self.queue).take());
        let task = guard(&self.task).take();
        if let Some(task) = task
            && tokio::time::timeout(LAST_RECORDS, task).await.is_err()
        {
            warn!("the last notices' outcomes could not be recorded in time");
        }
    }
}

async fn run(
    recorder: watch::Receiver<Arc<dyn Recorder>>,
    mut queue: mpsc::Receiver<DeliveryRecord>,
) {
    let mut kept: Vec<DeliveryRecord> = Vec::new();
    loop {
        let mut fresh = Vec::new();
        let is_open = if kept.is_empty() {
            queue.recv_many(&mut fresh, KEPT).await > 0
        } else {
            // With something kept, time alone is a reason to go on.
            tokio::time::timeout(PAUSE, queue.recv_many(&mut fresh, KEPT)).await != Ok(0)
        };
        kept.append(&mut fresh);
        kept.drain(..kept.len().saturating_sub(KEPT));
        if !kept.is_empty() {
            let recorder = recorder.borrow().clone();
            match recorder.record(&kept).await {
                Ok(()) => kept.clear(),
                Err(failure) => warn!(
                    "{} outcomes of notices are not recorded yet: {failure}",
                    kept.len()
                ),
            }
        }
        if !is_open {
            return;
        }
    }
}
