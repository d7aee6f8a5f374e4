//! `[log]`: where the record of every run is kept.

use super::databases::DatabaseBinding;
use super::error::{ConfigError, Problem};
use super::name::Name;
use super::reader::Section;
use super::reference::{LOG_DATABASE, LOG_MARKDOWN, LOG_REPORTS, LOG_STATE};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Where the record of every run is kept.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The database with the table `orchestrator.deployment_log`; none when there is no database.
    pub database: Option<Name>,
    /// The folder of the journal, of locks and caches.
    pub state: PathBuf,
    /// The log for people.
    pub markdown: PathBuf,
    /// The folder of one report for each run.
    pub reports: PathBuf,
}

pub(super) fn read(
    root: &Section<'_>,
    databases: &BTreeMap<Name, DatabaseBinding>,
) -> Result<LogSettings, ConfigError> {
    let section = root.section("log", "log")?;
    let database = match section.value::<String>(&LOG_DATABASE)? {
        Some(found) => Some(found.try_map(
            |name| match databases.get_key_value(name.as_str()) {
                Some((name, _)) => Ok(name.clone()),
                None => Err(Problem::unknown(
                    "database",
                    &name,
                    databases.keys().map(Name::as_str),
                )),
            },
        )?),
        None => super::configuration::usual(databases, "app").cloned(),
    };
    Ok(LogSettings {
        database,
        state: section.required::<PathBuf>(&LOG_STATE)?.value,
        markdown: section.required::<PathBuf>(&LOG_MARKDOWN)?.value,
        reports: section.required::<PathBuf>(&LOG_REPORTS)?.value,
    })
}
