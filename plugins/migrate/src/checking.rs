//! What is looked at when all migrations are applied: the queries that they name, and how the server is.

use migrations::Notes;
use orchestrator_sdk::postgres::{Connection, Isolation, Transaction, TransactionOptions};
use orchestrator_sdk::{Error, run};
use serde::Serialize;
use serde_json::{Map, Value, json};

use history::session;

/// A query that takes longer says nothing in time.
const TIMEOUT: &str = "60s";

/// Rows that are looked at.
const ROWS: usize = 11;

/// Statements of pg_stat_statements that are told.
const TOP: usize = 5;

/// One `-- verify:` query and what it returned, as the deployment log has it.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    pub sql: String,
    pub result: String,
    pub ok: bool,
}

/// Runs the queries, each in a transaction that reads alone. One is not ok when it fails, or returns false.
pub fn verify<'a>(
    connection: &Connection,
    notes: impl Iterator<Item = &'a Notes>,
) -> Result<Vec<Verified>, Error> {
    session::reset(connection)?;
    session::set(connection, "statement_timeout", TIMEOUT)?;
    let mut verified = Vec::new();
    for sql in notes.flat_map(|notes| &notes.verify) {
        let (result, ok) = match rows(connection, sql) {
            Ok(rows) => told(&rows),
            Err(error) => (error.message, false),
        };
        verified.push(Verified {
            sql: sql.clone(),
            result,
            ok,
        });
    }
    if !verified.is_empty() {
        run::fact("verification", &verified)?;
    }
    Ok(verified)
}

fn rows(connection: &Connection, sql: &str) -> Result<Vec<Value>, Error> {
    let transaction = connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: true,
        snapshot: None,
    })?;
    // On a line of its own: the query may end in a comment.
    let wrapped =
        format!("SELECT pg_catalog.row_to_json(v)::text AS row FROM (\n{sql}\n) v LIMIT {ROWS}");
    let rows = transaction
        .query(&wrapped, &[])
        .and_then(|rows| rows.map(|row| row.get::<String>("row")));
    // It has written nothing.
    let _ = Transaction::rollback(transaction);
    rows?
        .iter()
        .map(|row| {
            serde_json::from_str(row)
                .map_err(|error| Error::internal(format!("the server's JSON: {error}")))
        })
        .collect()
}

/// In words: a single value as it is, else the first row.
fn told(rows: &[Value]) -> (String, bool) {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let row = |row: &Value| {
        let columns = row.as_object();
        let columns: Vec<String> = columns
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name} {}", text(value)))
            .collect();
        columns.join(", ")
    };
    let single = |row: &Value| {
        let columns: Option<&Map<String, Value>> = row.as_object().filter(|row| row.len() == 1);
        columns.and_then(|columns| columns.values().next().cloned())
    };
    match rows {
        [] => ("no row".to_owned(), true),
        [one] => match single(one) {
            Some(value) => (text(&value), value != Value::Bool(false)),
            None => (row(one), true),
        },
        [first, ..] if rows.len() == ROWS => {
            (format!("{} rows or more: {}", ROWS, row(first)), true)
        }
        [first, ..] => (format!("{} rows: {}", rows.len(), row(first)), true),
    }
}

/// How the server is now: who works, who waits, and what has taken its time, where somebody counts.
pub fn afterwards(connection: &Connection) -> Result<Value, Error> {
    let row = connection.query_one(
        "SELECT count(*) FILTER (WHERE a.state = 'active' AND a.pid <> pg_catalog.pg_backend_pid()) AS active, \
         count(*) FILTER (WHERE a.state LIKE 'idle in transaction%') AS idle_in_transaction, \
         count(*) FILTER (WHERE a.wait_event_type = 'Lock') AS waiting FROM pg_catalog.pg_stat_activity a \
         WHERE a.datname = pg_catalog.current_database()",
        &[],
    )?;
    let after = json!({
        "active_sessions": row.get::<i64>("active")?,
        "idle_in_transaction": row.get::<i64>("idle_in_transaction")?,
        "waiting_for_locks": row.get::<i64>("waiting")?,
        "top_statements": top_statements(connection)?,
    });
    run::fact("afterwards", &after)?;
    Ok(after)
}

/// Of pg_stat_statements; nothing where it is not installed, or not to be read.
fn top_statements(connection: &Connection) -> Result<Vec<Value>, Error> {
    let schema = connection
        .query(
            "SELECT pg_catalog.quote_ident(n.nspname) AS schema FROM pg_catalog.pg_extension e \
             JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'",
            &[],
        )?
        .first()?;
    let Some(schema) = schema else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT pg_catalog.left(pg_catalog.regexp_replace(s.query, '\\s+', ' ', 'g'), 200) AS query, s.calls, s.total_exec_time AS total_ms, \
         s.mean_exec_time AS mean_ms FROM {}.pg_stat_statements s \
         WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
         ORDER BY s.total_exec_time DESC LIMIT {TOP}",
        schema.get::<&str>("schema")?
    );
    // The extension is there, and its library may not be loaded.
    let Ok(rows) = connection.query(&sql, &[]) else {
        return Ok(Vec::new());
    };
    rows.map(|row| {
        Ok(json!({
            "query": row.get::<Option<String>>("query")?,
            "calls": row.get::<i64>("calls")?,
            "total_ms": row.get::<f64>("total_ms")?,
            "mean_ms": row.get::<f64>("mean_ms")?,
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_in_words() {
        let told = |rows: Value| told(rows.as_array().unwrap());
        assert_eq!(told(json!([])), ("no row".to_owned(), true));
        assert_eq!(told(json!([{"count": 4}])), ("4".to_owned(), true));
        assert_eq!(told(json!([{"ok": false}])), ("false".to_owned(), false));
        assert_eq!(
            told(json!([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])),
            ("2 rows: a 1, b x".to_owned(), true)
        );
    }
}
