//! The beginning of an archive: who wrote it, when and how.

use std::fmt;
use std::str::FromStr;

use crate::civil_time::CivilTime;

/// What stands before the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Version of the archive format.
    pub version: Version,
    /// How the data lies.
    pub format: Format,
    /// How the data is compressed.
    pub compression: Compression,
    /// When the archive was begun.
    pub created: Created,
    /// Name of the database.
    pub database: Option<String>,
    /// Version of the server, as text: `15.18`.
    pub server_version: Option<String>,
    /// Version of what wrote the archive, as text.
    pub dumper_version: Option<String>,
}

/// Version of the archive format; an older pg_restore refuses a newer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// pg_dump 9.0; an entry for each large object.
    V1_12,
    /// The security releases of 2018; an empty search path.
    V1_13,
    /// pg_dump 12 to 15; table access methods.
    V1_14,
    /// pg_dump 16; lz4 and zstd.
    V1_15,
    /// pg_dump 17 and 18; relkinds, large objects in groups.
    V1_16,
}

/// How the entries' data lies beside or behind the table of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// A file for each; `toc.dat` itself says "tar", as pg_dump's does.
    Directory,
    /// Blocks of the same file.
    Custom,
}

/// How the entries' data is compressed. `toc.dat` itself never is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As PostgreSQL sent it.
    None,
    /// At a level from 1 to 9; `None` for zlib's default. Versions from 1.15 on do not store the level.
    Gzip(Option<u8>),
    /// LZ4 frames.
    Lz4,
    /// Zstandard frames.
    Zstd,
}

/// A local time, field by field as in C's `struct tm`: months count from 0, years from 1900.
#[allow(missing_docs, reason = "their names are C's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Created {
    pub sec: i32,
    pub min: i32,
    pub hour: i32,
    pub mday: i32,
    pub mon: i32,
    pub year: i32,
    /// Above 0 in daylight saving time, below 0 when unknown.
    pub isdst: i32,
}

impl Version {
    /// The oldest that is read.
    pub const OLDEST: Version = Version::V1_12;
    /// The newest that is read.
    pub const NEWEST: Version = Version::V1_16;
    const ALL: [Version; 5] = [
        Version::V1_12,
        Version::V1_13,
        Version::V1_14,
        Version::V1_15,
        Version::V1_16,
    ];

    /// The number after `1.`.
    pub fn minor(self) -> u8 {
        match self {
            Version::V1_12 => 12,
            Version::V1_13 => 13,
            Version::V1_14 => 14,
            Version::V1_15 => 15,
            Version::V1_16 => 16,
        }
    }

    /// The version 1.`minor`, if it is one of those.
    pub fn from_minor(minor: u8) -> Option<Version> {
        Version::ALL
            .into_iter()
            .find(|version| version.minor() == minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1.{}", self.minor())
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Version, UnknownVersion> {
        Version::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| UnknownVersion {
                text: text.to_owned(),
            })
    }
}

/// A text that is not a version of the archive format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "archive version {text:?} is not one of {} to {}",
    Version::OLDEST,
    Version::NEWEST
)]
pub struct UnknownVersion {
    text: String,
}

impl Compression {
    /// What a data file's name ends in: empty, `.gz`, `.lz4` or `.zst`.
    pub fn suffix(self) -> &'static str {
        match self {
            Compression::None => "",
            Compression::Gzip(_) => ".gz",
            Compression::Lz4 => ".lz4",
            Compression::Zstd => ".zst",
        }
    }

    /// The oldest archive version that can say so.
    pub fn least_version(self) -> Version {
        match self {
            Compression::None | Compression::Gzip(_) => Version::OLDEST,
            Compression::Lz4 | Compression::Zstd => Version::V1_15,
        }
    }
}

impl From<CivilTime> for Created {
    fn from(time: CivilTime) -> Created {
        let (year, month, day) = time.date();
        let (hour, minute, second) = time.time();
        Created {
            sec: second.into(),
            min: minute.into(),
            hour: hour.into(),
            mday: day.into(),
            mon: i32::from(month) - 1,
            year: i32::from(year) - 1900,
            isdst: 0,
        }
    }
}
