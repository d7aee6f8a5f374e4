//! `manifest.json`, the last object of a backup: what the archive cannot say about itself, and what every byte of it has to be.

mod check;
mod comparison;
mod lines;
mod objects;
mod seal;

use serde::{Deserialize, Serialize};

pub use check::ManifestError;
pub use comparison::{Comparison, compare};
pub use objects::{Chunk, StoredObject, TableData, Totals};

use crate::layout::{BackupId, BackupKind, ENCRYPTED};

/// The version of the format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// A whole `manifest.json`. Fields that are not known are ignored: a later program may add some without a new format version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// The name of the backup's folder.
    pub backup: BackupId,
    /// Why it was taken, or what it holds.
    pub kind: BackupKind,
    /// The database's name, as PostgreSQL knows it.
    pub database: String,
    /// The program that wrote it.
    pub tool: Tool,
    /// The plugin that decided what to write.
    pub plugin: Plugin,
    /// The server that was read.
    pub server: Server,
    /// The moment that all of the data is from.
    pub snapshot: Snapshot,
    /// The database's encoding, as in `pg_encoding_to_char`: `UTF8`.
    pub encoding: String,
    /// How the database sorts text.
    pub locale: Locale,
    /// Extensions that the database has, in the order of their names.
    pub extensions: Vec<Extension>,
    /// Roles that the archive's owners, grants and policies name; a restore needs them or leaves those out.
    pub roles: Vec<String>,
    /// How the archive is written.
    pub archive: ArchiveFormat,
    /// What was left out, and what was asked for.
    pub filters: Filters,
    /// The sums over `objects`.
    pub totals: Totals,
    /// Everything stored but the manifest itself, in the order of the names.
    pub objects: Vec<StoredObject>,
}

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `orchestrator`.
    pub name: String,
    /// As in Cargo.toml.
    pub version: String,
}

/// A plugin and its digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// As in the plugin's manifest.
    pub name: String,
    /// As in the plugin's manifest.
    pub version: String,
    /// Of the component, 64 lowercase hex digits; absent when the plugin was not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The PostgreSQL server that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// As in `server_version_num`: 150018.
    pub version_number: u32,
    /// As in `server_version`.
    pub version: String,
}

/// The moment that all of the data is from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// RFC 3339, UTC, to the second: `2026-01-17T02:00:00Z`.
    pub time: String,
    /// As pg_lsn prints it: `0/16B3748`; absent where the user may not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<String>,
    /// The timeline of that position; absent of a standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<u32>,
    /// The server's `system_identifier`; absent where the user may not ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// The transactions that it sees, as `pg_current_snapshot` prints them: `735:740:736,738`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transactions: Option<String>,
}

/// How the database sorts and classifies text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// LC_COLLATE.
    pub collate: String,
    /// LC_CTYPE.
    pub ctype: String,
    /// Of ICU or the built-in provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// An extension that the database has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// As in CREATE EXTENSION.
    pub name: String,
    /// The version that is installed.
    pub version: String,
    /// The schema that its objects are in.
    pub schema: String,
}

/// How the archive is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveFormat {
    /// Of `toc.dat`: `1.14`.
    pub version: String,
    /// `none`, `gzip`, `lz4` or `zstd`.
    pub compression: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Of the compression, where it has one.
    pub level: Option<i8>,
    /// `age` where every object is an age file of its own; absent where nothing is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
}

/// How every object is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// age-encryption.org/v1.
    Age,
}

/// What was asked for, as patterns; all empty for a whole database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// Only these tables.
    pub tables: Vec<String>,
    /// All but these tables.
    pub exclude_tables: Vec<String>,
    /// Of these tables the definition alone.
    pub exclude_table_data: Vec<String>,
    /// No data.
    pub schema_only: bool,
    /// No definitions.
    pub data_only: bool,
}

impl Filters {
    /// All of the database was asked for.
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Some of it was chosen, and nobody can say what the rest was: tables by their names, definitions or data alone.
    pub fn is_choice(&self) -> bool {
        !self.tables.is_empty() || self.schema_only || self.data_only
    }
}

impl Manifest {
    /// The file's bytes: JSON with a line for each object, and a last line feed. The same manifest gives the same bytes. Its last field, `sha256`, is
    /// the digest of all bytes before the comma that it follows.
    pub fn write(&self) -> Result<Vec<u8>, ManifestError> {
        let json = lines::write(self).map_err(|error| ManifestError::Invalid(error.to_string()))?;
        Ok(seal::seal(json).into_bytes())
    }

    /// Reads a file: its format version first, then everything, then whether its parts agree, and whether all of it is as it was
    /// written.
    pub fn read(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let manifest: Manifest = check::parse(bytes)?;
        manifest.validate()?;
        // JSON is UTF-8, or it would not have been read.
        if !str::from_utf8(bytes).is_ok_and(seal::holds) {
            return Err(ManifestError::Changed);
        }
        Ok(manifest)
    }

    /// Whether the parts agree: names, digests, and the sums of rows and bytes.
    pub fn validate(&self) -> Result<(), ManifestError> {
        check::validate(self)
    }

    /// The object of this name.
    pub fn object(&self, name: &str) -> Option<&StoredObject> {
        self.objects.iter().find(|object| object.name == name)
    }

    /// The object that holds this file of the archive, under the name that encryption gives it.
    pub fn file(&self, name: &str) -> Option<&StoredObject> {
        match self.archive.encryption {
            None => self.object(name),
            Some(Encryption::Age) => self.object(&format!("{name}{ENCRYPTED}")),
        }
    }
}

#[cfg(test)]
mod tests;
