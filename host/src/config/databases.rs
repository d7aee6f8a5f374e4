//! `[databases]`: names for PostgreSQL databases.

use super::error::{ConfigError, Place, Problem};
use super::name::Name;
use super::reader::{Found, Section};
use super::reference::{
    DATABASE_DIRECT_URL, DATABASE_DIRECT_URL_FILE, DATABASE_URL, DATABASE_URL_FILE,
};
use crate::database::{ConnectionSettings, ProcessEnvironment, SettingsError};
use std::collections::BTreeMap;

/// A database, perhaps with a way around its pooler.
#[derive(Clone, Debug)]
pub struct DatabaseBinding {
    /// The way for everything.
    pub settings: ConnectionSettings,
    /// The way for what needs a session of its own.
    pub direct_settings: Option<ConnectionSettings>,
}

impl DatabaseBinding {
    /// For backups, migrations and restores: around the pooler where there is a way.
    pub fn direct(&self) -> &ConnectionSettings {
        self.direct_settings.as_ref().unwrap_or(&self.settings)
    }
}

/// Variables of libpq's that say enough about a database to be meant as one.
const LIBPQ_VARIABLES: [&str; 5] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGSERVICE"];

/// From the file; without any there, `app` from `DATABASE_URL` (and Prisma's `DIRECT_URL`), else from libpq's variables.
pub(super) fn read(root: &Section<'_>) -> Result<BTreeMap<Name, DatabaseBinding>, ConfigError> {
    let process = root.document.process;
    let mut databases = BTreeMap::new();
    for (name, section) in root.named("databases", "databases")? {
        let url = section.text_or_file(&DATABASE_URL, &DATABASE_URL_FILE)?;
        let url = url.ok_or_else(|| section.missing(&DATABASE_URL))?;
        let direct = section.text_or_file(&DATABASE_DIRECT_URL, &DATABASE_DIRECT_URL_FILE)?;
        let direct_settings = direct.map(|url| settings(url, process)).transpose()?;
        databases.insert(
            name,
            DatabaseBinding {
                settings: settings(url, process)?,
                direct_settings,
            },
        );
    }
    if databases.is_empty()
        && let Some(binding) = from_variables(process)?
    {
        let name = Name::parse("app").map_err(|problem| root.problem(problem))?;
        databases.insert(name, binding);
    }
    Ok(databases)
}

fn settings(
    url: Found<String>,
    process: &ProcessEnvironment,
) -> Result<ConnectionSettings, ConfigError> {
    url.try_map(|url| {
        ConnectionSettings::parse(&url, process)
            .map_err(|error| Problem::new(error.message, error.hint))
    })
}

fn from_variables(process: &ProcessEnvironment) -> Result<Option<DatabaseBinding>, ConfigError> {
    let parsed = |name: &'static str| {
        let at = |error: SettingsError| {
            ConfigError::new(
                Some(Place::Variable(name.to_owned())),
                error.message,
                error.hint,
            )
        };
        process
            .variable(name)
            .map(|url| ConnectionSettings::parse(url, process).map_err(at))
            .transpose()
    };
    if let Some(settings) = parsed("DATABASE_URL")? {
        return Ok(Some(DatabaseBinding {
            settings,
            direct_settings: parsed("DIRECT_URL")?,
        }));
    }
    if LIBPQ_VARIABLES
        .iter()
        .any(|name| process.variable(name).is_some())
    {
        let settings = ConnectionSettings::from_environment(process)
            .map_err(|error| ConfigError::new(None, error.message, error.hint))?;
        return Ok(Some(DatabaseBinding {
            settings,
            direct_settings: None,
        }));
    }
    Ok(None)
}
