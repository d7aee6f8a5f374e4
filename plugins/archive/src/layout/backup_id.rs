//! What a backup is called: when it was taken, what kind it is, and a few digits that tell twins apart.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::civil_time::CivilTime;

const SHORT_ID_DIGITS: usize = 8;
/// The random bits of a short id; the ones above tell in which millisecond of its second the backup was begun.
const RANDOM_BITS: u32 = 22;
const TIME_LENGTH: usize = "2026-01-17T02-00-00Z".len();

/// The name of a backup's folder: `2026-01-17T02-00-00Z-full-0a1b2c3d`. Ordered newest first.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId {
    created: CivilTime,
    kind: BackupKind,
    short: u32,
}

/// Why a backup was taken or what it holds: 1 to 32 lowercase letters, digits and inner hyphens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupKind(Cow<'static, str>);

/// A text that is not the id of a backup.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackupIdError {
    #[error("{0:?} is not the id of a backup: one looks like 2026-01-17T02-00-00Z-full-0a1b2c3d")]
    Id(String),
    #[error(
        "{0:?} is not a kind of backup: it has to be 1 to 32 lowercase letters, digits and inner hyphens"
    )]
    Kind(String),
}

impl BackupId {
    /// The id of a backup begun at this time, milliseconds since 1970. 22 bits of `random` go into it.
    pub fn new(unix_ms: u64, kind: BackupKind, random: u64) -> BackupId {
        let millisecond = (unix_ms % 1000) as u32;
        let random = random as u32 & ((1 << RANDOM_BITS) - 1);
        BackupId {
            created: CivilTime::from_unix_ms(unix_ms),
            kind,
            // Of two backups in one second the later one is the newer one, too.
            short: millisecond << RANDOM_BITS | random,
        }
    }

    /// When it was begun, to the second.
    pub fn created(&self) -> CivilTime {
        self.created
    }

    /// Why it was taken, or what it holds.
    pub fn kind(&self) -> &BackupKind {
        &self.kind
    }

    /// The last part, which is enough to name it among the backups of one storage: `0a1b2c3d`.
    pub fn short_id(&self) -> String {
        format!("{:0SHORT_ID_DIGITS$x}", self.short)
    }
}

impl BackupKind {
    /// Everything in a database.
    pub const FULL: BackupKind = BackupKind(Cow::Borrowed("full"));
    /// A part of a database: some tables, or definitions alone.
    pub const PARTIAL: BackupKind = BackupKind(Cow::Borrowed("partial"));
    /// Taken by a run before it migrates.
    pub const PRE_MIGRATE: BackupKind = BackupKind(Cow::Borrowed("pre-migrate"));

    /// The text between the hyphens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for BackupId {
    fn cmp(&self, other: &BackupId) -> std::cmp::Ordering {
        let order = |id: &BackupId| Reverse((id.created, id.short));
        order(self)
            .cmp(&order(other))
            .then_with(|| self.kind.cmp(&other.kind))
    }
}

impl PartialOrd for BackupId {
    fn partial_cmp(&self, other: &BackupId) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{}-{}",
            self.created.file_name(),
            self.kind,
            self.short_id()
        )
    }
}

impl FromStr for BackupId {
    type Err = BackupIdError;

    fn from_str(text: &str) -> Result<BackupId, BackupIdError> {
        let bad = || BackupIdError::Id(text.to_owned());
        let (created, rest) = text.split_at_checked(TIME_LENGTH).ok_or_else(bad)?;
        let (kind, short) = rest
            .strip_prefix('-')
            .and_then(|rest| rest.rsplit_once('-'))
            .ok_or_else(bad)?;
        let id = BackupId {
            created: CivilTime::from_file_name(created).map_err(|_| bad())?,
            kind: kind.parse().map_err(|_| bad())?,
            short: u32::from_str_radix(short, 16).map_err(|_| bad())?,
        };
        // Finds capital letters, a sign and missing zeros: one backup has one name.
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for BackupKind {
    type Err = BackupIdError;

    fn from_str(text: &str) -> Result<BackupKind, BackupIdError> {
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let valid = (1..=32).contains(&text.len())
            && text.bytes().all(allowed)
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            Ok(BackupKind(Cow::Owned(text.to_owned())))
        } else {
            Err(BackupIdError::Kind(text.to_owned()))
        }
    }
}

impl TryFrom<String> for BackupId {
    type Error = BackupIdError;

    fn try_from(text: String) -> Result<BackupId, BackupIdError> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for BackupKind {
    type Error = BackupIdError;

    fn try_from(text: String) -> Result<BackupKind, BackupIdError> {
        text.parse()
    }
}

impl From<BackupKind> for String {
    fn from(kind: BackupKind) -> String {
        kind.0.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prints_and_parses() {
        let id = BackupId::new(1_768_615_200_999, BackupKind::PRE_MIGRATE, u64::MAX - 15);
        assert_eq!(id.to_string(), "2026-01-17T02-00-00Z-pre-migrate-f9fffff0");
        assert_eq!(id.short_id(), "f9fffff0");
        for bad in [
            "",
            "latest",
            "2026-01-17T02-00-00Z",
            "2026-01-17T02-00-00Z-full",
            "2026-01-17T02-00-00Z-full-FFFFFFF0",
            "2026-01-17T02-00-00Z-full-+ffffff0",
            "2026-01-17T02-00-00Z-full-f0",
            "2026-01-17T02-00-00Z--fffffff0",
            "2026-01-17T02-00-00Z-Full-fffffff0",
            "2026-13-17T02-00-00Z-full-fffffff0",
            "2026-01-17T02-00-00Z-full-fffffff0/",
        ] {
            assert_eq!(
                bad.parse::<BackupId>(),
                Err(BackupIdError::Id(bad.to_owned()))
            );
        }
    }

    #[test]
    fn newest_comes_first() {
        let at = |ms: u64, random| BackupId::new(ms, BackupKind::FULL, random);
        let mut ids = vec![at(10_000, 1), at(10_002, 0), at(30_000, 5), at(10_001, 9)];
        ids.sort();
        let newest_first = [at(30_000, 5), at(10_002, 0), at(10_001, 9), at(10_000, 1)];
        assert_eq!(ids, newest_first);
    }

    proptest! {
        #[test]
        fn every_id_is_read_back(
            unix_ms in 0_u64..253_402_300_800_000,
            kind in "[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?",
            random: u64,
        ) {
            let id = BackupId::new(unix_ms, kind.parse().expect("a kind"), random);
            prop_assert_eq!(id.to_string().parse::<BackupId>(), Ok(id));
        }
    }
}
