//! Telling people and dead man's switches of runs, outside the path of the run.
//!
//! ```text
//! send, ping  ->  a bounded queue for each target  ->  one task each: attempts with backoff  ->  outcome: log line, Recorder
//! ```
//!
//! A caller never waits and never fails. A target that hangs holds up nobody but itself. Queues end when they have been idle.

mod delivery;
mod email;
mod http;
mod notice;
mod recording;
mod slack;
mod table;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use uuid::Uuid;

pub use crate::config::NoticeKind;
pub use notice::{Notice, Phase};
pub use recording::{DeliveryOutcome, DeliveryRecord, Recorder};
pub use table::TableRecorder;

use crate::config::{Config, Name, NotifyTarget};
use crate::deployment_log::Redactor;
use crate::jobs::register_url;
use crate::schedules::Ping;
use delivery::{Delivery, Pace};

/// Notices that wait for one target.
const QUEUE: usize = 64;

/// Outcomes that wait to be recorded.
const OUTCOMES: usize = 1024;

/// How long a task waits for more before it ends.
const IDLE: Duration = Duration::from_secs(300);

/// How long after the grace outcomes may take to be recorded.
const LAST_RECORDS: Duration = Duration::from_secs(10);

/// Sends notices and pings. Clones are the same.
#[derive(Clone)]
pub struct Notifications(Arc<Shared>);

struct Shared {
    targets: BTreeMap<Name, NotifyTarget>,
    redactor: Redactor,
    client: Result<reqwest::Client, String>,
    pace: Pace,
    /// By target or address; `None` once it is over.
    lanes: Mutex<Option<HashMap<String, mpsc::Sender<Delivery>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    outcomes: Mutex<Option<mpsc::Sender<DeliveryRecord>>>,
    recorder: Mutex<Option<JoinHandle<()>>>,
    dropped: AtomicU64,
}

impl Notifications {
    /// For the targets of a configuration. Must be called in a runtime of tokio's.
    pub fn start(config: &Config, redactor: Redactor, recorder: Arc<dyn Recorder>) -> Self {
        Self::start_at(config.notify.clone(), redactor, recorder, Pace::default())
    }

    fn start_at(
        targets: BTreeMap<Name, NotifyTarget>,
        redactor: Redactor,
        recorder: Arc<dyn Recorder>,
        pace: Pace,
    ) -> Self {
        let (outcomes, queue) = mpsc::channel(OUTCOMES);
        Self(Arc::new(Shared {
            targets,
            redactor,
            client: http::client(),
            pace,
            lanes: Mutex::new(Some(HashMap::new())),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            outcomes: Mutex::new(Some(outcomes)),
            recorder: Mutex::new(Some(tokio::spawn(recording::run(recorder, queue)))),
            dropped: AtomicU64::new(0),
        }))
    }

    /// Tells those of the targets that want to hear of it. Never blocks, never fails; what does not fit is counted and logged.
    pub fn send(&self, targets: &[Name], notice: Notice) {
        let notice = notice.redacted(&self.0.redactor);
        for name in targets {
            let Some(target) = self.0.targets.get(name) else {
                warn!(
                    "there is no notify target named {name}, so it hears nothing of: {}",
                    notice.message
                );
                continue;
            };
            if notice.kind == NoticeKind::Test || target.on.contains(&notice.kind) {
                let delivery = Delivery::notice(name, target, &notice);
                self.0.enqueue(name.to_string(), delivery);
            }
        }
    }

    /// Tells a dead man's switch. Never blocks, never fails.
    pub fn ping(&self, ping: &Ping, phase: Phase, run: Option<Uuid>) {
        register_url(&self.0.redactor, ping.url());
        // Names hold no blank, so that no target has the key of an address.
        let key = ping.url().secrets().swap_remove(0);
        self.0
            .enqueue(format!("ping {key}"), Delivery::ping(ping, phase, run));
    }

    /// How many notices found their queue full.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Sends what is queued; what is not sent within the grace is recorded as such. Later notices are not sent.
    pub async fn finish(self, grace: Duration) {
        let shared = self.0;
        drop(guard(&shared.lanes).take());
        shared.tasks.close();
        if tokio::time::timeout(grace, shared.tasks.wait())
            .await
            .is_err()
        {
            shared.stop.cancel();
            shared.tasks.wait().await;
        }
        drop(guard(&shared.outcomes).take());
        let recorder = guard(&shared.recorder).take();
        if let Some(recorder) = recorder
            && tokio::time::timeout(LAST_RECORDS, recorder).await.is_err()
        {
            warn!("the last notices' outcomes could not be recorded in time");
        }
    }
}

impl Shared {
    fn enqueue(self: &Arc<Self>, key: String, delivery: Delivery) {
        let mut lanes = guard(&self.lanes);
        let Some(lanes) = lanes.as_mut() else {
            return self.report(delivery.not_sent("it came after the shutdown"));
        };
        let sender = lanes.entry(key.clone()).or_insert_with(|| {
            let (sender, queue) = mpsc::channel(QUEUE);
            self.tasks.spawn(work(self.clone(), key, queue));
            sender
        });
        if let Err(
            mpsc::error::TrySendError::Full(delivery) | mpsc::error::TrySendError::Closed(delivery),
        ) = sender.try_send(delivery)
        {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.report(delivery.not_sent(&format!("{QUEUE} others wait for this target already")));
        }
    }

    /// Ends a lane that waits for nothing. Under the lock, so that nobody puts anything into its queue meanwhile.
    fn retire(&self, key: &str, queue: &mpsc::Receiver<Delivery>) -> bool {
        let mut lanes = guard(&self.lanes);
        if !queue.is_empty() {
            return false;
        }
        if let Some(lanes) = lanes.as_mut() {
            lanes.remove(key);
        }
        true
    }

    fn report(&self, mut record: DeliveryRecord) {
        record.error = record.error.map(|error| self.redactor.text(&error));
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
        let outcomes = guard(&self.outcomes).clone();
        if outcomes.is_none_or(|outcomes| outcomes.try_send(record).is_err()) {
            warn!("the outcome of a notice is in this log alone: too many wait to be recorded");
        }
    }
}

/// Delivers to one target, in order.
async fn work(shared: Arc<Shared>, key: String, mut queue: mpsc::Receiver<Delivery>) {
    loop {
        match tokio::time::timeout(IDLE, queue.recv()).await {
            Ok(Some(delivery)) => {
                let record = delivery
                    .deliver(&shared.client, shared.pace, &shared.stop)
                    .await;
                shared.report(record);
            }
            Ok(None) => return,
            Err(_) if shared.retire(&key, &queue) => return,
            Err(_) => {}
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
