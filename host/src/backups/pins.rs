//! Pins: objects beside the backups that keep `prune` and `backup delete` from them.

use std::collections::BTreeMap;

use archive::layout::{BackupFolder, PINS};
use bytes::Bytes;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};
use crate::storage::{Key, Storage};

/// The longest reason, in bytes.
const REASON_MAX: usize = 1024;

/// Why a backup is pinned. It is stored readable, also where backups are encrypted: machines without an identity prune, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// In a person's words; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Whose idea it was: a login.
    #[serde(default)]
    pub by: String,
    /// Since when.
    #[serde(default)]
    pub since: Option<Timestamp>,
}

/// All pins of a storage. An object that cannot be read as a pin is one all the same.
pub async fn pins(storage: &dyn Storage) -> Result<BTreeMap<BackupFolder, Pin>, Failure> {
    let mut pins = BTreeMap::new();
    let mut after: Option<Key> = None;
    loop {
        let page = storage.list(&format!("{PINS}/"), after.as_ref()).await?;
        let Some(last) = page.last() else {
            return Ok(pins);
        };
        after = Some(last.key.clone());
        for object in page {
            if let Some(folder) = BackupFolder::of_pin(object.key.as_str()) {
                let read: Vec<Bytes> = storage.get(&object.key, None).await?.try_collect().await?;
                pins.insert(
                    folder,
                    serde_json::from_slice(&read.concat()).unwrap_or_default(),
                );
            }
        }
    }
}

/// Pins a backup; a pin that is there gets the new reason.
pub async fn pin(storage: &dyn Storage, folder: &BackupFolder, pin: &Pin) -> Result<(), Failure> {
    if pin.reason.len() > REASON_MAX || pin.reason.chars().any(char::is_control) {
        return Err(Failure::invalid_input(format!(
            "the reason is longer than {REASON_MAX} bytes, or has control characters in it"
        ))
        .hint("one line that says who needs the backup, and until when"));
    }
    let bytes = serde_json::to_vec(pin)
        .map_err(|error| Failure::internal(format!("writing a pin as JSON: {error}")))?;
    let key = Key::parse(&folder.pin())?;
    let mut writer = storage.create(&key, Some(bytes.len() as u64)).await?;
    writer.write(bytes.into()).await?;
    writer.finish().await?;
    Ok(())
}

/// Takes the pin off a backup. `NotFound` when there is none.
pub async fn unpin(storage: &dyn Storage, folder: &BackupFolder) -> Result<(), Failure> {
    let key = Key::parse(&folder.pin())?;
    if storage.head(&key).await?.is_none() {
        return Err(Failure::new(
            FailureKind::NotFound,
            format!(
                "the backup {} of {} is not pinned",
                folder.id, folder.database
            ),
        )
        .hint("`orchestrator backup list` shows the pins"));
    }
    storage.delete(&[key]).await?;
    Ok(())
}
