//! Deletes backups: those that are named, or those that a retention policy does not keep. What the policy keeps, and why, the crate
//! `retention` decides; here is what it decides about, and how it is carried out.

mod deletion;
mod stored;

use archive::layout;
use orchestrator_sdk::storage::{self, Store};
use orchestrator_sdk::{Error, Operation, run};
use retention::{Backup, Plan, Policy, Rules, plan};
use serde::Deserialize;
use serde_json::{Value, json};

use deletion::{batches, names_a_backup};

struct Prune;

#[derive(Deserialize)]
struct Parameters {
    storage: String,
    backups: Vec<String>,
    database: Option<String>,
    kind: Option<String>,
    #[serde(flatten)]
    rules: Rules,
    agreed: Vec<String>,
    proven: Vec<String>,
}

/// One backup and what lies below its prefix.
struct Stored {
    prefix: String,
    /// The manifest first, so that the backup does not exist any more from the first deletion on.
    keys: Vec<String>,
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
    let mut backups = stored::backups(
        &store,
        parameters.database.as_deref(),
        parameters.kind.as_deref(),
        &parameters.proven,
    )?;
    if backups.is_empty() {
        run::warn(&format!(
            "there is no backup{}{} in the storage {}",
            of("of the database", &parameters.database),
            of("of the kind", &parameters.kind),
            parameters.storage
        ));
    }
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
    doomed.retain(|found| {
        planned
            .deleted()
            .any(|decision| decision.backup.key == found.prefix)
    });
    if !parameters.agreed.is_empty() {
        doomed.retain(|found| parameters.agreed.contains(&found.prefix));
    }
    for decision in &planned.decisions {
        let verb = if decision.is_kept() { "keep" } else { "delete" };
        run::log(
            run::Level::Debug,
            &format!("{verb} {}: {}", decision.backup.key, decision.why()),
        );
    }
    if !dry_run {
        delete_all(&store, &doomed)?;
    }
    let why = |prefix: &str| {
        let of_it = planned
            .decisions
            .iter()
            .find(|decision| decision.backup.key == prefix);
        of_it.map(retention::Decision::why)
    };
    let listed: Vec<_> = doomed
        .iter()
        .map(|found| json!({ "prefix": found.prefix, "objects": found.keys.len(), "bytes": found.bytes, "why": why(&found.prefix) }))
        .collect();
    let kept: Vec<_> = planned
        .kept()
        .map(|decision| json!({ "prefix": decision.backup.key, "why": decision.why() }))
        .collect();
    Ok(summary(dry_run, &doomed, listed, json!({ "kept": kept })))
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
            let why = if reason.is_empty() {
                String::new()
            } else {
                format!(": {reason}")
            };
            return Err(
                Error::refused(format!("the backup {prefix} is pinned{why}"))
                    .hint("`orchestrator backup unpin` takes the pin off"),
            );
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
        delete_all(&store, &doomed)?;
    }
    Ok(summary(
        dry_run,
        &doomed,
        listed,
        json!({ "not_there": gone }),
    ))
}

fn summary(dry_run: bool, doomed: &[Stored], listed: Vec<Value>, mut rest: Value) -> Value {
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

fn delete_all(store: &Store, doomed: &[Stored]) -> Result<(), Error> {
    run::phase("deleting");
    for backup in doomed {
        for keys in batches(&backup.keys) {
            run::check_cancelled()?;
            store.delete(keys).map_err(|error| {
                error.while_doing(format_args!("deleting the backup {}", backup.prefix))
            })?;
        }
        run::info(&format!(
            "deleted {} ({} objects)",
            backup.prefix,
            backup.keys.len()
        ));
    }
    if !doomed.is_empty() {
        let names: Vec<&str> = doomed.iter().map(|backup| backup.prefix.as_str()).collect();
        run::fact(
            "change",
            &format!("Deleted the backups {}", names.join(", ")),
        )?;
    }
    Ok(())
}

orchestrator_sdk::export!(Prune);
