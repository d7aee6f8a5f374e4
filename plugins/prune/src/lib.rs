//! Deletes backups that a retention policy no longer keeps. Which ones these are is decided before, and by others.

mod deletion;

use archive::layout;
use orchestrator_sdk::storage::{self, Store};
use orchestrator_sdk::{Error, Operation, run};
use serde::Deserialize;
use serde_json::{Value, json};

use deletion::{batches, names_a_backup};

struct Prune;

#[derive(Deserialize)]
struct Parameters {
    storage: String,
    backups: Vec<String>,
}

/// One backup and what lies below its prefix.
struct Backup {
    prefix: String,
    /// `manifest.json` first, so that the backup does not exist any more from the first deletion on.
    keys: Vec<String>,
    bytes: u64,
}

impl Operation for Prune {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        run::phase("listing objects");
        let store = storage::open(&parameters.storage)?;
        // All of them are looked at before the first one is deleted: a prefix that is wrong stops everything.
        let mut backups = Vec::new();
        let mut gone = Vec::new();
        for prefix in &parameters.backups {
            let prefix = prefix.trim_end_matches('/');
            let backup = list(&store, prefix)?;
            if backup.keys.is_empty() {
                run::warn(&format!(
                    "nothing is stored at {prefix}: it has been deleted before"
                ));
                gone.push(prefix.to_owned());
            } else {
                backups.push(backup);
            }
        }
        let bytes: u64 = backups.iter().map(|backup| backup.bytes).sum();
        let objects: usize = backups.iter().map(|backup| backup.keys.len()).sum();
        let listed: Vec<_> = backups
            .iter()
            .map(|backup| json!({ "prefix": backup.prefix, "objects": backup.keys.len(), "bytes": backup.bytes }))
            .collect();
        if !dry_run {
            run::phase("deleting");
            for backup in &backups {
                delete(&store, backup)?;
            }
        }
        let deleted = if dry_run { "would_delete" } else { "deleted" };
        Ok(json!({ deleted: listed, "objects": objects, "bytes": bytes, "not_there": gone }))
    }
}

fn list(store: &Store, prefix: &str) -> Result<Backup, Error> {
    if prefix.is_empty() {
        return Err(Error::invalid_input(
            "an empty prefix names no backup: it would be the whole storage",
        ));
    }
    let manifest = format!("{prefix}/{}", layout::MANIFEST);
    let has_manifest = store.head(&manifest)?.is_some();
    if !has_manifest && !names_a_backup(prefix) {
        return Err(Error::refused(format!(
            "{prefix} is not a backup: it has no {} and is not called like the folder of one",
            layout::MANIFEST
        ))
        .hint("a backup's prefix ends in its database and its id: app/2026-01-17T02-00-00Z-manual-0a1b2c3d"));
    }
    let mut backup = Backup {
        prefix: prefix.to_owned(),
        keys: if has_manifest {
            vec![manifest.clone()]
        } else {
            Vec::new()
        },
        bytes: 0,
    };
    store.for_each(&format!("{prefix}/"), |object| {
        backup.bytes += object.bytes;
        if object.key != manifest {
            backup.keys.push(object.key);
        }
        Ok(())
    })?;
    Ok(backup)
}

fn delete(store: &Store, backup: &Backup) -> Result<(), Error> {
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
    Ok(())
}

orchestrator_sdk::export!(Prune);
