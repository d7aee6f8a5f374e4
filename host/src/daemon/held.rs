//! The claims that this daemon works on: renewed together, and given up when another daemon has taken one over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::claims::{Claim, Claims};

/// All of them.
#[derive(Debug, Default)]
pub struct Held(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    claim: Claim,
    lost: CancellationToken,
    renewed: Instant,
}

/// One claim, for as long as it is worked on.
#[derive(Debug)]
pub struct Hold<'a> {
    held: &'a Held,
    /// The claim.
    pub claim: Claim,
    /// The fire is somebody else's, or may be by now.
    pub lost: CancellationToken,
}

impl Held {
    /// From now on the claim is renewed.
    pub fn hold(&self, claim: Claim) -> Hold<'_> {
        let lost = CancellationToken::new();
        self.entries().push(Entry {
            claim: claim.clone(),
            lost: lost.clone(),
            renewed: Instant::now(),
        });
        Hold {
            held: self,
            claim,
            lost,
        }
    }

    /// Renews all leases. What cannot be renewed before it runs out is given up: by then it may be another daemon's.
    pub async fn renew(&self, claims: &Claims) {
        let mine: Vec<Claim> = self
            .entries()
            .iter()
            .map(|entry| entry.claim.clone())
            .collect();
        if mine.is_empty() {
            return;
        }
        let asked = Instant::now();
        match claims.renew(&mine).await {
            Ok(gone) => {
                for entry in self
                    .entries()
                    .iter_mut()
                    .filter(|entry| mine.contains(&entry.claim))
                {
                    if gone.contains(&&entry.claim) {
                        entry.lost.cancel();
                    } else {
                        entry.renewed = asked;
                    }
                }
            }
            Err(failure) => {
                warn!(
                    "the leases of {} fires could not be renewed: {failure}",
                    mine.len()
                );
                self.give_up(claims.lease());
            }
        }
    }

    fn give_up(&self, lease: Duration) {
        for entry in self
            .entries()
            .iter()
            .filter(|entry| entry.renewed.elapsed() >= lease)
        {
            if !entry.lost.is_cancelled() {
                warn!(schedule = entry.claim.schedule, fire = %entry.claim.fire, "the lease ran out; the run is cancelled, for another daemon may begin it");
                entry.lost.cancel();
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.held
            .entries()
            .retain(|entry| entry.claim != self.claim);
    }
}
