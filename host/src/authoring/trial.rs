//! Where a plugin's tests run: a server that is gone afterwards, and a database with the project's migrations that each test gets a
//! copy of. The SDK's module `testing` is the other side of it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio_postgres::Client;

use super::configuration::{basic_string, section_with};
use crate::config::{Config, Sources};
use crate::database::{self, Connection, ConnectionSettings, ProcessEnvironment};
use crate::failure::{Failure, FailureKind};
use crate::plugins::Inspection;
use crate::private_server::PrivateServer;

/// What the tests' configuration takes the address of its database from.
pub const VARIABLE_DATABASE_URL: &str = "ORCHESTRATOR_TEST_DATABASE_URL";

/// Stands for the database's name in an address.
const PLACEHOLDER: &str = "{database}";

/// A server and a configuration, until it is ended.
pub struct Trial {
    server: Option<PrivateServer>,
    address: Address,
    /// The database that the tests' own are copies of; their names begin like it.
    template: String,
    folder: TempDir,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// Before the database's name.
    head: String,
    /// After it.
    tail: String,
    /// A database that is there already, to make others from.
    maintenance: String,
}

impl Trial {
    /// A server of its own, or the one that is given by the URL of a database on it. Blocks for a few seconds.
    pub fn start(url: Option<&str>) -> Result<Self, Failure> {
        let (server, address) = match url {
            Some(url) => (None, Address::parse(url)?),
            None => {
                let server = PrivateServer::start().map_err(or_another)?;
                let address = Address::parse(&server.url("postgres"))?;
                (Some(server), address)
            }
        };
        let folder = tempfile::Builder::new()
            .prefix("orchestrator-plugin-test-")
            .tempdir()
            .map_err(|error| Failure::internal(format!("making a temporary folder: {error}")))?;
        Ok(Self {
            server,
            address,
            template: format!("orchestrator_test_{}", unlike_any_other()),
            folder,
        })
    }

    /// Writes the plugin and the configuration that grants it what it asks for: of files, those of its crate.
    pub fn install(
        &self,
        component: &[u8],
        crate_folder: &Path,
        migrations: Option<&Path>,
    ) -> Result<(), Failure> {
        let inspection = Inspection::read(component)?;
        let file = self.folder.path().join("plugin.wasm");
        let migrations = migrations.map_or(String::new(), |folder| {
            format!(
                "[migrations]\nfolder = {}\n",
                basic_string(&folder.to_string_lossy())
            )
        });
        let text = format!(
            "environment = \"local\"\n[databases.app]\nurl = \"${{{VARIABLE_DATABASE_URL}}}\"\n[storage.main]\nurl = \"file:backups\"\n\
             [log]\ndatabase = \"app\"\n{migrations}{}",
            section_with(
                &inspection.manifest,
                &file.to_string_lossy(),
                &inspection.sha256,
                &[&crate_folder.to_string_lossy()],
            )
        );
        let write = |file: &Path, bytes: &[u8]| {
            fs::write(file, bytes)
                .map_err(|error| Failure::internal(format!("writing {}: {error}", file.display())))
        };
        write(&file, component)?;
        write(&self.config_file(), text.as_bytes())
    }

    /// The configuration that runs the plugin on the template.
    pub fn config(&self) -> Result<Config, Failure> {
        let mut process = ProcessEnvironment::from_process();
        // Variables would come before what was just written.
        process
            .variables
            .retain(|name, _| !name.starts_with("ORCHESTRATOR_"));
        process.variables.insert(
            VARIABLE_DATABASE_URL.to_owned(),
            self.address.of(&self.template),
        );
        let config = Config::load(&Sources {
            file: Some(&self.config_file()),
            environment: None,
            working_folder: self.folder.path(),
            process: &process,
        })?;
        Ok(config)
    }

    /// Makes the template, empty.
    pub async fn create_template(&self) -> Result<(), Failure> {
        let connection = self.connect().await?;
        let sql = format!("CREATE DATABASE {}", self.template);
        connection
            .client
            .batch_execute(&sql)
            .await
            .map_err(|error| {
                let failure = Failure::from(error).context("making a database for the tests");
                match failure.kind {
                    FailureKind::Refused => {
                        failure.hint("give --database-url the URL of a role with CREATEDB")
                    }
                    _ => failure,
                }
            })
    }

    /// What tells the SDK's module `testing` where things are.
    pub fn variables(&self) -> Result<[(&'static str, OsString); 5], Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::internal(format!("finding this program's file: {error}")))?;
        Ok([
            ("ORCHESTRATOR_TEST_PROGRAM", program.into()),
            ("ORCHESTRATOR_TEST_CONFIG", self.config_file().into()),
            (
                "ORCHESTRATOR_TEST_SERVER",
                self.address.of(&self.address.maintenance).into(),
            ),
            ("ORCHESTRATOR_TEST_URL", self.address.of(PLACEHOLDER).into()),
            ("ORCHESTRATOR_TEST_TEMPLATE", self.template.clone().into()),
        ])
    }

    /// Drops every database that was made here, and stops the server if it is its own. Those of tests that were killed go too.
    pub async fn end(self) -> Result<(), Failure> {
        let dropped = match &self.server {
            Some(_) => Ok(()),
            None => self.drop_databases().await,
        };
        // Stopping the server blocks for a moment.
        tokio::task::spawn_blocking(move || drop(self))
            .await
            .map_err(|error| Failure::internal(format!("stopping the server: {error}")))?;
        dropped
    }

    async fn drop_databases(&self) -> Result<(), Failure> {
        let connection = self.connect().await?;
        for database in databases_like(&connection.client, &self.template).await? {
            let sql = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
            connection.client.batch_execute(&sql).await?;
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        connect(&self.address.of(&self.address.maintenance)).await
    }

    fn config_file(&self) -> PathBuf {
        self.folder.path().join("orchestrator.toml")
    }
}

/// A connection as the tests have them.
pub async fn connect(url: &str) -> Result<Connection, Failure> {
    let settings = ConnectionSettings::parse(url, &ProcessEnvironment::from_process())?;
    Ok(database::connect(&settings, "orchestrator plugin test").await?)
}

/// A database and those whose names go on after its own. All of them are names that need no quotes.
async fn databases_like(client: &Client, template: &str) -> Result<Vec<String>, Failure> {
    let sql = "SELECT datname::text FROM pg_catalog.pg_database WHERE datname = $1 OR starts_with(datname, $1 || '_')";
    let rows = client.query(sql, &[&template]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

impl Address {
    fn parse(url: &str) -> Result<Self, Failure> {
        let unusable = |what: &str| {
            Failure::invalid_input(format!("--database-url: {what}"))
                .hint("give the URL of a database on the server: postgresql://user:password@host/postgres")
        };
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "postgresql" | "postgres"))
            .ok_or_else(|| unusable("this is no URL of PostgreSQL"))?;
        let (place, parameters) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        let authority = place
            .split_once('/')
            .map_or(place, |(authority, _)| authority);
        let settings = ConnectionSettings::parse(url, &ProcessEnvironment::from_process())?;
        let address = Self {
            head: format!("{scheme}://{authority}/"),
            tail: parameters.to_owned(),
            maintenance: settings.database,
        };
        let other = address.of("other");
        let settings = ConnectionSettings::parse(&other, &ProcessEnvironment::from_process())?;
        if settings.database != "other" {
            return Err(unusable("the database's name stands among the parameters"));
        }
        Ok(address)
    }

    /// The URL of a database.
    fn of(&self, database: &str) -> String {
        format!("{}{database}{}", self.head, self.tail)
    }
}

/// Letters of a name that two runs at the same time do not share.
fn unlike_any_other() -> String {
    let id = uuid::Uuid::now_v7().simple().to_string();
    id.chars().skip(20).collect()
}

/// Where no server can be started, one can be named.
fn or_another(failure: Failure) -> Failure {
    let hint = failure.hint.clone().unwrap_or_default();
    let other = "--database-url URL names a server that is there already";
    failure.hint(if hint.is_empty() {
        other.to_owned()
    } else {
        format!("{hint}; or {other}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_another_database() {
        for (url, expected) in [
            (
                "postgresql://me:pw@db.example:5433/app?sslmode=require",
                "postgresql://me:pw@db.example:5433/x?sslmode=require",
            ),
            ("postgres://me@db/postgres", "postgres://me@db/x"),
            (
                "postgresql://me@/app?host=%2Ftmp%2Fs",
                "postgresql://me@/x?host=%2Ftmp%2Fs",
            ),
            ("postgresql://me@a:1,b:2", "postgresql://me@a:1,b:2/x"),
        ] {
            assert_eq!(Address::parse(url).unwrap().of("x"), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "db.example",
            "mysql://db/app",
            "host=db dbname=app",
            "postgresql://db/?dbname=app",
        ] {
            let failure = Address::parse(url).unwrap_err();
            assert_eq!(failure.kind, FailureKind::InvalidInput, "{url}");
            assert!(failure.hint.unwrap().contains("postgresql://"), "{url}");
        }
    }

    #[test]
    fn the_configuration_of_the_tests_can_be_read() {
        let plugin = &crate::plugins::builtin::BUILTIN[0];
        let trial = Trial {
            server: None,
            address: Address::parse("postgresql://me@localhost/postgres").unwrap(),
            template: "orchestrator_test_x".to_owned(),
            folder: tempfile::tempdir().unwrap(),
        };
        // Built-in plugins take no grants: of their section nothing can be read but that.
        trial
            .install(
                plugin.component,
                Path::new("/some/crate"),
                Some(Path::new("/some/migrations")),
            )
            .unwrap();
        let failure = trial.config().unwrap_err();
        assert!(
            failure.message.contains("this plugin is built in"),
            "{failure}"
        );
    }
}
