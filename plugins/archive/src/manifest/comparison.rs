//! What is stored, held against what the manifest says is stored: names and lengths, before a byte is read.

use std::collections::{BTreeMap, BTreeSet};

use super::{Manifest, StoredObject};
use crate::layout::{ENCRYPTED_MANIFEST, MANIFEST};

/// The outcome of [`compare`].
#[derive(Debug, PartialEq, Eq)]
pub struct Comparison<'a> {
    /// Objects that are there in their full length: worth reading. Largest first.
    pub readable: Vec<&'a StoredObject>,
    /// Objects that are missing or have another length, one text each.
    pub problems: Vec<String>,
    /// Names of objects that the manifest does not know.
    pub strangers: Vec<String>,
}

/// Compares the manifest with the objects below the backup's prefix: their names and lengths in bytes.
pub fn compare<'a>(manifest: &'a Manifest, stored: &[(String, u64)]) -> Comparison<'a> {
    let lengths: BTreeMap<&str, u64> = stored
        .iter()
        .map(|(name, bytes)| (name.as_str(), *bytes))
        .collect();
    let mut readable = Vec::new();
    let mut problems = Vec::new();
    for object in &manifest.objects {
        match lengths.get(object.name.as_str()) {
            None => problems.push(format!("{} is missing", object.name)),
            Some(bytes) if *bytes != object.bytes => problems.push(format!(
                "{} has {bytes} bytes instead of {}",
                object.name, object.bytes
            )),
            Some(_) => readable.push(object),
        }
    }
    readable.sort_by_key(|object| std::cmp::Reverse(object.bytes));
    let known: BTreeSet<&str> = manifest
        .objects
        .iter()
        .map(|object| object.name.as_str())
        .collect();
    let strangers = stored
        .iter()
        .map(|(name, _)| name)
        .filter(|name| *name != MANIFEST && *name != ENCRYPTED_MANIFEST)
        .filter(|name| !known.contains(name.as_str()))
        .cloned()
        .collect();
    Comparison {
        readable,
        problems,
        strangers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let object = |name: &str, bytes: u64| serde_json::json!({ "name": name, "bytes": bytes, "sha256": "0a".repeat(32) });
        serde_json::from_value(serde_json::json!({
            "format_version": 1,
            "backup": "2026-01-17T02-00-00Z-full-0a1b2c3d",
            "kind": "full",
            "database": "app",
            "tool": { "name": "orchestrator", "version": "0.1.0" },
            "plugin": { "name": "backup", "version": "0.1.0" },
            "server": { "version_number": 150018, "version": "15.18" },
            "snapshot": { "time": "2026-01-17T02:00:00Z" },
            "encoding": "UTF8",
            "locale": { "provider": "libc", "collate": "C", "ctype": "C" },
            "extensions": [],
            "roles": [],
            "archive": { "version": "1.14", "compression": "gzip" },
            "filters": {},
            "totals": { "bytes": 60, "plain_bytes": 0, "rows": 0, "tables": 0 },
            "objects": [object("1.dat.gz", 10), object("2.dat.gz", 20), object("toc.dat", 30)],
        }))
        .unwrap()
    }

    fn stored(objects: &[(&str, u64)]) -> Vec<(String, u64)> {
        objects
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), *bytes))
            .collect()
    }

    #[test]
    fn a_whole_backup_is_read_from_the_largest_object_down() {
        let manifest = manifest();
        let stored = stored(&[
            ("1.dat.gz", 10),
            ("2.dat.gz", 20),
            (MANIFEST, 900),
            ("toc.dat", 30),
        ]);
        let comparison = compare(&manifest, &stored);
        let names: Vec<_> = comparison
            .readable
            .iter()
            .map(|object| object.name.as_str())
            .collect();
        assert_eq!(names, ["toc.dat", "2.dat.gz", "1.dat.gz"]);
        assert!(comparison.problems.is_empty() && comparison.strangers.is_empty());
    }

    #[test]
    fn what_is_missing_cut_or_unknown_is_named() {
        let manifest = manifest();
        let comparison = compare(
            &manifest,
            &stored(&[("2.dat.gz", 19), ("9.dat.gz", 1), ("toc.dat", 30)]),
        );
        assert_eq!(
            comparison.problems,
            ["1.dat.gz is missing", "2.dat.gz has 19 bytes instead of 20"]
        );
        assert_eq!(comparison.strangers, ["9.dat.gz"]);
        assert_eq!(comparison.readable.len(), 1);
    }
}
