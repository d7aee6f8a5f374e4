//! Backups of this program: a manifest says what every byte has to be.

use std::collections::HashMap;

use archive::manifest::compare;
use archive::{Manifest, Toc, layout};
use orchestrator_sdk::Error;
use orchestrator_sdk::storage::Store;

use super::{Backup, Facts, Files, corrupt, read_large_objects, unusable};
use crate::entries::describe;

/// Holds the manifest against what is stored and against the table of contents.
pub fn open(store: Store, prefix: &str, manifest: Manifest) -> Result<Backup, Error> {
    compare_lengths(&store, prefix, &manifest)?;
    let facts = Facts {
        name: manifest.backup.to_string(),
        snapshot_time: Some(manifest.snapshot.time.clone()),
        server_major: manifest.server.version_number / 10_000,
        encoding: manifest.encoding.clone(),
        roles: manifest.roles.clone(),
        bytes: manifest.totals.bytes,
        filters: Some(manifest.filters.clone()),
    };
    let files = Files::new(store, prefix, manifest.objects.into_iter());
    let toc = files.read_toc()?;
    check_entries(&files, &toc)?;
    Ok(Backup {
        large_objects: read_large_objects(&files, &toc)?,
        files,
        facts,
        toc,
    })
}

/// Names the objects that are missing or have another length than the manifest says.
fn compare_lengths(store: &Store, prefix: &str, manifest: &Manifest) -> Result<(), Error> {
    let mut stored = Vec::new();
    store.for_each(&format!("{prefix}/"), |object| {
        stored.push((object.key[prefix.len() + 1..].to_owned(), object.bytes));
        Ok(())
    })?;
    let problems = compare(manifest, &stored).problems;
    if problems.is_empty() {
        return Ok(());
    }
    Err(unusable(Error::corrupt(format!(
        "the backup at {prefix} is not whole: {}",
        problems.join("; ")
    ))))
}

/// Whether the manifest and the table of contents are of the same backup: every data file is stored, and every stored table
/// is one of the entries.
fn check_entries(files: &Files, toc: &Toc) -> Result<(), Error> {
    let mut tables: HashMap<u32, &str> = HashMap::new();
    for entry in toc
        .entries
        .iter()
        .filter(|entry| entry.desc == "TABLE DATA" && entry.had_dumper)
    {
        let object = files.find(&entry.filename)?;
        if object.table.as_ref().map(|table| table.dump_id) != Some(entry.dump_id) {
            return Err(corrupt(
                layout::MANIFEST,
                format!("{} is not the data of {}", object.name, describe(entry)),
            ));
        }
        tables.insert(entry.dump_id, &entry.filename);
    }
    let stray = files.objects.values().find(|object| {
        object
            .table
            .as_ref()
            .is_some_and(|table| !tables.contains_key(&table.dump_id))
    });
    match stray {
        Some(object) => Err(corrupt(
            layout::MANIFEST,
            format!("the table of contents does not know {}", object.name),
        )),
        None => Ok(()),
    }
}
