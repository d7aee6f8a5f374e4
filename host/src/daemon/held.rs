//! The claims that this daemon works on: renewed together, and given up before another daemon may take one over.
//!
//! ```text
//! asked ── renewed ── renewed ── (no answer) ────── lost ──── lease ends: others may begin
//!                                                    └ the run is cancelled, and undoes what it had begun
//! ```

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
    taken: CancellationToken,
    /// When the renewal, or the claim, was asked for that the server has granted: the lease runs from no earlier moment.
    asked: Instant,
}

/// The last part of a lease: a run that is cancelled has so long to be over before others may begin.
fn margin(lease: Duration) -> Duration {
    (lease / 4).min(Duration::from_secs(30))
}

/// One claim, for as long as it is worked on.
#[derive(Debug)]
pub struct Hold<'a> {
    held: &'a Held,
    /// The claim.
    pub claim: Claim,
    /// The fire is somebody else's, or may be by now.
    pub lost: CancellationToken,
    /// It is somebody else's: the database says so.
    pub taken: CancellationToken,
}

impl Held {
    /// From now on the claim is renewed.
    pub fn hold(&self, claim: Claim) -> Hold<'_> {
        let (lost, taken) = (CancellationToken::new(), CancellationToken::new());
        self.entries().push(Entry {
            claim: claim.clone(),
            lost: lost.clone(),
            taken: taken.clone(),
            asked: claim.asked,
        });
        Hold {
            held: self,
            claim,
            lost,
            taken,
        }
    }

    /// What this daemon works on.
    pub fn claims(&self) -> Vec<Claim> {
        let entries = self.entries();
        entries.iter().map(|entry| entry.claim.clone()).collect()
    }

    /// Renews all leases; whether the server has answered. What is another daemon's by now is given up.
    pub async fn renew(&self, claims: &Claims) -> bool {
        let mine = self.claims();
        if mine.is_empty() {
            return true;
        }
        let asked = Instant::now();
        let gone = match claims.renew(&mine).await {
            Ok(gone) => gone,
            Err(failure) => {
                warn!(
                    "the leases of {} fires could not be renewed: {failure}",
                    mine.len()
                );
                return false;
            }
        };
        for entry in self
            .entries()
            .iter_mut()
            .filter(|entry| mine.contains(&entry.claim))
        {
            if gone.contains(&&entry.claim) {
                entry.taken.cancel();
                entry.lost.cancel();
            } else {
                entry.asked = asked;
            }
        }
        true
    }

    /// Gives up what could not be renewed while there is time to cancel it. Asks nobody: it is right also when nothing answers.
    pub fn give_up(&self, lease: Duration) {
        let limit = lease - margin(lease);
        for entry in self
            .entries()
            .iter()
            .filter(|entry| entry.asked.elapsed() >= limit && !entry.lost.is_cancelled())
        {
            warn!(schedule = entry.claim.schedule, fire = %entry.claim.fire, "the lease runs out; the run is cancelled, for another daemon may begin it");
            entry.lost.cancel();
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
