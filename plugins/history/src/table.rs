//! The table `_prisma_migrations`.

use migrations::Row;
use migrations::history::TABLE;
use migrations::plan::Database;
use orchestrator_sdk::postgres::Transaction;
use orchestrator_sdk::{Error, run};

use crate::session::Session;

/// The history in one schema. Its table is named with the schema: a script may change the search path.
#[derive(Clone, Debug)]
pub struct History {
    table: String,
}

impl History {
    /// That of the session's schema.
    pub fn of(session: &impl Session) -> Result<Self, Error> {
        let row = session.query_one(
            "SELECT pg_catalog.quote_ident(pg_catalog.current_schema()) AS schema",
            &[],
        )?;
        let schema: Option<String> = row.get("schema")?;
        let schema = schema.ok_or_else(|| {
            Error::not_found("the session has no schema to keep the history of migrations in")
                .hint("name one in the URL, ?schema=public, or create it")
        })?;
        Ok(Self {
            table: format!("{schema}._prisma_migrations"),
        })
    }

    /// The rows, in the order in which they were begun; none where there is no table.
    pub fn read(&self, session: &impl Session, database: Database) -> Result<Vec<Row>, Error> {
        if !database.has_history {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT id, checksum, finished_at::text AS finished_at, migration_name, logs, rolled_back_at::text AS rolled_back_at, \
             started_at::text AS started_at, applied_steps_count FROM {} ORDER BY started_at, id",
            self.table
        );
        session.query(&sql, &[])?.map(|row| {
            Ok(Row {
                id: row.get("id")?,
                checksum: row.get("checksum")?,
                finished_at: row.get("finished_at")?,
                migration_name: row.get("migration_name")?,
                logs: row.get("logs")?,
                rolled_back_at: row.get("rolled_back_at")?,
                started_at: row.get("started_at")?,
                applied_steps_count: row.get("applied_steps_count")?,
            })
        })
    }

    /// Makes the table as Prisma makes it.
    pub fn create(&self, session: &impl Session) -> Result<(), Error> {
        let sql = TABLE.replacen("_prisma_migrations", &self.table, 1);
        session
            .execute(&sql, &[])
            .map_err(|error| error.while_doing("creating _prisma_migrations"))?;
        Ok(())
    }

    /// A migration has begun.
    pub fn begin(
        &self,
        session: &impl Session,
        id: &str,
        name: &str,
        checksum: &str,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} (id, checksum, migration_name, started_at) VALUES ($1, $2, $3, pg_catalog.clock_timestamp())",
            self.table
        );
        session.execute(&sql, &[id.into(), checksum.into(), name.into()])?;
        Ok(())
    }

    /// All of it is applied.
    pub fn finish(&self, session: &impl Session, id: &str) -> Result<(), Error> {
        let sql = format!(
            "UPDATE {} SET finished_at = pg_catalog.clock_timestamp(), applied_steps_count = 1 WHERE id = $1",
            self.table
        );
        session.execute(&sql, &[id.into()])?;
        Ok(())
    }

    /// It has failed, for this reason.
    pub fn fail(&self, session: &impl Session, id: &str, logs: &str) -> Result<(), Error> {
        let sql = format!("UPDATE {} SET logs = $2 WHERE id = $1", self.table);
        session.execute(&sql, &[id.into(), logs.into()])?;
        Ok(())
    }

    /// All of it was applied in the transaction that this is written in.
    pub fn applied(
        &self,
        transaction: &Transaction,
        id: &str,
        name: &str,
        checksum: &str,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} (id, checksum, migration_name, started_at, finished_at, applied_steps_count) \
             VALUES ($1, $2, $3, pg_catalog.transaction_timestamp(), pg_catalog.clock_timestamp(), 1)",
            self.table
        );
        transaction.execute(&sql, &[id.into(), checksum.into(), name.into()])?;
        Ok(())
    }

    /// Failed attempts at it are given up; their number.
    pub fn give_up(&self, session: &impl Session, name: &str) -> Result<u64, Error> {
        let sql = format!(
            "UPDATE {} SET rolled_back_at = pg_catalog.clock_timestamp() \
             WHERE migration_name = $1 AND finished_at IS NULL AND rolled_back_at IS NULL",
            self.table
        );
        session.execute(&sql, &[name.into()])
    }

    /// It is no longer in the database.
    pub fn take_back(&self, session: &impl Session, name: &str) -> Result<u64, Error> {
        let sql = format!(
            "UPDATE {} SET rolled_back_at = pg_catalog.clock_timestamp() \
             WHERE migration_name = $1 AND finished_at IS NOT NULL AND rolled_back_at IS NULL",
            self.table
        );
        session.execute(&sql, &[name.into()])
    }

    /// It is in the database, although nobody here has put it there.
    pub fn declare(
        &self,
        session: &impl Session,
        id: &str,
        name: &str,
        checksum: &str,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO {} (id, checksum, migration_name, started_at, finished_at, logs, applied_steps_count) \
             SELECT $1, $2, $3, n.now, n.now, '', 0 FROM (SELECT pg_catalog.clock_timestamp() AS now) n",
            self.table
        );
        session.execute(&sql, &[id.into(), checksum.into(), name.into()])?;
        Ok(())
    }
}

/// Whether there is a history, and anything besides it in the schema.
pub fn look(session: &impl Session) -> Result<Database, Error> {
    // What extensions have made is nobody's own.
    let row = session.query_one(
        "SELECT pg_catalog.to_regclass('_prisma_migrations') IS NOT NULL AS has_history, \
         NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') \
         AND c.relname <> '_prisma_migrations' AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')) \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace = n.oid AND t.typtype IN ('e', 'd') \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d \
         WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')) AS is_empty \
         FROM (SELECT pg_catalog.to_regnamespace(pg_catalog.quote_ident(pg_catalog.current_schema()))::oid AS oid) n",
        &[],
    )?;
    Ok(Database {
        has_history: row.get("has_history")?,
        is_empty: row.get("is_empty")?,
    })
}

/// A UUID of version 4, as Prisma gives them.
pub fn new_id() -> String {
    uuid(run::random(), run::random())
}

fn uuid(high: u64, low: u64) -> String {
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids() {
        assert_eq!(uuid(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(
            uuid(u64::MAX, u64::MAX),
            "ffffffff-ffff-4fff-bfff-ffffffffffff"
        );
    }
}
