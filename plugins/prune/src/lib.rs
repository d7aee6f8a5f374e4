//! Deletes backups: those that are named, or those that a retention policy does not keep. What the policy keeps, and why, the crate
//! `retention` decides; here is what it decides about, and how it is carried out.

mod candidates;
mod deletion;
mod stored;
mod told;

use std::collections::BTreeSet;

use archive::layout;
use orchestrator_sdk::storage::{self, Store};
use orchestrator_sdk::{Error, Operation, run};
use retention::{Backup, Plan, Policy, Rules, plan};
use serde::Deserialize;
use serde_json::{Value, json};

use deletion::{IfPinned, delete_all, names_a_backup};
use stored::Known;

struct Prune;

#[derive(Deserialize)]
struct Parameters {
    storage: String,
    backups: Vec<String>,
    database: Option<String>,
    kind: Option<String>,
    #[serde(flatten)]
    rules: Rules,
    agreed: Option<Vec<String>>,
    proven: Vec<String>,
    damaged: Vec<String>,
}

/// One backup and what lies below its prefix.
struct Stored {
    prefix: String,
    /// The manifest first, so that the backup does not exist any more from the first deletion on.
    keys: Vec<String>,
    has_manifest: bool,
    bytes: u64,
}

impl Operation for Prune {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        let has_policy = parameters.rules != Rules::default();
        match (parameters.backups.is_empty(), has_policy) {
            (false, true) => Err(Error::invalid_input(
                "both backups and a policy are given: one of them says what is deleted",
            )
            .hint("leave out `backups`, or all of keep_last, keep_within, keep_daily and so on")),
            (false, false) => delete_named(&parameters, dry_run),
            (true, _) => follow_policy(&parameters, dry_run),
        }
    }
}

fn follow_policy(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let policy = Policy::new(&parameters.rules)
        .map_err(|error| Error::invalid_input(error.to_string()).hint(error.hint()))?;
    let store = storage::open(&parameters.storage)?;
    run::phase("looking at the backups");
    let known = Known::new(&parameters.proven, &parameters.damaged);
    let mut backups = stored::backups(
        &store,
        parameters.database.as_deref(),
        parameters.kind.as_deref(),
        &known,
    )?;
    if backups.is_empty() {
        run::warn(&format!(
            "there is no backup{}{} in the storage {}",
            of("of the database", &parameters.database),
            of("of the kind", &parameters.kind),
            parameters.storage
        ));
    }
    candidates::look_into(&mut backups, |prefix| candidates::read(&store, prefix))?;
    let mut planned = decide(&backups, &policy)?;
    let mut doomed = Vec::new();
    for decision in planned.deleted() {
        let found = list(&store, &decision.backup.key)?;
        // Any object that is held keeps its backup: half of one is of no use.
        match stored::held(&store, &found.keys)? {
            Some(hold) => {
                let held = backups
                    .iter_mut()
                    .filter(|backup| backup.key == found.prefix);
                held.for_each(|backup| backup.hold = Some(hold));
            }
            None => doomed.push(found),
        }
    }
    planned = decide(&backups, &policy)?;
    // What was held is kept now; nothing that was kept goes for it.
    let to_go: BTreeSet<&str> = planned
        .deleted()
        .map(|decision| decision.backup.key.as_str())
        .collect();
    doomed.retain(|found| to_go.contains(found.prefix.as_str()));
    let not_agreed = without_consent(&mut doomed, parameters.agreed.as_deref());
    let told = told::Told::new(&planned, &doomed);
    if !dry_run {
        told.before_the_first_deletion()?;
        let pinned = delete_all(&store, &doomed, IfPinned::Stays)?;
        doomed.retain(|found| !pinned.contains(&found.prefix));
    }
    let listed: Vec<_> = doomed
        .iter()
        .map(|found| json!({ "prefix": found.prefix, "objects": found.keys.len(), "bytes": found.bytes, "why": told.why(&found.prefix) }))
        .collect();
    // Of a plan all is shown; the record of what was done has a part of it.
    let (kept, more) = told.kept(if dry_run { usize::MAX } else { told::NAMED_MAX });
    let mut rest = json!({ "kept": kept });
    if more > 0 {
        rest["kept_more"] = more.into();
    }
    if !not_agreed.is_empty() {
        run::info(&format!(
            "{} backups that the policy does not keep stay: they were not there, or not to be deleted, when the plan was agreed to",
            not_agreed.len()
        ));
        rest["not_agreed"] = not_agreed.into();
    }
    Ok(summary(dry_run, &doomed, listed, rest))
}

/// Takes out what nobody has agreed to, and gives the prefixes of that. Where nobody was asked, the policy's word is enough; who was asked and
/// was shown nothing has agreed to nothing.
fn without_consent(doomed: &mut Vec<Stored>, agreed: Option<&[String]>) -> Vec<String> {
    let Some(agreed) = agreed else {
        return Vec::new();
    };
    let agreed: BTreeSet<&str> = agreed.iter().map(String::as_str).collect();
    let (to_go, to_stay): (Vec<Stored>, Vec<Stored>) = std::mem::take(doomed)
        .into_iter()
        .partition(|found| agreed.contains(found.prefix.as_str()));
    *doomed = to_go;
    to_stay.into_iter().map(|found| found.prefix).collect()
}

fn of(what: &str, name: &Option<String>) -> String {
    name.as_ref()
        .map(|name| format!(" {what} {name}"))
        .unwrap_or_default()
}

fn decide(backups: &[Backup], policy: &Policy) -> Result<Plan, Error> {
    plan(backups, policy, stored::now())
        .map_err(|error| Error::conflict(error.to_string()).hint(error.hint()))
}

fn delete_named(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    run::phase("listing objects");
    let store = storage::open(&parameters.storage)?;
    // All of them are looked at before the first one is deleted: a prefix that is wrong stops everything.
    let pins = stored::pins(&store)?;
    let mut doomed = Vec::new();
    let mut gone = Vec::new();
    for prefix in &parameters.backups {
        let prefix = prefix.trim_end_matches('/');
        let found = list(&store, prefix)?;
        if let Some(reason) = pins.get(prefix) {
            return Err(deletion::pinned(prefix, reason));
        }
        if !found.has_manifest && !found.keys.is_empty() {
            return Err(Error::refused(format!(
                "{prefix} has no {}: it is being written, or half of one",
                layout::MANIFEST
            ))
            .hint("half a backup is removed by the run that left it, or at the next start of any command; where no run knows of it any more, delete the folder in the storage itself"));
        }
        if let Some(hold) = stored::held(&store, &found.keys)? {
            return Err(Error::refused(format!(
                "the storage does not let go of the backup {prefix}: it is {}",
                retention::Reason::Held(hold)
            ))
            .hint("wait until then, or let whoever may do so take the hold off in the storage"));
        }
        if found.keys.is_empty() {
            run::warn(&format!(
                "nothing is stored at {prefix}: it has been deleted before"
            ));
            gone.push(prefix.to_owned());
        } else {
            doomed.push(found);
        }
    }
    let listed = doomed
        .iter()
        .map(|found| json!({ "prefix": found.prefix, "objects": found.keys.len(), "bytes": found.bytes }))
        .collect();
    if !dry_run {
        delete_all(&store, &doomed, IfPinned::Fails)?;
    }
    Ok(summary(
        dry_run,
        &doomed,
        listed,
        json!({ "not_there": gone }),
    ))
}

fn summary(dry_run: bool, doomed: &[Stored], mut listed: Vec<Value>, mut rest: Value) -> Value {
    if !dry_run && listed.len() > told::NAMED_MAX {
        rest["deleted_more"] = (listed.len() - told::NAMED_MAX).into();
        listed.truncate(told::NAMED_MAX);
    }
    let deleted = if dry_run { "would_delete" } else { "deleted" };
    rest[deleted] = listed.into();
    rest["objects"] = doomed
        .iter()
        .map(|found| found.keys.len())
        .sum::<usize>()
        .into();
    rest["bytes"] = doomed.iter().map(|found| found.bytes).sum::<u64>().into();
    rest
}

fn list(store: &Store, prefix: &str) -> Result<Stored, Error> {
    if prefix.is_empty() {
        return Err(Error::invalid_input(
            "an empty prefix names no backup: it would be the whole storage",
        ));
    }
    let mut manifests = Vec::new();
    for name in layout::MANIFESTS {
        let key = format!("{prefix}/{name}");
        if store.head(&key)?.is_some() {
            manifests.push(key);
        }
    }
    if manifests.is_empty() && !names_a_backup(prefix) {
        return Err(Error::refused(format!(
            "{prefix} is not a backup: it has no {} and is not called like the folder of one",
            layout::MANIFEST
        ))
        .hint("a backup's prefix ends in its database and its id: app/2026-01-17T02-00-00Z-manual-0a1b2c3d"));
    }
    let mut found = Stored {
        prefix: prefix.to_owned(),
        keys: manifests.clone(),
        has_manifest: !manifests.is_empty(),
        bytes: 0,
    };
    store.for_each(&format!("{prefix}/"), |object| {
        found.bytes += object.bytes;
        if !manifests.contains(&object.key) {
            found.keys.push(object.key);
        }
        Ok(())
    })?;
    Ok(found)
}

orchestrator_sdk::export!(Prune);

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(prefix: &str) -> Stored {
        Stored {
            prefix: prefix.to_owned(),
            keys: Vec::new(),
            has_manifest: true,
            bytes: 0,
        }
    }

    #[test]
    fn who_was_shown_nothing_has_agreed_to_nothing() {
        let some = ["b".to_owned(), "z".to_owned()];
        for (agreed, to_go, to_stay) in [
            (None, &["a", "b", "c"][..], &[][..]),
            (Some(&[][..]), &[], &["a", "b", "c"]),
            (Some(&some[..]), &["b"], &["a", "c"]),
        ] {
            let mut doomed = ["a", "b", "c"].map(stored).into();
            assert_eq!(without_consent(&mut doomed, agreed), to_stay);
            let left: Vec<_> = doomed.iter().map(|found| found.prefix.as_str()).collect();
            assert_eq!(left, to_go);
        }
    }
}
