//! `[databases]`: names for PostgreSQL databases.

use super::error::{ConfigError, Place, Problem};
use super::name::Name;
use super::reader::{Found, Section};
use super::reference::{
    DATABASE_DIRECT_URL, DATABASE_DIRECT_URL_FILE, DATABASE_RDS_CLUSTER, DATABASE_RDS_ENDPOINT,
    DATABASE_RDS_INSTANCE, DATABASE_RDS_REGION, DATABASE_URL, DATABASE_URL_FILE,
};
use crate::database::{ConnectionSettings, Host, ProcessEnvironment, SettingsError};
use crate::snapshots::{RdsSettings, ServerKind};
use std::collections::BTreeMap;

/// A database, perhaps with a way around its pooler.
#[derive(Clone, Debug)]
pub struct DatabaseBinding {
    /// The way for everything.
    pub settings: ConnectionSettings,
    /// The way for what needs a session of its own.
    pub direct_settings: Option<ConnectionSettings>,
    /// The managed server that it is on.
    pub rds: Option<RdsSettings>,
}

impl DatabaseBinding {
    /// A database by its address alone.
    pub fn at(settings: ConnectionSettings) -> Self {
        Self {
            rds: rds_of_host(&settings),
            settings,
            direct_settings: None,
        }
    }

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
        let settings = settings(url, process)?;
        let rds = rds(&section, direct_settings.as_ref().unwrap_or(&settings))?;
        databases.insert(
            name,
            DatabaseBinding {
                settings,
                direct_settings,
                rds,
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

/// What the file says, and where it does not, what the host name says.
fn rds(
    database: &Section<'_>,
    settings: &ConnectionSettings,
) -> Result<Option<RdsSettings>, ConfigError> {
    let section = database.section("rds", "databases.<name>.rds")?;
    let text = |key| {
        section
            .value::<String>(key)
            .map(|found| found.map(|found| found.value))
    };
    let found = match (text(&DATABASE_RDS_INSTANCE)?, text(&DATABASE_RDS_CLUSTER)?) {
        (Some(_), Some(_)) => {
            return Err(section.problem(Problem::new(
                "both an instance and a cluster are named",
                "name the cluster alone, if the instance is one of its",
            )));
        }
        (Some(name), None) => Some(RdsSettings::new(ServerKind::Instance, name)),
        (None, Some(name)) => Some(RdsSettings::new(ServerKind::Cluster, name)),
        (None, None) => rds_of_host(settings),
    };
    let region = text(&DATABASE_RDS_REGION)?;
    let endpoint = match section.value::<String>(&DATABASE_RDS_ENDPOINT)? {
        Some(found) => Some(found.try_map(super::storage::endpoint)?),
        None => None,
    };
    match found {
        Some(found) => Ok(Some(RdsSettings {
            region: region.or(found.region),
            endpoint,
            ..found
        })),
        None if database.has("rds") => Err(section.problem(Problem::new(
            "neither an instance nor a cluster is named, and the host name of the URL is none of RDS",
            "write instance = \"IDENTIFIER\", or cluster",
        ))),
        None => Ok(None),
    }
}

fn rds_of_host(settings: &ConnectionSettings) -> Option<RdsSettings> {
    settings
        .endpoints
        .iter()
        .find_map(|endpoint| match &endpoint.host {
            Host::Tcp(name) => RdsSettings::from_host(name),
            Host::Unix(_) => None,
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
        let direct_settings = parsed("DIRECT_URL")?;
        return Ok(Some(DatabaseBinding {
            rds: rds_of_host(direct_settings.as_ref().unwrap_or(&settings)),
            settings,
            direct_settings,
        }));
    }
    if LIBPQ_VARIABLES
        .iter()
        .any(|name| process.variable(name).is_some())
    {
        let settings = ConnectionSettings::from_environment(process)
            .map_err(|error| ConfigError::new(None, error.message, error.hint))?;
        return Ok(Some(DatabaseBinding::at(settings)));
    }
    Ok(None)
}
