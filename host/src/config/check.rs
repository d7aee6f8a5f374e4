//! `[check]`: what `orchestrator check` holds backups to.

use std::collections::BTreeSet;
use std::time::Duration;

use super::error::ConfigError;
use super::reader::Section;
use super::reference::{CHECK_BACKUP_WITHIN, CHECK_PROVEN_WITHIN, CHECK_WITHOUT_BACKUPS, Key};

/// What `orchestrator check` holds backups to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckSettings {
    /// How old the newest backup of a database may be.
    pub backup_within: Option<Duration>,
    /// How old the newest proven backup of a database may be, and how long ago it may have been proven.
    pub proven_within: Option<Duration>,
    /// Names of databases that need no backup: of bindings, or as their servers know them.
    pub without_backups: BTreeSet<String>,
}

pub(super) fn read(root: &Section<'_>) -> Result<CheckSettings, ConfigError> {
    let section = root.section("check", "check")?;
    let without_backups = section.value::<Vec<String>>(&CHECK_WITHOUT_BACKUPS)?;
    Ok(CheckSettings {
        backup_within: limit(&section, &CHECK_BACKUP_WITHIN)?,
        proven_within: limit(&section, &CHECK_PROVEN_WITHIN)?,
        without_backups: without_backups
            .map(|found| found.value.into_iter().collect())
            .unwrap_or_default(),
    })
}

fn limit(section: &Section<'_>, key: &Key) -> Result<Option<Duration>, ConfigError> {
    let found = section.value::<Duration>(key)?;
    Ok(found.map(|found| found.value))
}
