//! The connections that read: one leader, whose snapshot the others share.

use catalog::{Dump, Filters, Options, Session, SessionError};
use orchestrator_sdk::postgres::{
    self, Connection, Isolation, Server, Target, Transaction, TransactionOptions,
};
use orchestrator_sdk::{Error, ErrorKind, FromValue};

/// All of them see the database as it was at one moment.
pub(crate) struct Readers {
    binding: String,
    // Fields are dropped in their order: transactions before their connections.
    leader: Transaction,
    others: Vec<Transaction>,
    connections: Vec<Connection>,
    server: Server,
}

impl Readers {
    /// Connects the leader.
    pub fn open(binding: &str) -> Result<Self, Error> {
        let connection = postgres::connect(binding, Target::Database)?;
        let server = connection.server();
        let leader = begin(&connection, None)?;
        settle(&leader, server.version)?;
        Ok(Self {
            binding: binding.to_owned(),
            leader,
            others: Vec::new(),
            connections: vec![connection],
            server,
        })
    }

    /// Reads the catalog and locks what is dumped.
    pub fn read_catalog(&mut self, filters: Filters) -> Result<Dump, Error> {
        let mut session = CatalogSession(&self.leader);
        let options = Options {
            filters,
            ..Options::default()
        };
        let catalog =
            catalog::read(&mut session, self.server.version, &options).map_err(explain)?;
        catalog.dump().map_err(explain)
    }

    /// The cluster's roles, as the text of `globals.sql`.
    pub fn read_globals(&mut self) -> Result<String, Error> {
        let mut session = CatalogSession(&self.leader);
        catalog::globals(&mut session, self.server.version).map_err(explain)
    }

    /// Connects others until there are `jobs` readers.
    pub fn add(&mut self, jobs: usize) -> Result<(), Error> {
        if jobs < 2 {
            return Ok(());
        }
        let snapshot = self.leader.export_snapshot()?;
        for _ in 1..jobs {
            let connection = postgres::connect(&self.binding, Target::Database)?;
            let transaction = begin(&connection, Some(snapshot.clone())).map_err(|error| {
                pooled(error).while_doing("sharing the snapshot with another connection")
            })?;
            settle(&transaction, self.server.version)?;
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

fn begin(connection: &Connection, snapshot: Option<String>) -> Result<Transaction, Error> {
    connection.begin(&TransactionOptions {
        isolation: Isolation::RepeatableRead,
        read_only: true,
        snapshot,
    })
}

fn settle(transaction: &Transaction, version: u32) -> Result<(), Error> {
    for setting in catalog::session_settings(version) {
        transaction.execute(&setting, &[])?;
    }
    Ok(())
}

/// A pooler in transaction mode gives each transaction another server connection, where the snapshot is unknown.
fn pooled(error: Error) -> Error {
    match error.sqlstate.as_deref() {
        Some("22023" | "42704") if error.hint.is_none() => error.hint(
            "if a pooler such as PgBouncer stands in between, set `direct_url` of the database to the server's own address",
        ),
        _ => error,
    }
}

fn explain(error: catalog::Error) -> Error {
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
        catalog::Error::NoTable(_) => Error::not_found(error.to_string()).hint(
            "patterns are those of psql's \\d, with double quotes around names with capitals",
        ),
        catalog::Error::Uncovered { .. } => Error::unsupported(error.to_string())
            .hint("this version cannot back up these objects, and leaves nothing out silently"),
        other => Error::internal(other.to_string()),
    }
}

/// The catalog's questions, asked in the leader's transaction.
struct CatalogSession<'a>(&'a Transaction);

impl Session for CatalogSession<'_> {
    fn for_each(
        &mut self,
        sql: &str,
        row: &mut dyn FnMut(Vec<Option<String>>),
    ) -> Result<(), SessionError> {
        let rows = self.0.query(sql, &[])?;
        while let Some(batch) = rows.next()? {
            for values in &batch.rows {
                let cells = values
                    .iter()
                    .map(|value| {
                        Option::<String>::from_value(value)
                            .map_err(|expected| format!("a cell is not {expected}"))
                    })
                    .collect::<Result<Vec<_>, _>>()?;
                row(cells);
            }
        }
        Ok(())
    }

    fn execute(&mut self, sql: &str) -> Result<(), SessionError> {
        self.0.execute(sql, &[])?;
        Ok(())
    }
}
