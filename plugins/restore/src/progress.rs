//! How far a restore has come, kept in the target itself and in the same transactions as what it tells of. So a restore that was cut, by
//! whatever, can be continued without doing anything twice; at its end nothing is left of this.

use std::collections::{BTreeSet, HashSet};

use archive::Toc;
use orchestrator_sdk::postgres::{Connection, Step, quote_literal};
use orchestrator_sdk::{Error, ErrorKind};
use serde_json::json;

use crate::backup::Backup;
use crate::entries::{Object, object};
use crate::parameters::{Mode, Parameters};
use crate::sessions::{LOCK, script};

/// Where it is kept.
pub const SCHEMA: &str = "orchestrator_restore";

/// Of an entry that is done in one piece.
const WHOLE: i32 = -1;

/// How long to wait for what an earlier restore left running on the server.
const PATIENCE: &str = "10s";

/// What is done, by the archive's dump ids.
#[derive(Debug, Default)]
pub struct Progress {
    kept: bool,
    done: HashSet<(u32, i32)>,
}

/// A restore that was begun in a database and did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Which archive, and in which way.
    identity: Identity,
    /// What the target was.
    pub mode: Mode,
    /// When it was begun, as the server writes it.
    pub begun: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Identity {
    backup: String,
    options: String,
}

impl Identity {
    fn of(backup: &Backup, parameters: &Parameters) -> Identity {
        let options = json!({
            "entries": backup.toc.entries.len(),
            "table": parameters.table,
            "schema_only": parameters.schema_only,
            "no_owner": parameters.no_owner,
            "no_privileges": parameters.no_privileges,
            "no_security_labels": parameters.no_security_labels,
            "no_tablespaces": parameters.no_tablespaces,
        });
        Identity {
            backup: backup.facts.name.clone(),
            options: options.to_string(),
        }
    }
}

impl Unfinished {
    /// What a database tells of a restore into it; `None` where none is unfinished.
    pub fn read(connection: &Connection) -> Result<Option<Unfinished>, Error> {
        let there = connection
            .query_one(
                "SELECT pg_catalog.to_regclass($1) IS NOT NULL AS there",
                &[format!("{SCHEMA}.restore").into()],
            )?
            .get::<bool>("there")?;
        if !there {
            return Ok(None);
        }
        let sql =
            format!("SELECT backup, options, mode, begun::text AS begun FROM {SCHEMA}.restore");
        let Some(row) = connection.query(&sql, &[])?.first()? else {
            return Ok(None);
        };
        let mode: String = row.get("mode")?;
        Ok(Some(Unfinished {
            identity: Identity {
                backup: row.get("backup")?,
                options: row.get("options")?,
            },
            mode: Mode::named(&mode).ok_or_else(|| {
                Error::corrupt(format!("{SCHEMA}.restore names the mode {mode:?}"))
            })?,
            begun: row.get("begun")?,
        }))
    }

    /// As messages name it.
    pub fn describe(&self) -> String {
        format!(
            "an unfinished restore of {}, begun at {}",
            self.identity.backup, self.begun
        )
    }
}

impl Progress {
    /// Begins to keep account, in a database where nothing has been restored yet.
    pub fn begin(
        connection: &Connection,
        backup: &Backup,
        parameters: &Parameters,
    ) -> Result<Progress, Error> {
        claim(connection)?;
        let Identity { backup, options } = Identity::of(backup, parameters);
        let mode = parameters.mode.name();
        let values = [backup.as_str(), &options, mode]
            .map(quote_literal)
            .join(", ");
        let sql = format!(
            "DROP SCHEMA IF EXISTS {SCHEMA} CASCADE; CREATE SCHEMA {SCHEMA}; \
             CREATE TABLE {SCHEMA}.restore (backup text NOT NULL, options text NOT NULL, mode text NOT NULL, \
             begun timestamp with time zone DEFAULT pg_catalog.now() NOT NULL); \
             CREATE TABLE {SCHEMA}.done (entry bigint, piece integer, PRIMARY KEY (entry, piece)); \
             INSERT INTO {SCHEMA}.restore (backup, options, mode) VALUES ({values})"
        );
        script(connection, vec![Step::Statement(sql)], true, "beginning")?;
        Ok(Progress {
            kept: true,
            done: HashSet::new(),
        })
    }

    /// Goes on where a restore of the same archive, asked for in the same way, was cut. `parameters` get the mode of its beginning.
    pub fn resume(
        connection: &Connection,
        backup: &Backup,
        parameters: &mut Parameters,
    ) -> Result<Progress, Error> {
        let nothing = || {
            Error::not_found(format!(
                "there is nothing to continue: no restore into {} was cut",
                connection.server().database
            ))
            .hint("leave out --resume")
        };
        claim(connection)?;
        let unfinished = Unfinished::read(connection)?.ok_or_else(nothing)?;
        parameters.mode = unfinished.mode;
        let asked = Identity::of(backup, parameters);
        if unfinished.identity.backup != asked.backup {
            return Err(Error::conflict(format!(
                "the database holds {}, and what is asked for is {}",
                unfinished.describe(),
                asked.backup
            ))
            .hint("name that backup, or begin anew with --clean"));
        }
        if unfinished.identity.options != asked.options {
            return Err(Error::conflict(format!(
                "the database holds {}, with other options: {} rather than {}",
                unfinished.describe(),
                unfinished.identity.options,
                asked.options
            ))
            .hint("ask for the same tables and in the same way, or begin anew with --clean"));
        }
        let done = connection
            .query(&format!("SELECT entry, piece FROM {SCHEMA}.done"), &[])?
            .map(|row| Ok((row.get::<u32>("entry")?, row.get::<i32>("piece")?)))?;
        Ok(Progress {
            kept: true,
            done: done.into_iter().collect(),
        })
    }

    /// The statement that keeps account of an entry, to be run in the same transaction as what restores it.
    pub fn mark(&self, entry: u32) -> Option<String> {
        self.mark_piece(entry, WHOLE)
    }

    /// The same, of a piece of an entry.
    pub fn mark_piece(&self, entry: u32, piece: i32) -> Option<String> {
        self.kept
            .then(|| format!("INSERT INTO {SCHEMA}.done VALUES ({entry}, {piece});\n"))
    }

    /// Nothing of the entry has to be done any more.
    pub fn is_done(&self, entry: u32) -> bool {
        self.is_piece_done(entry, WHOLE)
    }

    /// The same, of a piece of an entry.
    pub fn is_piece_done(&self, entry: u32, piece: i32) -> bool {
        self.done.contains(&(entry, piece))
    }

    /// The first pieces of the entry or others of it are there.
    pub fn has_pieces(&self, entry: u32) -> bool {
        self.done
            .iter()
            .any(|(done, piece)| *done == entry && *piece != WHOLE)
    }

    /// How many entries and pieces an earlier restore has left behind.
    pub fn count(&self) -> usize {
        self.done.len()
    }

    /// What the target had before this restore was begun.
    pub fn before(&self, toc: &Toc, objects: &BTreeSet<Object>) -> BTreeSet<Object> {
        let own: BTreeSet<Object> = toc
            .entries
            .iter()
            .filter(|entry| self.is_done(entry.dump_id))
            .filter_map(object)
            .collect();
        objects.difference(&own).cloned().collect()
    }

    /// Leaves nothing of the account behind. Dropping what is not there is no error.
    pub fn end(&mut self, connection: &Connection) -> Result<(), Error> {
        if std::mem::take(&mut self.kept) {
            forget(connection)?;
        }
        Ok(())
    }
}

/// Removes the account from a database.
pub fn forget(connection: &Connection) -> Result<(), Error> {
    let sql = format!("DROP SCHEMA IF EXISTS {SCHEMA} CASCADE");
    script(connection, vec![Step::Statement(sql)], true, "finishing").map(|_| ())
}

/// Makes sure that no other restore works in this database. What a program that was killed has left on the server ends
/// with its statement: it is waited for.
fn claim(connection: &Connection) -> Result<(), Error> {
    let statements = [
        format!("SET lock_timeout = '{PATIENCE}'"),
        format!("SELECT pg_catalog.pg_advisory_lock({LOCK})"),
        format!("SELECT pg_catalog.pg_advisory_unlock({LOCK})"),
        "SET lock_timeout = 0".to_owned(),
    ];
    let steps = statements.into_iter().map(Step::Statement).collect();
    match script(connection, steps, false, "waiting for other restores") {
        Ok(_) => Ok(()),
        // lock_not_available
        Err(error) if error.sqlstate.as_deref() == Some("55P03") => Err(Error::new(
            ErrorKind::Conflict,
            "another restore into this database is under way",
        )
        .hint("wait for its end; what a killed program has left running on the server is shown by pg_stat_activity")),
        Err(error) => Err(error),
    }
}
