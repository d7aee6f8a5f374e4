//! Snapshots that a retention policy does not keep. Those of the provider's own schedule, and those that other programs or people made,
//! are not looked at.

use orchestrator_sdk::snapshots::{self, Snapshot};
use orchestrator_sdk::{Error, run};
use retention::{Backup, Policy, Quality, Timestamp, plan};
use serde_json::{Value, json};

use crate::Parameters;
use crate::naming;
use crate::verifying::{AVAILABLE, FAILED};

pub fn prune(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let policy = Policy::new(&parameters.rules)
        .map_err(|error| Error::invalid_input(error.to_string()).hint(error.hint()))?;
    let server = snapshots::open(&parameters.database)?;
    run::phase("looking at the snapshots");
    let snapshots: Vec<Backup> = server.list()?.iter().filter_map(ours).collect();
    let now = moment(run::now());
    let planned = plan(&snapshots, &policy, now)
        .map_err(|error| Error::conflict(error.to_string()).hint(error.hint()))?;
    let told = |decision: &retention::Decision| json!({ "snapshot": decision.backup.key, "why": decision.why() });
    let doomed: Vec<_> = planned
        .deleted()
        .filter(|decision| {
            parameters.agreed.is_empty() || parameters.agreed.contains(&decision.backup.key)
        })
        .collect();
    if !dry_run {
        for decision in &doomed {
            run::check_cancelled()?;
            run::phase(&format!("deleting {}", decision.backup.key));
            server.delete(&decision.backup.key)?;
        }
        if !doomed.is_empty() {
            let names: Vec<&str> = doomed
                .iter()
                .map(|decision| decision.backup.key.as_str())
                .collect();
            run::fact(
                "change",
                &format!("Deleted the snapshots {}", names.join(", ")),
            )?;
        }
    }
    let deleted = if dry_run { "would_delete" } else { "deleted" };
    Ok(json!({
        "server": server.name(),
        "kept": planned.kept().map(told).collect::<Vec<_>>(),
        deleted: doomed.into_iter().map(told).collect::<Vec<_>>(),
    }))
}

/// What a run of this program made, once it is whole or never will be.
fn ours(snapshot: &Snapshot) -> Option<Backup> {
    if snapshot.automatic || !naming::is_of_a_run(snapshot) {
        return None;
    }
    let quality = match snapshot.status.as_str() {
        AVAILABLE => Quality::Whole,
        // What is being deleted already is nobody's to delete.
        "deleting" => return None,
        status if FAILED.contains(&status) => Quality::Damaged,
        _ => return None,
    };
    Some(Backup {
        key: snapshot.name.clone(),
        database: snapshot.server.clone(),
        kind: naming::kind(snapshot).unwrap_or_default().to_owned(),
        taken: moment(snapshot.created?),
        stored: None,
        quality,
        pin: None,
        hold: None,
    })
}

fn moment(unix_ms: u64) -> Timestamp {
    let time = i64::try_from(unix_ms).ok();
    time.and_then(|time| Timestamp::from_millisecond(time).ok())
        .unwrap_or(Timestamp::MAX)
}
