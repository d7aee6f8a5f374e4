//! Sessions as migrations run in them.

use orchestrator_sdk::postgres::{
    self, Connection, Isolation, OwnedRow, Rows, Target, Transaction, TransactionOptions,
    quote_identifier,
};
use orchestrator_sdk::{Error, Value};

/// What is asked and told: of a connection, or of a transaction on it.
pub trait Session {
    /// Rows.
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Error>;

    /// The one row.
    fn query_one(&self, sql: &str, parameters: &[Value]) -> Result<OwnedRow, Error>;

    /// How many rows it has changed.
    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Error>;
}

impl Session for Connection {
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Error> {
        Self::query(self, sql, parameters)
    }

    fn query_one(&self, sql: &str, parameters: &[Value]) -> Result<OwnedRow, Error> {
        Self::query_one(self, sql, parameters)
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        Self::execute(self, sql, parameters)
    }
}

impl Session for Transaction {
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Rows, Error> {
        Self::query(self, sql, parameters)
    }

    fn query_one(&self, sql: &str, parameters: &[Value]) -> Result<OwnedRow, Error> {
        Self::query_one(self, sql, parameters)
    }

    fn execute(&self, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
        Self::execute(self, sql, parameters)
    }
}

/// Connects, into the schema that the URL names: Prisma's migrations name no schema, and rely on it.
pub fn connect(binding: &str) -> Result<Connection, Error> {
    let connection = postgres::connect(binding, Target::Database)?;
    reset(&connection)?;
    Ok(connection)
}

/// A transaction that reads alone, in the schema that the URL names.
pub fn read(connection: &Connection) -> Result<Transaction, Error> {
    let transaction = connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: true,
        snapshot: None,
    })?;
    if let Some(schema) = connection.schema() {
        let path = quote_identifier(&schema);
        transaction.query_one(
            "SELECT pg_catalog.set_config('search_path', $1, true)",
            &[path.as_str().into()],
        )?;
    }
    Ok(transaction)
}

/// Forgets whatever a script has set in the session.
pub fn reset(connection: &Connection) -> Result<(), Error> {
    connection.execute("RESET ALL", &[])?;
    if let Some(schema) = connection.schema() {
        let path = quote_identifier(&schema);
        set(connection, "search_path", &path)?;
    }
    Ok(())
}

/// Sets a parameter for the session.
pub fn set(connection: &Connection, name: &str, value: &str) -> Result<(), Error> {
    let values: [Value; 2] = [name.into(), value.into()];
    connection
        .query_one("SELECT pg_catalog.set_config($1, $2, false)", &values)
        .map_err(|error| error.while_doing(format_args!("setting {name}")))?;
    Ok(())
}

/// The server's process that serves it.
pub fn process(connection: &Connection) -> Result<i32, Error> {
    let row = connection.query_one("SELECT pg_catalog.pg_backend_pid() AS process", &[])?;
    row.get("process")
}
