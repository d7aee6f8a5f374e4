//! What may be deleted, in what order, and what is told of it.

use archive::BackupFolder;
use archive::layout::PINS;
use orchestrator_sdk::storage::Store;
use orchestrator_sdk::{Error, run};

use crate::Stored;
use crate::stored::reason_of_pin;
use crate::told::deleted;

/// Keys in one request: S3's own limit.
const KEYS_AT_ONCE: usize = 1000;

/// What becomes of a backup that was pinned after it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfPinned {
    /// It stays, and the others go.
    Stays,
    /// Nothing more is deleted: it was named.
    Fails,
}

/// Deletes them one after another, and gives the prefixes of those that were pinned meanwhile. However it ends, the run's record has what
/// was deleted by then.
pub fn delete_all(
    store: &Store,
    doomed: &[Stored],
    if_pinned: IfPinned,
) -> Result<Vec<String>, Error> {
    run::phase("deleting");
    let mut pinned_since = Vec::new();
    let mut gone: Vec<&str> = Vec::new();
    let result = doomed.iter().try_for_each(|backup| {
        match (pin(store, &backup.prefix)?, if_pinned) {
            (Some(reason), IfPinned::Fails) => return Err(pinned(&backup.prefix, &reason)),
            (Some(_), IfPinned::Stays) => {
                run::warn(&format!(
                    "the backup {} was pinned after the plan was made: it stays",
                    backup.prefix
                ));
                pinned_since.push(backup.prefix.clone());
                return Ok(());
            }
            (None, _) => {}
        }
        for (request, keys) in batches(&backup.keys).enumerate() {
            run::check_cancelled()?;
            store.delete(keys).map_err(|error| {
                error.while_doing(format_args!("deleting the backup {}", backup.prefix))
            })?;
            // Without its manifest it is none any more: what is left of it goes with the end of the step.
            if request == 0 {
                gone.push(&backup.prefix);
            }
        }
        run::info(&format!(
            "deleted {} ({} objects)",
            backup.prefix,
            backup.keys.len()
        ));
        // Told again with each power of two, so that little is lost where the step is ended from outside, and little is told twice.
        match gone.len().is_power_of_two() {
            true => deleted(&gone),
            false => Ok(()),
        }
    });
    let told = match gone.is_empty() {
        true => Ok(()),
        false => deleted(&gone),
    };
    result.and(told).map(|()| pinned_since)
}

/// Why a backup is pinned by now; `None` where it is not.
fn pin(store: &Store, prefix: &str) -> Result<Option<String>, Error> {
    let key = format!("{PINS}/{prefix}");
    match store.head(&key)? {
        Some(_) => reason_of_pin(store, &key).map(Some),
        None => Ok(None),
    }
}

/// A pinned backup was named.
pub fn pinned(prefix: &str, reason: &str) -> Error {
    let why = match reason {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    Error::refused(format!("the backup {prefix} is pinned{why}"))
        .hint("`orchestrator backup unpin` takes the pin off")
}

/// Whether a prefix ends in the folder of a backup, `<database>/<backup id>`, whatever stands before it.
pub fn names_a_backup(prefix: &str) -> bool {
    let mut parts = prefix.rsplitn(3, '/');
    let (Some(id), Some(database)) = (parts.next(), parts.next()) else {
        return false;
    };
    BackupFolder::parse(&format!("{database}/{id}")).is_ok()
}

/// The requests: the first key (the manifest) alone, so that no failure leaves a backup that looks whole, then the rest.
fn batches(keys: &[String]) -> impl Iterator<Item = &[String]> {
    let (first, rest) = keys.split_at(keys.len().min(1));
    std::iter::once(first)
        .filter(|first| !first.is_empty())
        .chain(rest.chunks(KEYS_AT_ONCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_backup_is_known_by_its_end() {
        for prefix in [
            "app/2026-01-17T02-00-00Z-manual-0a1b2c3d",
            "nightly/eu/app/2026-01-17T02-00-00Z-pre-migrate-0a1b2c3d",
        ] {
            assert!(names_a_backup(prefix), "{prefix}");
        }
        for prefix in [
            "",
            "app",
            "app/latest",
            "app/2026-01-17",
            "2026-01-17T02-00-00Z-manual-0a1b2c3d",
        ] {
            assert!(!names_a_backup(prefix), "{prefix}");
        }
    }

    #[test]
    fn the_manifest_goes_first_and_alone() {
        let keys: Vec<String> = (0..2002).map(|number| number.to_string()).collect();
        let sizes: Vec<_> = batches(&keys).map(<[String]>::len).collect();
        assert_eq!(sizes, [1, 1000, 1000, 1]);
        assert_eq!(batches(&keys).next(), Some(&["0".to_owned()][..]));
        assert_eq!(batches(&[]).count(), 0);
    }
}
