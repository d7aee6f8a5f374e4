//! Indexes that CREATE INDEX CONCURRENTLY leaves behind when it fails: of no use, and in the way of another attempt.

use std::collections::BTreeSet;

use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Connection;

/// Indexes that are not valid, with their schemas, quoted where they must be.
pub fn invalid_indexes(connection: &Connection) -> Result<BTreeSet<String>, Error> {
    let rows = connection.query(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE NOT i.indisvalid AND c.relkind = 'i'",
        &[],
    )?;
    Ok(rows.map(|row| row.get("name"))?.into_iter().collect())
}

/// Whether a statement that was cut has done what it does. What is half there is dropped, so that it can be done again.
pub fn is_done(connection: &Connection, statement: &str) -> Result<bool, Error> {
    let Some(sql::ConcurrentIndex { name, is_dropped }) = sql::concurrent_index(statement) else {
        return Ok(false);
    };
    let row = connection
        .query(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, i.indisvalid AS is_valid FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.oid = pg_catalog.to_regclass($1)",
            &[name.as_str().into()],
        )?
        .first()?;
    match row {
        None => Ok(is_dropped),
        Some(_) if is_dropped => Ok(false),
        Some(row) if row.get("is_valid")? => Ok(true),
        Some(row) => {
            let name: &str = row.get("name")?;
            connection.execute(&format!("DROP INDEX CONCURRENTLY {name}"), &[])?;
            Ok(false)
        }
    }
}

/// Drops what a statement has left that failed. What cannot be dropped is named.
pub fn removed(connection: &Connection, before: &BTreeSet<String>, error: Error) -> Error {
    let Ok(now) = invalid_indexes(connection) else {
        return error;
    };
    let mut left = Vec::new();
    for name in now.difference(before) {
        let sql = format!("DROP INDEX CONCURRENTLY {name}");
        if connection.execute(&sql, &[]).is_err() {
            left.push(sql);
        }
    }
    match left.is_empty() {
        true => error,
        false => error.hint(format!("it has left an invalid index: {}", left.join("; "))),
    }
}
