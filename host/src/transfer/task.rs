//! Work in the background: started by a plugin, watched by progress, ended with its step.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::{Shared, select_all};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::meter::{Item, Meter, Progress};
use crate::failure::Failure;

/// One source of an object, as it lies in the object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Where it begins in the stored object.
    pub offset: u64,
    /// As stored.
    pub bytes: u64,
    /// Before compression.
    pub plain_bytes: u64,
    /// Of a COPY.
    pub rows: Option<u64>,
    /// Of its bytes in the object, before encryption; 64 lowercase hex digits.
    pub sha256: String,
}

/// What a transfer did. Bytes are those stored (or discarded); plain bytes are those before compression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// As stored.
    pub bytes: u64,
    /// 64 lowercase hex digits; empty where nothing was stored or discarded.
    pub sha256: String,
    /// Before compression.
    pub plain_bytes: u64,
    /// Of a COPY.
    pub rows: Option<u64>,
    /// One for each source of an object.
    pub parts: Vec<Part>,
    /// Rows by step, for a script.
    pub steps: Vec<u64>,
}

type Outcome = Shared<Pin<Box<dyn Future<Output = Result<Receipt, Failure>> + Send>>>;

/// A handle of background work; dropping it cancels the work.
pub struct Transfer {
    outcome: Outcome,
    token: CancellationToken,
    open: Arc<AtomicUsize>,
}

impl Transfer {
    /// The end of the work; may be asked again.
    pub fn outcome(&self) -> impl Future<Output = Result<Receipt, Failure>> + Send + 'static {
        self.outcome.clone()
    }

    /// Ends the work.
    pub fn cancel(&self) {
        self.token.cancel();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.token.cancel();
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The index of one that has ended.
pub async fn wait_any(
    outcomes: Vec<impl Future<Output = Result<Receipt, Failure>> + Send + 'static>,
) -> usize {
    let (_, index, _) = select_all(outcomes.into_iter().map(FutureExt::boxed)).await;
    index
}

/// The background work of one step.
pub struct Tasks {
    tracker: TaskTracker,
    token: Box<dyn Fn() -> CancellationToken + Send + Sync>,
    closed: CancellationToken,
    progress: Progress,
    open: Arc<AtomicUsize>,
    limit: usize,
}

impl Tasks {
    /// `limit` is the number of transfers that a plugin may hold at once; `token` gives what ends a new one early.
    pub fn new(
        token: impl Fn() -> CancellationToken + Send + Sync + 'static,
        progress: Progress,
        limit: usize,
    ) -> Self {
        Self {
            tracker: TaskTracker::new(),
            token: Box::new(token),
            closed: CancellationToken::new(),
            progress,
            open: Arc::new(AtomicUsize::new(0)),
            limit,
        }
    }

    /// Runs `work` until it ends or is cancelled. Cancelling drops it: whatever it holds must undo itself when dropped.
    pub fn start<F>(
        &self,
        label: String,
        expected_bytes: u64,
        meters: Vec<Arc<Meter>>,
        work: F,
    ) -> Result<Transfer, Failure>
    where
        F: Future<Output = Result<Receipt, Failure>> + Send + 'static,
    {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(
                Failure::limit(format!("more than {} transfers at once", self.limit)).hint(
                    "wait for some of them first; the limit is `transfers` in the plugin's manifest and grants",
                ),
            );
        }
        let token = (self.token)();
        let stopped = token.clone();
        let closed = self.closed.clone();
        let progress = self.progress.clone();
        let item = progress.begin(Item {
            label,
            expected_bytes,
            meters,
        });
        let task = self.tracker.spawn(async move {
            let result = tokio::select! {
                biased;
                () = stopped.cancelled() => Err(Failure::cancelled()),
                () = closed.cancelled() => Err(Failure::cancelled()),
                result = work => result,
            };
            progress.end(item);
            result
        });
        let outcome: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move {
            task.await.unwrap_or_else(|error| {
                Err(Failure::internal(format!(
                    "a transfer ended abnormally: {error}"
                )))
            })
        });
        Ok(Transfer {
            outcome: outcome.shared(),
            token,
            open: self.open.clone(),
        })
    }

    /// Work that must be done although the step is over: a rollback, the removal of half an object.
    pub fn cleanup<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(work);
    }

    /// Cancels what still runs and waits for all of it, the cleaning up included.
    pub async fn close(&self) {
        self.closed.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}
