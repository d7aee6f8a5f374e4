//! Snapshots that a retention policy does not keep. Those of the provider's own schedule, and those that other programs or people made,
//! are not looked at.

use orchestrator_sdk::snapshots::{self, Snapshot};
use orchestrator_sdk::{Error, run};
use retention::{Backup, Decision, Plan, Policy, Quality, Timestamp, plan};
use serde_json::{Value, json};

use crate::deleting::{self, IfPinned};
use crate::verifying::{AVAILABLE, FAILED};
use crate::{Parameters, naming};

pub fn prune(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let policy = Policy::new(&parameters.rules)
        .map_err(|error| Error::invalid_input(error.to_string()).hint(error.hint()))?;
    let server = snapshots::open(&parameters.database)?;
    run::phase("looking at the snapshots");
    let listed = server.list()?;
    let wanted = parameters.kind.as_deref();
    let snapshots: Vec<Backup> = listed
        .iter()
        .filter_map(ours)
        .filter(|snapshot| wanted.is_none_or(|kind| snapshot.kind == kind))
        .collect();
    if snapshots.is_empty() {
        let of_kind = wanted.map(|kind| format!(" of the kind {kind}"));
        run::warn(&format!(
            "this program has made no snapshot{} of the server {}",
            of_kind.unwrap_or_default(),
            server.name()
        ));
    }
    let planned = plan(&snapshots, &policy, moment(run::now()))
        .map_err(|error| Error::conflict(error.to_string()).hint(error.hint()))?;
    let agreed = parameters.agreed.as_deref();
    let (mut doomed, not_agreed): (Vec<&Decision>, Vec<&Decision>) = planned
        .deleted()
        .partition(|decision| is_agreed(&decision.backup.key, agreed));
    let mut result = json!({ "server": server.name(), "kept": told(planned.kept()) });
    if !not_agreed.is_empty() {
        run::info(&format!(
            "{} snapshots that the policy does not keep stay: they were not there, or not to be deleted, when the plan was agreed to",
            not_agreed.len()
        ));
        result["not_agreed"] = not_agreed.into_iter().map(key).collect();
    }
    if dry_run {
        result["would_delete"] = told(doomed);
        return Ok(result);
    }
    tell(&doomed, &planned)?;
    let names = doomed.iter().copied().map(key);
    let pinned_since = deleting::delete_all(&server, names, IfPinned::Stays)?;
    doomed.retain(|decision| !pinned_since.contains(&key(decision)));
    result["deleted"] = told(doomed);
    Ok(result)
}

/// Before the first deletion: what goes, what stays and why, also where nobody was asked.
fn tell(doomed: &[&Decision], planned: &Plan) -> Result<(), Error> {
    let delete = doomed.iter().copied().map(|decision| ("delete", decision));
    let keep = planned.kept().map(|decision| ("keep", decision));
    for (verb, decision) in delete.chain(keep) {
        run::info(&format!("{verb} {}: {}", key(decision), decision.why()));
    }
    let plan = json!({ "delete": told(doomed.iter().copied()), "keep": told(planned.kept()) });
    run::fact("plan", &plan)
}

fn told<'a>(decisions: impl IntoIterator<Item = &'a Decision>) -> Value {
    decisions
        .into_iter()
        .map(|decision| json!({ "snapshot": key(decision), "why": decision.why() }))
        .collect()
}

fn key(decision: &Decision) -> &str {
    &decision.backup.key
}

/// What was shown to somebody is all that may go, and nothing where nothing was shown; without such a list the job is the operator's word.
fn is_agreed(name: &str, agreed: Option<&[String]>) -> bool {
    agreed.is_none_or(|agreed| agreed.iter().any(|shown| shown == name))
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
        is_partial: false,
        pin: naming::pin(snapshot).map(str::to_owned),
        hold: None,
    })
}

fn moment(unix_ms: u64) -> Timestamp {
    let time = i64::try_from(unix_ms).ok();
    time.and_then(|time| Timestamp::from_millisecond(time).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(status: &str, tags: &[(&str, &str)]) -> Snapshot {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Snapshot {
            name: "app-manual-1".to_owned(),
            server: "app".to_owned(),
            status: status.to_owned(),
            percent: None,
            created: Some(1_768_615_200_000),
            gibibytes: 20,
            engine: "postgres".to_owned(),
            version: "15.4".to_owned(),
            automatic: false,
            encrypted: false,
            tags: tags.iter().map(owned).collect(),
        }
    }

    const RUN: (&str, &str) = ("orchestrator:run-id", "0198c0de");
    const NAME: (&str, &str) = ("orchestrator:snapshot", "App-Manual-1");
    const OURS: [(&str, &str); 2] = [RUN, NAME];

    #[test]
    fn nothing_goes_that_was_not_shown() {
        let shown = ["a".to_owned()];
        assert!(is_agreed("a", None), "a job's policy");
        assert!(is_agreed("a", Some(&shown)));
        assert!(!is_agreed("b", Some(&shown)));
        assert!(!is_agreed("a", Some(&[])), "nothing was shown");
    }

    #[test]
    fn what_is_planned_is_of_a_run_and_over() {
        let quality = |status| ours(&snapshot(status, &OURS)).map(|found| found.quality);
        assert_eq!(quality("available"), Some(Quality::Whole));
        assert_eq!(quality("failed"), Some(Quality::Damaged));
        assert_eq!(quality("incompatible-restore"), Some(Quality::Damaged));
        for unfinished in ["creating", "copying", "deleting"] {
            assert_eq!(quality(unfinished), None, "{unfinished}");
        }
        // The tags of a server that was restored, and those of another snapshot, were copied to what somebody else made.
        let copied = [RUN, ("orchestrator:snapshot", "app-manual-0")];
        for tags in [&[][..], &[RUN], &[NAME], &copied] {
            assert_eq!(ours(&snapshot("available", tags)), None, "{tags:?}");
        }
        let automatic = Snapshot {
            automatic: true,
            ..snapshot("available", &OURS)
        };
        assert_eq!(ours(&automatic), None);
    }

    #[test]
    fn a_tag_pins() {
        let pin = |tags: &[(&str, &str)]| ours(&snapshot("available", tags))?.pin;
        assert_eq!(pin(&OURS), None);
        for reason in ["before the audit", ""] {
            let pinned = pin(&[RUN, NAME, ("orchestrator:pin", reason)]);
            assert_eq!(pinned.as_deref(), Some(reason));
        }
    }
}
