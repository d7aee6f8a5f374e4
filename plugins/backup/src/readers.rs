//! The connections that read: one leader, whose snapshot the others share.

use catalog::{Dump, Filters, Locks, Options, Session, SessionError};
use orchestrator_sdk::postgres::{
    self, Connection, Isolation, Server, Target, Transaction, TransactionOptions,
};
use orchestrator_sdk::{Error, ErrorKind, run};

use crate::copied_rows;
use crate::guard::{Guard, limit_lock_wait};

/// All of them see the database as it was at one moment, while the guard's locks keep its tables as they are.
pub(crate) struct Readers {
    binding: String,
    // Fields are dropped in their order: transactions before their connections.
    guard: Guard,
    leader: Transaction,
    others: Vec<Transaction>,
    connections: Vec<Connection>,
    server: Server,
}

/// What was to be read changed while it was being locked: so often it is locked again.
const ATTEMPTS: usize = 5;

/// How long a reader waits for a table that the guard has locked already: only somebody's exclusive lock that waits for the guard
/// itself can be in its way, and would be for ever. PostgreSQL would find no deadlock: the guard waits for nothing that it knows of.
const COPY_LOCK_WAIT: &str = "1s";

impl Readers {
    /// Locks what is dumped, connects the leader, and reads the catalog.
    pub fn open(
        binding: &str,
        filters: &Filters,
        lock_wait: Option<&str>,
    ) -> Result<(Self, Dump), Error> {
        let mut attempt = 1;
        loop {
            match Self::try_open(binding, filters, lock_wait) {
                Err(error) if attempt < ATTEMPTS && changed_meanwhile(&error) => {
                    run::info(&format!(
                        "tables changed while they were being locked, and are locked again: {}",
                        error.message
                    ));
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// Locks first, and the snapshot after: what was emptied, rewritten or replaced while a lock was waited for looks empty
    /// to a snapshot from before.
    fn try_open(
        binding: &str,
        filters: &Filters,
        lock_wait: Option<&str>,
    ) -> Result<(Self, Dump), Error> {
        run::phase("locking tables");
        let guard = Guard::new(binding, filters, lock_wait)?;
        run::phase("reading the catalog");
        let connection = postgres::connect(binding, Target::Database)?;
        let server = connection.server();
        let leader = begin(&connection, None)?;
        settle(&leader, server.version)?;
        // Views are not locked by the guard, and the server locks what they read when it prints them.
        limit_lock_wait(&leader, lock_wait)?;
        let options = Options {
            filters: filters.clone(),
            locks: Locks::HeldBy(guard.process()),
            ..Options::default()
        };
        let dump = guard.explain(read(&leader, server.version, &options))?;
        let readers = Self {
            binding: binding.to_owned(),
            guard,
            leader,
            others: Vec::new(),
            connections: vec![connection],
            server,
        };
        Ok((readers, dump))
    }

    /// Fails when the locks were lost on the way: then a table may have been changed before it was copied.
    pub fn end(self) -> Result<(), Error> {
        self.guard.end()
    }

    /// The cluster's roles, as the text of `globals.sql`.
    pub fn read_globals(&self) -> Result<String, Error> {
        let mut session = CatalogSession(&self.leader);
        catalog::globals(&mut session, self.server.version).map_err(explain)
    }

    /// Connects others until there are `jobs` readers, which copy from now on.
    pub fn add(&mut self, jobs: usize) -> Result<(), Error> {
        limit_lock_wait(&self.leader, Some(COPY_LOCK_WAIT))?;
        if jobs < 2 {
            return Ok(());
        }
        let snapshot = self.leader.export_snapshot()?;
        for _ in 1..jobs {
            let connection = postgres::connect(&self.binding, Target::Database)?;
            let transaction = begin(&connection, Some(snapshot.clone())).map_err(|error| {
                error.while_doing("sharing the snapshot with another connection")
            })?;
            settle(&transaction, self.server.version)?;
            limit_lock_wait(&transaction, Some(COPY_LOCK_WAIT))?;
            self.connections.push(connection);
            self.others.push(transaction);
        }
        Ok(())
    }

    pub fn server(&self) -> Server {
        self.server.clone()
    }

    /// From 14 on a condition on ctid reads the pages it names; before, each range would read the whole table.
    pub fn reads_ranges(&self) -> bool {
        self.server.version >= 140_000
    }

    pub fn leader(&self) -> &Transaction {
        &self.leader
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        1 + self.others.len()
    }

    /// Reader 0 is the leader.
    pub fn get(&self, index: usize) -> &Transaction {
        match index
            .checked_sub(1)
            .and_then(|other| self.others.get(other))
        {
            Some(transaction) => transaction,
            None => &self.leader,
        }
    }
}

pub(crate) fn begin(
    connection: &Connection,
    snapshot: Option<String>,
) -> Result<Transaction, Error> {
    connection.begin(&TransactionOptions {
        isolation: Isolation::RepeatableRead,
        read_only: true,
        snapshot,
    })
}

pub(crate) fn settle(transaction: &Transaction, version: u32) -> Result<(), Error> {
    for setting in catalog::session_settings(version) {
        transaction.execute(&setting, &[])?;
    }
    Ok(())
}

fn read(transaction: &Transaction, version: u32, options: &Options) -> Result<Dump, Error> {
    let mut session = CatalogSession(transaction);
    let catalog = catalog::read(&mut session, version, options).map_err(explain)?;
    catalog.dump().map_err(explain)
}

/// Errors of things that were there and are gone, or were not there yet: a table or a schema, what a function of the server
/// looked up (which reports it as internal).
fn changed_meanwhile(error: &Error) -> bool {
    matches!(error.sqlstate.as_deref(), Some("42P01" | "3F000" | "XX000"))
        || error.kind == ErrorKind::Conflict
}

pub(crate) fn explain(error: catalog::Error) -> Error {
    match error {
        catalog::Error::Query { .. } => {
            // The session's own error, with its SQLSTATE, is the cause.
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                if let Some(own) = cause.downcast_ref::<Error>() {
                    return own.clone().while_doing("reading the catalog");
                }
                source = cause.source();
            }
            Error::new(ErrorKind::Database, error.to_string())
        }
        catalog::Error::NotLocked(_) => Error::conflict(error.to_string()).hint(
            "run the backup again when the migration or maintenance that changes tables is over",
        ),
        catalog::Error::NoTable(_) => Error::not_found(error.to_string()).hint(
            "patterns are those of psql's \\d, with double quotes around names with capitals",
        ),
        catalog::Error::Uncovered { .. } => Error::unsupported(error.to_string())
            .hint("this version cannot back up these objects, and leaves nothing out silently"),
        other => Error::internal(other.to_string()),
    }
}

/// The catalog's questions, asked in a transaction.
pub(crate) struct CatalogSession<'a>(pub &'a Transaction);

impl Session for CatalogSession<'_> {
    fn for_each(
        &mut self,
        sql: &str,
        row: &mut dyn FnMut(Vec<Option<String>>),
    ) -> Result<(), SessionError> {
        Ok(copied_rows::for_each(self.0, sql, row)?)
    }

    fn execute(&mut self, sql: &str) -> Result<(), SessionError> {
        self.0.execute(sql, &[])?;
        Ok(())
    }
}
