//! One run of a fire: keeps the claim's row beside the run's record.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::Firing;
use crate::daemon::held::Hold;
use crate::daemon::running::Interest;
use crate::deployment_log::{RunRecord, Status};
use crate::failure::Failure;

/// Hears of the run, and tells the database of claims.
pub(super) struct FireWatch<'a> {
    firing: &'a Firing<'a>,
    hold: &'a Hold<'a>,
    is_last: bool,
    is_settled: AtomicBool,
    is_told: AtomicBool,
    /// The database of the log went away before it could say that the run may begin.
    is_unclaimed: AtomicBool,
}

impl<'a> FireWatch<'a> {
    /// `is_last` of the run after which no other is tried.
    pub fn new(firing: &'a Firing<'a>, hold: &'a Hold<'a>, is_last: bool) -> Self {
        Self {
            firing,
            hold,
            is_last,
            is_settled: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
            is_unclaimed: AtomicBool::new(false),
        }
    }

    /// Whether the end of the fire is written.
    pub fn is_settled(&self) -> bool {
        self.is_settled.load(Ordering::Relaxed)
    }

    /// Whether those who hear of failures have heard of this one.
    pub fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Relaxed)
    }

    /// Whether the run was not begun, for the database of the log went away.
    pub fn is_unclaimed(&self) -> bool {
        self.is_unclaimed.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Interest for FireWatch<'_> {
    async fn began(&self, record: &RunRecord) -> Result<(), Failure> {
        match self
            .firing
            .daemon
            .claims
            .began(&self.hold.claim, record.run_id)
            .await
        {
            Ok(true) => {
                self.firing.audience(self.hold.claim.fire).began(record);
                Ok(())
            }
            Ok(false) => {
                self.hold.lost.cancel();
                Err(Failure::cancelled())
            }
            Err(failure) => {
                self.is_unclaimed.store(true, Ordering::Relaxed);
                Err(failure.context("noting which run answers for the fire"))
            }
        }
    }

    /// First the fire, then the record: a daemon that dies in between leaves a fire that nobody runs again.
    async fn closing(&self, record: &RunRecord) {
        if self.is_unclaimed() {
            return;
        }
        let ending = self.firing.ending(record, self.is_last);
        // Whoever is to hear of a failure does not wait for a database that may be what has failed.
        if matches!(record.status, Status::Failed | Status::Refused)
            && ending.is_some()
            && !self.hold.taken.is_cancelled()
        {
            let fire = self.hold.claim.fire;
            self.firing.tell_end(record, fire, true, None);
            self.is_told.store(true, Ordering::Relaxed);
        }
        if self.hold.lost.is_cancelled() {
            return;
        }
        if let Some(ending) = ending {
            let settled = tokio::time::timeout(
                self.firing.daemon.claims.lease(),
                self.firing.settle(self.hold, &ending),
            );
            if settled.await == Ok(true) {
                self.is_settled.store(true, Ordering::Relaxed);
            }
        }
    }
}
