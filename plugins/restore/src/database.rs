//! The target's database itself, created from the archive's DATABASE entry under the name that the binding gives it.

use archive::Entry;
use archive::ownership::new_owner;
use orchestrator_sdk::postgres::{
    Connection, Step, Target, connect, quote_identifier, quote_literal,
};
use orchestrator_sdk::streams::{TransferOptions, wait_any};
use orchestrator_sdk::{Error, ErrorKind, run};

use crate::entries::{describe, tag};
use crate::names::rename_database;
use crate::sessions::script;
use crate::statements::Style;

/// How long a database that cannot be dropped yet is tried again.
const PATIENCE_MS: u64 = 60_000;
const PAUSE_MS: u32 = 250;

/// The maintenance database of the target's server.
pub struct Maintenance {
    binding: String,
    connection: Connection,
    /// The database that is worked on: the binding's, or the one beside it.
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

    /// The name of the database that is worked on.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// From here on another one is worked on.
    pub fn work_on(&mut self, database: String) {
        self.database = database;
    }

    /// Whether the database is there already, and whether this role owns it (or may do all that its owner may).
    pub fn exists(&self) -> Result<(bool, bool), Error> {
        let sql = "SELECT pg_catalog.pg_has_role(datdba, 'USAGE') AS owned FROM pg_catalog.pg_database WHERE datname = $1";
        let rows = self.connection.query(sql, &[(&self.database).into()])?;
        Ok(match rows.first()? {
            Some(row) => (true, row.get("owned")?),
            None => (false, false),
        })
    }

    /// The first name of a sequence, which is asked for by numbers from 1, that no database of the server has.
    pub fn free_name(&self, candidate: impl Fn(u32) -> String) -> Result<String, Error> {
        let sql = "SELECT 1 AS found FROM pg_catalog.pg_database WHERE datname = $1";
        let mut attempt = 1;
        loop {
            let name = candidate(attempt);
            if self
                .connection
                .query(sql, &[(&name).into()])?
                .first()?
                .is_none()
            {
                return Ok(name);
            }
            attempt += 1;
        }
    }

    /// Gives a database that nobody is connected to the name of the one that is worked on.
    pub fn rename_from(&self, name: &str) -> Result<(), Error> {
        self.execute(&rename(name, &self.database))
    }

    /// Puts a database in the place of another one, which keeps everything under a new name: both at once or none. Whoever is connected to it
    /// is disconnected, and whoever comes meanwhile waits.
    pub fn swap(&self, new: &str, current: &str, kept_as: &str) -> Result<(), Error> {
        let guard = connect(&self.binding, Target::Maintenance)?;
        let statements = [rename(current, kept_as), rename(new, current)];
        let steps = statements.into_iter().map(Step::Statement).collect();
        let options = |label: &str| TransferOptions {
            label: label.to_owned(),
            expected_bytes: 0,
        };
        // It holds the database's lock from its beginning, and waits some seconds for those that are still connected.
        let renaming = self
            .connection
            .run_script(steps, true, &options("swapping"))?;
        let disconnect = format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE datname IN ({}, {}); SELECT pg_catalog.pg_sleep(0.1)",
            quote_literal(current),
            quote_literal(new)
        );
        loop {
            let steps = vec![Step::Statement(disconnect.clone())];
            let disconnecting = guard.run_script(steps, false, &options("disconnecting"))?;
            if wait_any(&[&renaming, &disconnecting])? == 0 {
                return renaming.wait().map(|_| ()).map_err(not_swapped);
            }
            if let Err(error) = disconnecting.wait() {
                // The rename fails too, unless they leave by themselves.
                run::info(&format!("disconnecting from {current}: {}", error.message));
                return renaming.wait().map(|_| ()).map_err(not_swapped);
            }
        }
    }

    /// Creates a database. An archive of a part of a database says nothing about the whole: then it is a plain one.
    pub fn create(&self, name: &str, entries: &[&Entry], style: Style) -> Result<(), Error> {
        let described = entries.iter().find(|entry| entry.desc == "DATABASE");
        let Some(entry) = described else {
            let sql = format!(
                "CREATE DATABASE {} TEMPLATE template0",
                quote_identifier(name)
            );
            self.execute(&sql)?;
            return Ok(());
        };
        let definition = entry.definition.as_deref().unwrap_or_default().trim();
        let mut sql = rename_database(definition, tag(entry), name);
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

    /// Drops the binding's database again, whoever is connected to it. A session whose statement has failed tells so before it lets go of its locks:
    /// what is in the way may go by itself.
    pub fn drop_database(&self) -> Result<(), Error> {
        let give_up = run::now() + PATIENCE_MS;
        loop {
            match self.try_drop() {
                Err(error) if passes(&error) && run::now() < give_up => {
                    // Not on the server: one without room for a lock may have none for this session either.
                    run::debug(&format!(
                        "dropping the database again soon: {}",
                        error.message
                    ));
                    run::sleep(PAUSE_MS)?;
                }
                dropped => return dropped,
            }
        }
    }

    /// On a connection of its own: what went wrong before may have been a restart of the server.
    fn try_drop(&self) -> Result<(), Error> {
        let database = quote_identifier(&self.database);
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        let connection = connect(&self.binding, Target::Maintenance)?;
        self.drop_subscriptions(&connection)?;
        connection.execute(&drop, &[]).map(|_| ())
    }

    /// A database with subscriptions cannot be dropped. They lose their slots first: those of another server are nothing that a copy of
    /// them may touch.
    fn drop_subscriptions(&self, connection: &Connection) -> Result<(), Error> {
        let sql = "SELECT pg_catalog.quote_ident(subname) AS name FROM pg_catalog.pg_subscription \
                   WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = $1)";
        let rows = connection.query(sql, &[(&self.database).into()])?;
        let names: Vec<String> = rows.map(|row| row.get("name"))?;
        if names.is_empty() {
            return Ok(());
        }
        let inside = connect(&self.binding, Target::Database)?;
        for name in names {
            for statement in [
                format!("ALTER SUBSCRIPTION {name} DISABLE"),
                format!("ALTER SUBSCRIPTION {name} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {name}"),
            ] {
                inside.execute(&statement, &[])?;
            }
        }
        Ok(())
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.connection.execute(sql, &[]).map(|_| ())
    }
}

/// What others end by themselves: a full table of locks (out_of_memory), and sessions of a database that is to be dropped
/// (object_in_use).
fn passes(error: &Error) -> bool {
    matches!(error.sqlstate.as_deref(), Some("53200" | "55006"))
}

fn rename(from: &str, to: &str) -> String {
    let (from, to) = (quote_identifier(from), quote_identifier(to));
    format!("ALTER DATABASE {from} RENAME TO {to}")
}

fn not_swapped(error: Error) -> Error {
    // object_in_use
    let in_use = error.sqlstate.as_deref() == Some("55006");
    let error = match in_use {
        true => Error {
            kind: ErrorKind::Conflict,
            ..error
        }
        .hint("end the sessions of other roles, or restore as a role that may: a superuser, or a member of pg_signal_backend"),
        false => error,
    };
    error
        .detail("the database is as it was before")
        .while_doing("putting the restored database in its place")
}
