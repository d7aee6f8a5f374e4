//! One set.

use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::seed::Transaction;
use orchestrator_sdk::{Error, ErrorKind};
use seeds::{Content, Set};

use crate::written::{TableWritten, Written};
use crate::{declared, script};

/// Writes a set, or undoes it again when it is only to be seen what it would do.
pub fn write(
    connection: &Connection,
    folder: &str,
    set: &Set,
    dry_run: bool,
) -> Result<Written, Error> {
    let tables = match &set.content {
        Content::Script(script) => run_script(connection, &set.name, script, dry_run),
        Content::Tables(tables) => declared::write(connection, folder, tables, dry_run),
    };
    Ok(Written {
        set: set.name.clone(),
        tables: tables.map_err(|error| match error.kind {
            ErrorKind::Cancelled => error,
            _ => error.while_doing(format_args!("writing the set {}", set.name)),
        })?,
    })
}

fn run_script(
    connection: &Connection,
    name: &str,
    script: &str,
    dry_run: bool,
) -> Result<Vec<TableWritten>, Error> {
    let transaction = Transaction::begin(connection)?;
    let tables = script::write(&transaction, name, script)?;
    match dry_run {
        true => transaction.rollback()?,
        false => transaction.commit()?,
    }
    Ok(tables)
}
