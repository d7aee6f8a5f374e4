//! The target's database itself, created from the archive's DATABASE entry under the name that the binding gives it.

use archive::Entry;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::{Connection, Step, Target, connect, quote_identifier};

use crate::entries::{describe, tag};
use crate::names::rename_database;
use crate::sessions::script;
use crate::statements::{Style, new_owner};

/// The maintenance database of the target's server.
pub struct Maintenance {
    binding: String,
    connection: Connection,
    /// The name that the binding gives the database.
    database: String,
}

impl Maintenance {
    /// Connects, without needing the database itself.
    pub fn open(binding: &str) -> Result<Maintenance, Error> {
        let connection = connect(binding, Target::Maintenance)?;
        let database = connection.server().bound_database;
        Ok(Maintenance {
            binding: binding.to_owned(),
            connection,
            database,
        })
    }

    /// Of the server's other database.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether the database is there already.
    pub fn exists(&self) -> Result<bool, Error> {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1) AS there";
        self.connection
            .query_one(sql, &[(&self.database).into()])?
            .get("there")
    }

    /// Creates the database. An archive of a part of a database says nothing about the whole: then it is a plain one.
    pub fn create(&self, entries: &[&Entry], style: Style) -> Result<(), Error> {
        let described = entries.iter().find(|entry| entry.desc == "DATABASE");
        let Some(entry) = described else {
            let sql = format!(
                "CREATE DATABASE {} TEMPLATE template0",
                quote_identifier(&self.database)
            );
            self.execute(&sql)?;
            return Ok(());
        };
        let definition = entry.definition.as_deref().unwrap_or_default().trim();
        let mut sql = rename_database(definition, tag(entry), &self.database);
        if !style.tablespaces
            && let Some((before, after)) = sql.split_once(" TABLESPACE = ")
        {
            let after = after.split_once(' ').map_or("", |rest| rest.1).to_owned();
            sql = format!("{before} {after}");
        }
        self.execute(sql.trim_end_matches(';'))
            .map_err(|error| error.while_doing(format_args!("restoring {}", describe(entry))))
    }

    /// Gives the database its owner and its settings, which go with it when it is dropped again.
    pub fn configure(&self, entries: &[&Entry], style: Style) -> Result<(), Error> {
        for entry in entries {
            let named =
                |error: Error| error.while_doing(format_args!("restoring {}", describe(entry)));
            if entry.desc == "DATABASE" {
                if let Some(owner) = new_owner(entry).filter(|_| style.owners) {
                    let database = quote_identifier(&self.database);
                    let sql = format!(
                        "ALTER DATABASE {database} OWNER TO {}",
                        quote_identifier(owner)
                    );
                    self.execute(&sql).map_err(named)?;
                }
                continue;
            }
            // Its name stands in the tag of DATABASE PROPERTIES too.
            let definition = entry.definition.as_deref().unwrap_or_default();
            let sql = rename_database(definition, tag(entry), &self.database);
            let steps = vec![Step::Statement(sql)];
            script(&self.connection, steps, true, "settings of the database").map_err(named)?;
        }
        Ok(())
    }

    /// Drops the database again, whoever is connected to it. On a connection of its own: what went wrong before may have been a
    /// restart of the server.
    pub fn drop_database(&self) -> Result<(), Error> {
        let database = quote_identifier(&self.database);
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        let connection = connect(&self.binding, Target::Maintenance)?;
        connection.execute(&drop, &[]).map(|_| ())
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.execute(sql, &[]).map(|_| ())
    }
}
