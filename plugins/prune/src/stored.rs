//! What lies in the storage: backups, their pins, and what is held against deletion.

use std::collections::{BTreeMap, BTreeSet};

use archive::layout::{self, BackupFolder, BackupId, escape_database, unescape_database};
use orchestrator_sdk::storage::{self, Store};
use orchestrator_sdk::{Error, run};
use retention::{Backup, Hold, Quality, Timestamp};
use serde::Deserialize;

/// A pin's object is a few words.
const PIN_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
struct Pin {
    #[serde(default)]
    reason: String,
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
    let read = |(key, prefix): (String, String)| {
        let bytes = store.read(&key, PIN_BYTES_MAX)?;
        // Whatever it says: it is there.
        let reason =
            serde_json::from_slice(&bytes).map_or_else(|_| String::new(), |pin: Pin| pin.reason);
        Ok((prefix, reason))
    };
    keys.into_iter().map(read).collect()
}

/// The whole backups of one database, or of all. What is no backup, or half of one, is not our business.
pub fn backups(
    store: &Store,
    database: Option<&str>,
    kind: Option<&str>,
    proven: &[String],
) -> Result<Vec<Backup>, Error> {
    let mut pins = pins(store)?;
    let proven: BTreeSet<&str> = proven.iter().map(String::as_str).collect();
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
                database: folder.database,
                kind: folder.id.kind().to_string(),
                taken: moment(folder.id.created().unix_seconds().saturating_mul(1000)),
                stored: i64::try_from(manifest.modified)
                    .ok()
                    .filter(|ms| *ms > 0)
                    .map(moment),
                quality: match proven.contains(key.as_str()) {
                    true => Quality::Proven,
                    false => Quality::Whole,
                },
                pin: pins.remove(&key),
                hold,
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
