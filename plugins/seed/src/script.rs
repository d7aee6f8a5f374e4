//! A script, and what it changes.

use std::collections::BTreeMap;

use orchestrator_sdk::postgres::{Step, Transaction};
use orchestrator_sdk::streams::{ByteSource, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind};
use sql::Statement;

use crate::written::{Changes, TableWritten};

/// As the server counts for the session.
const CHANGES: &str = "SELECT CASE n.nspname WHEN 'public' THEN '' ELSE n.nspname || '.' END || c.relname AS name, \
     pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) AS inserted, pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) AS updated, \
     pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) AS deleted \
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
     AND pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_xact_tuples_updated(c.oid) \
     + pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid) > 0 ORDER BY 1";

/// Runs the statements of a script.
pub fn write(
    transaction: &Transaction,
    set: &str,
    script: &str,
) -> Result<Vec<TableWritten>, Error> {
    let statements = seeds::script_statements(script).map_err(Error::invalid_input)?;
    let before = counts(transaction)?;
    for statement in &statements {
        let options = TransferOptions {
            label: format!("{set}, line {}", statement.line),
            expected_bytes: 0,
        };
        transaction
            .run_script(vec![step(statement)], &options)
            .and_then(|running| running.wait())
            .map_err(|error| match error.kind {
                ErrorKind::Cancelled => error,
                _ => error.while_doing(format_args!("line {}", statement.line)),
            })?;
    }
    let after = counts(transaction)?.into_iter();
    let tables = after.map(|(table, mut changes)| {
        let before = before.get(&table).copied().unwrap_or_default();
        changes.inserted -= before.inserted;
        changes.updated -= before.updated;
        changes.deleted -= before.deleted;
        TableWritten {
            table,
            changes,
            rows: Vec::new(),
        }
    });
    Ok(tables
        .filter(|table| table.changes != Changes::default())
        .collect())
}

/// What the session has done that the server has not counted as over yet: of transactions just before, too.
fn counts(transaction: &Transaction) -> Result<BTreeMap<String, Changes>, Error> {
    let mut tables = BTreeMap::new();
    transaction.query(CHANGES, &[])?.for_each(|row| {
        let changes = Changes {
            inserted: row.get("inserted")?,
            updated: row.get("updated")?,
            unchanged: 0,
            deleted: row.get("deleted")?,
        };
        tables.insert(row.get("name")?, changes);
        Ok(())
    })?;
    Ok(tables)
}

fn step(statement: &Statement<'_>) -> Step {
    match statement.copy_data {
        Some(rows) => Step::CopyIn((
            statement.text.to_owned(),
            ByteSource::from_bytes(rows.as_bytes()),
        )),
        None => Step::Statement(statement.text.to_owned()),
    }
}
