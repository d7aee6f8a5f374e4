//! Runs that the journal keeps however old they are: what is asked of the past when everything else of that time is in the table alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use uuid::Uuid;

use super::damaged::Looks;
use super::history::History;
use super::proven::{Proofs, Proven};
use super::record::Status;

/// Of each database the runs that have proven its newest backups; those that have found a backup damaged; of each job the last run that is
/// over, and the last that succeeded.
pub(super) fn lasting(history: &History) -> BTreeSet<Uuid> {
    let mut proofs = Proofs::default();
    let mut looks = Looks::default();
    let mut last: BTreeMap<(String, bool), (Timestamp, Uuid)> = BTreeMap::new();
    for run in history.runs() {
        let record = run.record.whole();
        Proven::of(&record).for_each(|proven| proofs.add(proven));
        looks.add(&record);
        let Some(finished) = record.finished else {
            continue;
        };
        let end = (finished, record.run_id);
        let has_succeeded = record.status == Status::Succeeded;
        for only_successes in [false, true] {
            if has_succeeded || !only_successes {
                let known = last
                    .entry((record.job.clone(), only_successes))
                    .or_insert(end);
                *known = end.max(*known);
            }
        }
    }
    let proofs = proofs.into_list().into_iter().map(|proven| proven.run);
    proofs
        .chain(looks.damaged().map(|(_, _, run)| run))
        .chain(last.into_values().map(|(_, run)| run))
        .collect()
}
