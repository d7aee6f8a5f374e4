//! The session that locks the tables to dump before the snapshot is taken, and holds the locks to the end.

use catalog::Filters;
use orchestrator_sdk::postgres::{self, Connection, Target, Transaction};
use orchestrator_sdk::{Error, ErrorKind, Value};

use crate::readers::{CatalogSession, begin, explain, settle};

pub(crate) struct Guard {
    binding: String,
    // Fields are dropped in their order: the transaction before its connection.
    transaction: Transaction,
    _connection: Connection,
    process: i32,
}

/// Exclusive locks on tables and views of the database, held or waited for: either keeps ACCESS SHARE out.
const EXCLUSIVE_LOCKS: &str = "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, l.pid, l.granted, \
     coalesce(a.usename::text, '') AS role, coalesce(a.application_name, '') AS application \
     FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND c.oid >= 16384 AND c.relpersistence <> 't' \
     AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') \
     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
     ORDER BY NOT l.granted, 1 LIMIT 5";

impl Guard {
    /// Waits for whoever holds a table exclusively: for as long as it takes, or as `lock_wait` says in PostgreSQL's way of
    /// writing times.
    pub fn new(binding: &str, filters: &Filters, lock_wait: Option<&str>) -> Result<Self, Error> {
        let connection = postgres::connect(binding, Target::Database)?;
        let version = connection.server().version;
        let transaction = begin(&connection, None)?;
        settle(&transaction, version)?;
        limit_lock_wait(&transaction, lock_wait)?;
        let process = transaction
            .query_one(
                "SELECT pg_catalog.pg_backend_pid() AS process",
                &[] as &[Value],
            )?
            .get::<i32>("process")?;
        let guard = Self {
            binding: binding.to_owned(),
            transaction,
            _connection: connection,
            process,
        };
        let locked = catalog::lock(&mut CatalogSession(&guard.transaction), version, filters);
        guard.explain(locked.map_err(explain))?;
        Ok(guard)
    }

    /// Of the server, as pg_locks knows it.
    pub fn process(&self) -> i32 {
        self.process
    }

    /// Says of a lock that did not come who holds it.
    pub fn explain<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| match error.sqlstate.as_deref() {
            Some("55P03") => locked_out(&self.binding, error),
            _ => error,
        })
    }

    /// Fails when the session, and the locks with it, has ended before.
    pub fn end(self) -> Result<(), Error> {
        Transaction::commit(self.transaction)
            .map_err(|error| error.while_doing("holding the locks on the tables to the end"))
    }
}

/// For a session that may meet exclusive locks.
pub(crate) fn limit_lock_wait(
    transaction: &Transaction,
    lock_wait: Option<&str>,
) -> Result<(), Error> {
    const LIMIT: &str = "SELECT pg_catalog.set_config('lock_timeout', $1, false)";
    if let Some(lock_wait) = lock_wait {
        transaction
            .query_one(LIMIT, &[lock_wait.into()])
            .map_err(|error| error.while_doing("setting how long to wait for a lock"))?;
    }
    Ok(())
}

fn locked_out(binding: &str, error: Error) -> Error {
    let holders = match holders(binding) {
        Ok(holders) if !holders.is_empty() => holders.join(", "),
        _ => "whoever held a table exclusively has let it go since".to_owned(),
    };
    Error {
        kind: ErrorKind::Timeout,
        message: format!("a lock did not come in time: {holders}"),
        hint: Some(
            "run the backup again when that is over, or let it wait longer: --lock-wait-timeout"
                .to_owned(),
        ),
        ..error
    }
}

/// Asked on another connection: the transaction that waited has failed.
fn holders(binding: &str) -> Result<Vec<String>, Error> {
    let connection = postgres::connect(binding, Target::Database)?;
    let transaction = begin(&connection, None)?;
    transaction.query(EXCLUSIVE_LOCKS, &[])?.map(|row| {
        let holds = match row.get::<bool>("granted")? {
            true => "is held",
            false => "is wanted",
        };
        Ok(format!(
            "{} {holds} exclusively by process {} (role {:?}, application {:?})",
            row.get::<&str>("name")?,
            row.get::<i32>("pid")?,
            row.get::<&str>("role")?,
            row.get::<&str>("application")?,
        ))
    })
}
