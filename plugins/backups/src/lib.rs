//! How plugins find the backups of a storage, and read their manifests.

use archive::layout::{self, BackupFolder, escape_database};
use archive::manifest::ManifestError;
use archive::{BackupId, Manifest};
use orchestrator_sdk::Error;
use orchestrator_sdk::storage::Store;

/// A manifest that is longer than this is none of a backup.
const MANIFEST_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The manifest below the prefix; `None` where there is none. Fails with the kind `corrupt` when it is damaged, and `unsupported` when a
/// later program wrote it.
pub fn read_manifest(store: &Store, prefix: &str) -> Result<Option<Manifest>, Error> {
    for name in layout::MANIFESTS {
        let key = format!("{prefix}/{name}");
        if store.head(&key)?.is_some() {
            let bytes = store.read(&key, MANIFEST_BYTES_MAX)?;
            return Manifest::read(&bytes).map(Some).map_err(|error| match error {
                ManifestError::Newer { .. } => Error::unsupported(format!("{key}: {error}")),
                _ => Error::corrupt(format!("{key}: {error}"))
                    .hint("verify it again; where it stays so, take a new backup now and look for an older copy of this one"),
            });
        }
    }
    Ok(None)
}

/// The newest backup of a database that exists, with its manifest.
pub fn newest(store: &Store, database: &str) -> Result<Option<(BackupFolder, Manifest)>, Error> {
    let names = store.folders(&format!("{}/", escape_database(database)))?;
    let mut ids: Vec<BackupId> = names.iter().filter_map(|name| name.parse().ok()).collect();
    // The newest comes first.
    ids.sort();
    // Half a backup has no manifest.
    for id in ids {
        let folder = BackupFolder {
            database: database.to_owned(),
            id,
        };
        let prefix = folder.prefix();
        if let Some(manifest) = read_manifest(store, prefix.trim_end_matches('/'))? {
            return Ok(Some((folder, manifest)));
        }
    }
    Ok(None)
}
