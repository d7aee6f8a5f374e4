//! Where a backup lies below a storage's prefix, and what its objects are called:
//! `<database>/<2026-01-17T02-00-00Z>-<kind>-<short id>/<object>`.

mod backup_id;
mod database_name;

pub use backup_id::{BackupId, BackupIdError, BackupKind};
pub use database_name::{DatabaseNameError, escape_database, unescape_database};

use crate::toc::Compression;

/// The table of contents.
pub const TOC: &str = "toc.dat";
/// Which file holds which large object, before archive version 1.16.
pub const TABLE_OF_LARGE_OBJECTS: &str = "blobs.toc";
/// Roles and memberships, without passwords.
pub const GLOBALS: &str = "globals.sql";
/// The last object of a backup, the one that makes it exist.
pub const MANIFEST: &str = "manifest.json";

/// The last object of an encrypted backup.
pub const ENCRYPTED_MANIFEST: &str = "manifest.json.age";
/// The names that the last object of a backup can have.
pub const MANIFESTS: [&str; 2] = [MANIFEST, ENCRYPTED_MANIFEST];
/// The folder of pins, one object for each pinned backup. No other name of a folder of databases holds ids below another folder.
pub const PINS: &str = "pins";
/// What the names of encrypted objects end in, as those of `age` do.
pub const ENCRYPTED: &str = ".age";

/// The name of a table's data in `toc.dat`: `4021.dat`.
pub fn data_filename(dump_id: u32) -> String {
    format!("{dump_id}.dat")
}

/// The name of a large object's data in `blobs.toc`: `blob_16403.dat`.
pub fn large_object_filename(oid: u32) -> String {
    format!("blob_{oid}.dat")
}

/// The name under which a data file is stored: what the archive calls it and the suffix of the compression, `4021.dat.gz`.
pub fn stored_name(filename: &str, compression: Compression) -> String {
    format!("{filename}{}", compression.suffix())
}

/// Whether a name may stand for an object of a backup: one plain part of a key, no way out of the backup's folder.
pub fn is_object_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !name.is_empty() && name.len() <= 255 && !name.starts_with('.') && name.bytes().all(plain)
}

/// The folder of one backup, relative to the storage's prefix.
///
/// Ordered by database, then newest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupFolder {
    /// The database's name, as PostgreSQL knows it.
    pub database: String,
    /// The backup's id, unique in its database.
    pub id: BackupId,
}

/// A key that is not the folder of a backup.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupFolderError {
    #[error("{0:?} is not the folder of a backup: it has to be <database>/<backup id>")]
    Shape(String),
    #[error(transparent)]
    Database(#[from] DatabaseNameError),
    #[error(transparent)]
    Id(#[from] BackupIdError),
}

impl BackupFolder {
    /// The key's prefix of everything the backup holds, with its `/`: `app/2026-01-17T02-00-00Z-full-0a1b2c3d/`.
    pub fn prefix(&self) -> String {
        format!("{}/{}/", escape_database(&self.database), self.id)
    }

    /// The key of one of the backup's objects.
    pub fn key(&self, object: &str) -> String {
        self.prefix() + object
    }

    /// Reads a prefix, with or without its last `/`.
    pub fn parse(prefix: &str) -> Result<BackupFolder, BackupFolderError> {
        let path = prefix.strip_suffix('/').unwrap_or(prefix);
        let (database, id) = path
            .split_once('/')
            .ok_or_else(|| BackupFolderError::Shape(prefix.to_owned()))?;
        Ok(BackupFolder {
            database: unescape_database(database)?,
            id: id.parse()?,
        })
    }

    /// The key of the object by which the backup is pinned: `pins/app/2026-01-17T02-00-00Z-full-0a1b2c3d`. It lies beside the backup and
    /// not in it: what a backup holds is its manifest's to say.
    pub fn pin(&self) -> String {
        format!("{PINS}/{}", self.prefix().trim_end_matches('/'))
    }

    /// The backup that an object with this key pins; `None` for what is no pin.
    pub fn of_pin(key: &str) -> Option<BackupFolder> {
        let folder = key.strip_prefix(PINS)?.strip_prefix('/')?;
        BackupFolder::parse(folder).ok()
    }

    /// Splits the key of a stored object into its backup and the object's name; `None` for what is not part of a backup.
    pub fn of_key(key: &str) -> Option<(BackupFolder, &str)> {
        let (folder, name) = key.rsplit_once('/')?;
        let folder = BackupFolder::parse(folder).ok()?;
        is_object_name(name).then_some((folder, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart_again() {
        let folder = BackupFolder {
            database: "my/app".to_owned(),
            id: BackupId::new(1_768_615_200_040, BackupKind::FULL, 0x1b_2c3d),
        };
        assert_eq!(
            folder.prefix(),
            "my%2Fapp/2026-01-17T02-00-00Z-full-0a1b2c3d/"
        );
        assert_eq!(BackupFolder::parse(&folder.prefix()), Ok(folder.clone()));
        assert_eq!(BackupFolder::of_pin(&folder.pin()), Some(folder.clone()));
        let name = stored_name(&data_filename(7), Compression::Gzip(None));
        assert_eq!(
            BackupFolder::of_key(&folder.key(&name)),
            Some((folder, "7.dat.gz"))
        );
        assert_eq!(BackupFolder::of_key("app/notes.txt"), None);
        assert_eq!(
            BackupFolder::of_pin("pins/2026-01-17T02-00-00Z-full-0a1b2c3d/manifest.json"),
            None
        );
        assert!(BackupFolder::parse("app").is_err());
    }

    #[test]
    fn object_names_are_plain() {
        for name in [TOC, GLOBALS, MANIFEST, "blob_1.dat.gz", "12.dat.zst.age"] {
            assert!(is_object_name(name), "{name}");
        }
        for name in ["", "..", ".hidden", "a/b", "a\\b", "a b", "é"] {
            assert!(!is_object_name(name), "{name}");
        }
    }
}
