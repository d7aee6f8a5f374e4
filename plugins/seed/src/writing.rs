//! One set, in one transaction.

use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::seed::Transaction;
use orchestrator_sdk::{Error, ErrorKind};
use seeds::{Content, Set};

use crate::written::Written;
use crate::{declared, script};

/// Writes a set, or undoes it again when it is only to be seen what it would do.
pub fn write(connection: &Connection, set: &Set, dry_run: bool) -> Result<Written, Error> {
    let place = |error: Error| match error.kind {
        ErrorKind::Cancelled => error,
        _ => error.while_doing(format_args!("writing the set {}", set.name)),
    };
    let transaction = Transaction::begin(connection)?;
    let tables = match &set.content {
        Content::Script(script) => script::write(&transaction, &set.name, script),
        Content::Tables(tables) => declared::write(&transaction, tables),
    }
    .map_err(place)?;
    match dry_run {
        true => transaction.rollback()?,
        false => transaction.commit().map_err(place)?,
    }
    Ok(Written {
        set: set.name.clone(),
        tables,
    })
}
