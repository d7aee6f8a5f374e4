//! How far a migration has come that is not one transaction: kept in the database, so that another attempt begins where the last one
//! stopped.

use std::collections::BTreeMap;

use history::Session;
use migrations::checksum;
use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::{Error, Value};

const TABLE: &str = "orchestrator.migration_progress";

/// The parts of one migration that were begun, by the position of their first statement.
pub struct Progress {
    migration: String,
    parts: BTreeMap<usize, Part>,
}

struct Part {
    checksum: String,
    is_done: bool,
}

/// How a part stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Nothing of it was ever run.
    New,
    /// It was begun, and nobody saw it end: it may be done.
    Begun,
    /// It is done.
    Done,
}

impl Progress {
    /// Makes the table where it is missing.
    pub fn read(connection: &Connection, migration: &str) -> Result<Self, Error> {
        let explain = |error: Error| {
            error
                .while_doing("keeping account of a migration that is not one transaction")
                .hint("the role needs the right to create the schema orchestrator, once")
        };
        for sql in [
            "CREATE SCHEMA IF NOT EXISTS orchestrator".to_owned(),
            format!(
                "CREATE TABLE IF NOT EXISTS {TABLE} (migration text NOT NULL, position integer NOT NULL, checksum text NOT NULL, \
                 begun_at timestamp with time zone NOT NULL DEFAULT pg_catalog.clock_timestamp(), done_at timestamp with time zone, \
                 PRIMARY KEY (migration, position))"
            ),
        ] {
            connection.execute(&sql, &[]).map_err(explain)?;
        }
        let sql = format!(
            "SELECT position, checksum, done_at IS NOT NULL AS is_done FROM {TABLE} WHERE migration = $1"
        );
        let parts = connection.query(&sql, &[migration.into()])?.map(|row| {
            let position: i32 = row.get("position")?;
            let part = Part {
                checksum: row.get("checksum")?,
                is_done: row.get("is_done")?,
            };
            Ok((position.unsigned_abs() as usize, part))
        })?;
        Ok(Self {
            migration: migration.to_owned(),
            parts: parts.into_iter().collect(),
        })
    }

    /// What earlier attempts have done of a part. Fails when they have done another one in its place.
    pub fn stand(&self, position: usize, text: &str) -> Result<Stand, Error> {
        match self.parts.get(&position) {
            None => Ok(Stand::New),
            Some(part) if part.checksum == checksum::of(text) => Ok(match part.is_done {
                true => Stand::Done,
                false => Stand::Begun,
            }),
            // What has failed may be corrected.
            Some(part) if !part.is_done => Ok(Stand::New),
            Some(_) => Err(Error::conflict(format!(
                "{}: statement {} was done by an earlier attempt, and is another by now",
                self.migration,
                position + 1
            ))
            .hint("put it back as it was, and make the change after what has failed")),
        }
    }

    /// It is begun. What cannot be in a transaction may be done, and nobody know it.
    pub fn begin(&self, session: &impl Session, position: usize, text: &str) -> Result<(), Error> {
        self.write(session, position, text, "NULL")
    }

    /// It is done.
    pub fn finish(&self, session: &impl Session, position: usize, text: &str) -> Result<(), Error> {
        self.write(session, position, text, "pg_catalog.clock_timestamp()")
    }

    fn write(
        &self,
        session: &impl Session,
        position: usize,
        text: &str,
        done: &str,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {TABLE} AS t (migration, position, checksum, done_at) VALUES ($1, $2, $3, {done}) \
             ON CONFLICT (migration, position) DO UPDATE SET checksum = excluded.checksum, done_at = excluded.done_at"
        );
        let checksum = checksum::of(text);
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        session.execute(
            &sql,
            &[
                self.migration.as_str().into(),
                Value::Integer(position),
                checksum.as_str().into(),
            ],
        )?;
        Ok(())
    }

    /// It has failed, and left nothing.
    pub fn forget_part(&self, session: &impl Session, position: usize) -> Result<(), Error> {
        let sql = format!("DELETE FROM {TABLE} WHERE migration = $1 AND position = $2");
        let position = i64::try_from(position).unwrap_or(i64::MAX);
        session.execute(
            &sql,
            &[self.migration.as_str().into(), Value::Integer(position)],
        )?;
        Ok(())
    }

    /// All of it is done: there is nothing to go on with.
    pub fn forget(self, session: &impl Session) -> Result<(), Error> {
        let sql = format!("DELETE FROM {TABLE} WHERE migration = $1");
        session.execute(&sql, &[self.migration.as_str().into()])?;
        Ok(())
    }
}
