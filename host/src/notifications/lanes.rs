//! A queue and a task for each target, so that one that hangs holds up nobody but itself.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::delivery::{Delivery, Pace};
use super::recording::Outcomes;
use super::{guard, http};

/// Notices that wait for one target.
pub(super) const QUEUE: usize = 64;

/// How long a task waits for more before it ends.
const IDLE: Duration = Duration::from_secs(300);

pub(super) struct Lanes {
    client: Result<reqwest::Client, String>,
    pace: Pace,
    pub outcomes: Outcomes,
    /// By target or address; `None` once it is over.
    open: Mutex<Option<HashMap<String, mpsc::Sender<Delivery>>>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    dropped: AtomicU64,
}

impl Lanes {
    pub fn new(pace: Pace, outcomes: Outcomes) -> Self {
        Self {
            client: http::client(),
            pace,
            outcomes,
            open: Mutex::new(Some(HashMap::new())),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// How many deliveries found their queue full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Never blocks. What has no place is reported as not sent.
    pub fn enqueue(self: &Arc<Self>, key: String, delivery: Delivery) {
        let mut open = guard(&self.open);
        let Some(open) = open.as_mut() else {
            let record = delivery.not_sent("it came after the shutdown");
            return self.outcomes.report(record);
        };
        // A lane whose task is gone would swallow everything from now on.
        if open.get(&key).is_some_and(mpsc::Sender::is_closed) {
            open.remove(&key);
        }
        let sender = open.entry(key.clone()).or_insert_with(|| {
            let (sender, queue) = mpsc::channel(QUEUE);
            self.tasks.spawn(work(self.clone(), key, queue));
            sender
        });
        let (delivery, why) = match sender.try_send(delivery) {
            Ok(()) => return,
            Err(TrySendError::Full(delivery)) => {
                let why = format!("{QUEUE} others wait for this target already");
                (delivery, why)
            }
            Err(TrySendError::Closed(delivery)) => {
                (delivery, "nobody takes from its queue any more".to_owned())
            }
        };
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.outcomes.report(delivery.not_sent(&why));
    }

    /// What waits there is still sent, and what comes has another lane.
    pub fn part_with(&self, key: &str) {
        if let Some(open) = guard(&self.open).as_mut() {
            open.remove(key);
        }
    }

    /// Sends what is queued, also in lanes that were parted with; what is not sent within the grace is reported as such.
    pub async fn finish(&self, grace: Duration) {
        drop(guard(&self.open).take());
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            self.stop.cancel();
            self.tasks.wait().await;
        }
    }

    /// Ends a lane that waits for nothing. Under the lock, so that nobody puts anything into its queue meanwhile.
    fn retire(&self, key: &str, queue: &mpsc::Receiver<Delivery>) -> bool {
        let mut open = guard(&self.open);
        if !queue.is_empty() {
            return false;
        }
        // Without a sender it was parted with, and the key may be that of another lane by now.
        if let Some(open) = open.as_mut()
            && !queue.is_closed()
        {
            open.remove(key);
        }
        true
    }

    #[cfg(test)]
    pub fn open(&self) -> &Mutex<Option<HashMap<String, mpsc::Sender<Delivery>>>> {
        &self.open
    }
}

/// Delivers to one target, in order.
async fn work(lanes: Arc<Lanes>, key: String, mut queue: mpsc::Receiver<Delivery>) {
    loop {
        match tokio::time::timeout(IDLE, queue.recv()).await {
            Ok(Some(delivery)) => {
                let delivered = delivery.deliver(&lanes.client, lanes.pace, &lanes.stop);
                // A mistake of ours costs this notice, and none of those behind it.
                let record = AssertUnwindSafe(delivered).catch_unwind().await;
                let record = record.unwrap_or_else(|_| delivery.broken());
                lanes.outcomes.report(record);
            }
            Ok(None) => return,
            Err(_) if lanes.retire(&key, &queue) => return,
            Err(_) => {}
        }
    }
}
