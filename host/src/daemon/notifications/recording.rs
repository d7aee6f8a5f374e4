//! What became of each notice.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;
use tracing::warn;
use uuid::Uuid;

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
    /// After an error the same records come again, with those that came meanwhile.
    async fn record(&self, records: &[DeliveryRecord]) -> Result<(), Failure>;
}

/// Records that are kept while they cannot be recorded; older ones go.
const KEPT: usize = 1000;

/// How long until it is tried again.
const PAUSE: Duration = Duration::from_secs(30);

pub(super) async fn run(recorder: Arc<dyn Recorder>, mut queue: mpsc::Receiver<DeliveryRecord>) {
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
