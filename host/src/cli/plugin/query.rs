//! `orchestrator plugin query`: how the SDK's module `testing` reaches a test's database, so that a plugin's tests need no client of
//! PostgreSQL. Not for people, and not in the help.

use std::io::Read;

use serde_json::Value;
use tokio_postgres::SimpleQueryMessage;

use crate::authoring::{self, VARIABLE_DATABASE_URL};
use crate::cli::output::Output;
use crate::exit;
use crate::failure::Failure;

/// Runs what stands on stdin in the database that the variable names. Prints the rows of all statements: arrays of texts and nulls.
pub(super) async fn execute(output: &Output) -> Result<u8, Failure> {
    let url = std::env::var(VARIABLE_DATABASE_URL).map_err(|_| {
        Failure::invalid_input(format!("{VARIABLE_DATABASE_URL} is not set"))
            .hint("this is for tests of plugins: run `orchestrator plugin test`")
    })?;
    let mut sql = String::new();
    std::io::stdin()
        .read_to_string(&mut sql)
        .map_err(|error| Failure::invalid_input(format!("reading SQL from stdin: {error}")))?;
    let connection = authoring::connect(&url).await?;
    let messages = connection.client.simple_query(&sql).await?;
    let rows: Vec<Value> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|column| Value::from(row.get(column)))
                    .collect(),
            ),
            _ => None,
        })
        .collect();
    let document = Value::Array(rows);
    output.result(&document, || document.to_string())?;
    Ok(exit::DONE)
}
