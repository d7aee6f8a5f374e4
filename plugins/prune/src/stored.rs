//! What lies in the storage: backups, their pins, and what is held against deletion.

use std::collections::{BTreeMap, BTreeSet};

use archive::layout::{
    self, BackupFolder, BackupId, BackupKind, escape_database, unescape_database,
};
use orchestrator_sdk::storage::{self, Store};
use orchestrator_sdk::{Error, run};
use retention::{Backup, Hold, Quality, Timestamp};
use serde::Deserialize;

/// A pin's object is a few words.
const PIN_BYTES_MAX: usize = 64 * 1024;

/// Of what it says, so much stands among the reasons of a plan.
const REASON_CHARACTERS: usize = 200;

#[derive(Deserialize)]
struct Pin {
    #[serde(default)]
    reason: String,
}

/// What is known of backups beside what the storage tells, by their prefixes.
pub struct Known<'a> {
    proven: BTreeSet<&'a str>,
    damaged: BTreeSet<&'a str>,
}

impl<'a> Known<'a> {
    pub fn new(proven: &'a [String], damaged: &'a [String]) -> Self {
        Self {
            proven: proven.iter().map(String::as_str).collect(),
            damaged: damaged.iter().map(String::as_str).collect(),
        }
    }

    /// One that was proven and is damaged by now has changed since.
    fn quality(&self, prefix: &str) -> Quality {
        if self.damaged.contains(prefix) {
            Quality::Damaged
        } else if self.proven.contains(prefix) {
            Quality::Proven
        } else {
            Quality::Whole
        }
    }
}

/// The pinned backups, by their prefixes, and why.
pub fn pins(store: &Store) -> Result<BTreeMap<String, String>, Error> {
    let mut keys = Vec::new();
    store.for_each(&format!("{}/", layout::PINS), |object| {
        if let Some(folder) = BackupFolder::of_pin(&object.key) {
            keys.push((object.key, prefix(&folder)));
        }
        Ok(())
    })?;
    let read = |(key, prefix): (String, String)| Ok((prefix, reason_of_pin(store, &key)?));
    keys.into_iter().map(read).collect()
}

/// What a pin's object says. Whatever that is: the backup is pinned.
pub fn reason_of_pin(store: &Store, key: &str) -> Result<String, Error> {
    let bytes = store.read(key, PIN_BYTES_MAX)?;
    let pin: Option<Pin> = serde_json::from_slice(&bytes).ok();
    let reason = pin.map(|pin| pin.reason).unwrap_or_default();
    Ok(reason.chars().take(REASON_CHARACTERS).collect())
}

/// The whole backups of one database, or of all. What is no backup, or half of one, is not our business.
pub fn backups(
    store: &Store,
    database: Option<&str>,
    kind: Option<&str>,
    known: &Known<'_>,
) -> Result<Vec<Backup>, Error> {
    let mut pins = pins(store)?;
    let escaped = match database {
        Some(database) => vec![escape_database(database)],
        None => store.folders("")?,
    };
    let mut found = Vec::new();
    for escaped in escaped {
        let Ok(database) = unescape_database(&escaped) else {
            continue;
        };
        for name in store.folders(&format!("{escaped}/"))? {
            let Ok(id) = name.parse::<BackupId>() else {
                continue;
            };
            if kind.is_some_and(|kind| kind != id.kind().as_str()) {
                continue;
            }
            run::check_cancelled()?;
            let folder = BackupFolder {
                database: database.clone(),
                id,
            };
            let key = prefix(&folder);
            let Some(manifest) = manifest(store, &key)? else {
                continue;
            };
            let hold = store.hold(&manifest.key)?.and_then(told);
            found.push(Backup {
                kind: folder.id.kind().to_string(),
                taken: moment(folder.id.created().unix_seconds().saturating_mul(1000)),
                stored: i64::try_from(manifest.modified)
                    .ok()
                    .filter(|ms| *ms > 0)
                    .map(moment),
                quality: known.quality(&key),
                is_partial: *folder.id.kind() == BackupKind::PARTIAL,
                pin: pins.remove(&key),
                hold,
                database: folder.database,
                key,
            });
        }
    }
    Ok(found)
}

/// The object that makes a backup exist.
fn manifest(store: &Store, prefix: &str) -> Result<Option<storage::Object>, Error> {
    for name in layout::MANIFESTS {
        if let Some(found) = store.head(&format!("{prefix}/{name}"))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The first hold among objects.
pub fn held(store: &Store, keys: &[String]) -> Result<Option<Hold>, Error> {
    for key in keys {
        if let Some(hold) = store.hold(key)?.and_then(told) {
            return Ok(Some(hold));
        }
    }
    Ok(None)
}

/// A hold that has not passed.
fn told(hold: storage::Hold) -> Option<Hold> {
    if hold.legal {
        return Some(Hold::Legal);
    }
    let until = moment(i64::try_from(hold.until?).unwrap_or(i64::MAX));
    (until > now()).then_some(Hold::Until(until))
}

/// By this machine's clock.
pub fn now() -> Timestamp {
    moment(i64::try_from(run::now()).unwrap_or(i64::MAX))
}

fn moment(unix_ms: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX)
}

fn prefix(folder: &BackupFolder) -> String {
    folder.prefix().trim_end_matches('/').to_owned()
}
