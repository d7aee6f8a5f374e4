//! The table `orchestrator.deployment_log`: made and upgraded here, one row a run.
//!
//! Its columns are declared once; a table that lacks some of them, from an older version or an older backup, gets them.
//! Statements are unnamed, so that a pooler in transaction mode may stand in between.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::entry::verified;
use super::error::LogError;
use super::record::{RunRecord, Status};

/// Rows that travel at once: some hundred KiB.
const BATCH: usize = 200;

/// Any constant that nobody else's advisory locks use: "orch" and "dlog" in ASCII.
const LAYOUT_LOCK: i64 = 0x6f72_6368_646c_6f67;

struct Column {
    name: &'static str,
    r#type: &'static str,
    /// Constraints, such that the column can be added to a table with rows.
    rule: &'static str,
    comment: &'static str,
}

const fn column(name: &'static str, r#type: &'static str, rule: &'static str, comment: &'static str) -> Column {
    Column { name, r#type, rule, comment }
}

/// Layout 1. Columns may be added, never renamed, retyped or removed: older hosts go on writing to the table.
const COLUMNS: [Column; 24] = [
    column("run_id", "uuid", "PRIMARY KEY", "UUIDv7: sorts by the time the run began"),
    column("job", "text", "NOT NULL DEFAULT ''", "Name of the job"),
    column("trigger", "text", "NOT NULL DEFAULT 'cli'", "cli, schedule or api"),
    column("actor", "text", "NOT NULL DEFAULT ''", "Login, schedule or API caller"),
    column("host", "text", "NOT NULL DEFAULT ''", "Machine that ran it"),
    column("environment", "text", "NOT NULL DEFAULT ''", "local, staging or production"),
    column("database", "text", "", "Binding of the database"),
    column("started", "timestamptz", "NOT NULL DEFAULT now()", "Start of the run"),
    column("finished", "timestamptz", "", "End of the run; null while it runs"),
    column("status", "text", "NOT NULL DEFAULT 'running'", "running, succeeded, failed, refused, skipped, cancelled or interrupted"),
    column("change", "text", "", "What the run changed, in words"),
    column("migrations", "text[]", "", "Migrations applied"),
    column("backup", "text", "", "Id of the backup or snapshot taken"),
    column("downtime_seconds", "double precision", "", "Seconds without writes, as measured"),
    column("rollback_plan", "text", "", "How to go back"),
    column("verification", "text[]", "", "Queries run afterwards, and what they returned"),
    column("warnings", "text[]", "NOT NULL DEFAULT '{}'", "Warnings of the run"),
    column("error_message", "text", "", "Why it did not succeed"),
    column("exit_code", "integer", "", "Exit code of the command"),
    column("plugin_digests", "text[]", "NOT NULL DEFAULT '{}'", "Plugin, version and SHA-256 of each step"),
    column("steps", "jsonb", "NOT NULL DEFAULT '[]'", "Steps with parameters (secrets removed), times and results"),
    column("facts", "jsonb", "NOT NULL DEFAULT '{}'", "All that the plugins told, by key"),
    column("error", "jsonb", "", "The error in full: kind, message, sqlstate, detail, hint"),
    column("recorded", "timestamptz", "NOT NULL DEFAULT now()", "When this row was last written"),
];

/// Columns that are written from a record; `recorded` is the table's own.
fn written() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.name != "recorded")
}

/// Makes the schema and the table, or adds the columns that it lacks. Costs one query when there is nothing to do.
pub(super) async fn ensure(client: &Client) -> Result<(), LogError> {
    let known = "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('orchestrator.deployment_log') \
                 AND attnum > 0 AND NOT attisdropped UNION ALL SELECT '' WHERE to_regnamespace('orchestrator') IS NULL";
    let rows = client.query_typed(known, &[]).await.map_err(LogError::table("look up the columns of"))?;
    let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if COLUMNS.iter().all(|column| known.iter().any(|name| name == column.name)) {
        return Ok(());
    }
    let made = client.batch_execute(&layout(known.iter().any(String::is_empty))).await;
    if made.is_err() {
        // A failed transaction stays open; when the connection is gone too, there is nothing to end.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    made.map_err(LogError::table("make or upgrade"))
}

/// The DDL. `CREATE SCHEMA IF NOT EXISTS` asks for a right on the database even when there is nothing to create.
fn layout(schema: bool) -> String {
    let mut ddl = format!("BEGIN; SET LOCAL lock_timeout = '10s'; SELECT pg_advisory_xact_lock({LAYOUT_LOCK});\n");
    if schema {
        ddl += "CREATE SCHEMA IF NOT EXISTS orchestrator;\nCOMMENT ON SCHEMA orchestrator IS 'Kept by orchestrator';\n";
    }
    ddl += "CREATE TABLE IF NOT EXISTS orchestrator.deployment_log (run_id uuid PRIMARY KEY);\n";
    ddl += "COMMENT ON TABLE orchestrator.deployment_log IS 'Every run of orchestrator, one row each (layout 1)';\n";
    for Column { name, r#type, rule, comment } in &COLUMNS {
        if *name != "run_id" {
            ddl += &format!("ALTER TABLE orchestrator.deployment_log ADD COLUMN IF NOT EXISTS {name} {type} {rule};\n");
        }
        ddl += &format!("COMMENT ON COLUMN orchestrator.deployment_log.{name} IS '{comment}';\n");
    }
    ddl + "CREATE INDEX IF NOT EXISTS deployment_log_started_idx ON orchestrator.deployment_log (started);\nCOMMIT;"
}

/// Whether the table is there at all.
pub(super) async fn exists(client: &Client) -> Result<bool, LogError> {
    let there = "SELECT to_regclass('orchestrator.deployment_log') IS NOT NULL";
    let rows = client.query_typed(there, &[]).await.map_err(LogError::table("look for"))?;
    Ok(rows.iter().any(|row| row.get(0)))
}

/// Writes records, forward only: a row that is closed changes no more, but from `interrupted` to what the run reported.
pub(super) async fn upsert(client: &Client, records: &[&RunRecord]) -> Result<(), LogError> {
    let names: Vec<&str> = written().map(|column| column.name).collect();
    let names = names.join(", ");
    let typed: Vec<String> = written().map(|column| format!("{} {}", column.name, column.r#type)).collect();
    let set: Vec<String> = written().skip(1).map(|column| format!("{0} = EXCLUDED.{0}", column.name)).collect();
    let statement = format!(
        "INSERT INTO orchestrator.deployment_log AS log ({names}) SELECT {names} FROM jsonb_to_recordset($1) AS r ({})\n\
         ON CONFLICT (run_id) DO UPDATE SET {}, recorded = now()\n\
         WHERE log.status = 'running' OR (log.status = 'interrupted' AND EXCLUDED.status NOT IN ('running', 'interrupted'))",
        typed.join(", "),
        set.join(", "),
    );
    for batch in records.chunks(BATCH) {
        let rows: Vec<Value> = batch.iter().map(|record| row(record)).collect();
        let mut rows = Value::Array(rows);
        let mut done = client.execute_typed(&statement, &[(&rows, Type::JSONB)]).await;
        // A database in another encoding than UTF-8 cannot hold every character; better a `?` than no row.
        if let Err(error) = &done
            && error.code() == Some(&SqlState::UNTRANSLATABLE_CHARACTER)
        {
            to_ascii(&mut rows);
            done = client.execute_typed(&statement, &[(&rows, Type::JSONB)]).await;
        }
        done.map_err(LogError::table("write to"))?;
    }
    Ok(())
}

/// The status of every run that started at or after `since`. Rows with a status of a newer version are passed over.
pub(super) async fn statuses(client: &Client, since: Option<Timestamp>) -> Result<BTreeMap<Uuid, Status>, LogError> {
    let since = since.map_or("-infinity".to_owned(), |since| since.to_string());
    let query = "SELECT run_id::text, status FROM orchestrator.deployment_log WHERE started >= $1::text::timestamptz";
    let rows = client.query_typed(query, &[(&since, Type::TEXT)]).await.map_err(LogError::table("read"))?;
    let status = |row: &tokio_postgres::Row| {
        let (run, status): (&str, String) = (row.get(0), row.get(1));
        Some((run.parse().ok()?, serde_json::from_value(status.into()).ok()?))
    };
    Ok(rows.iter().filter_map(status).collect())
}

/// The records of these runs.
pub(super) async fn fetch(client: &Client, runs: &[Uuid]) -> Result<Vec<RunRecord>, LogError> {
    let mut records = Vec::with_capacity(runs.len());
    for batch in runs.chunks(BATCH) {
        let batch: Vec<String> = batch.iter().map(Uuid::to_string).collect();
        records.extend(select(client, "WHERE run_id = ANY ($1::text[]::uuid[])", &[(&batch, Type::TEXT_ARRAY)]).await?);
    }
    Ok(records)
}

/// The newest records, newest first.
pub(super) async fn newest(client: &Client, limit: usize) -> Result<Vec<RunRecord>, LogError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(client, "ORDER BY started DESC, run_id DESC LIMIT $1", &[(&limit, Type::INT8)]).await
}

/// The records whose id begins or ends with `part`, at most ten. `part` holds hex digits and `-` alone.
pub(super) async fn find(client: &Client, part: &str) -> Result<Vec<RunRecord>, LogError> {
    let clause = "WHERE run_id::text LIKE $1 || '%' OR run_id::text LIKE '%' || $1 LIMIT 10";
    select(client, clause, &[(&part, Type::TEXT)]).await
}

async fn select(client: &Client, clause: &str, parameters: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<RunRecord>, LogError> {
    let fields = ["job", "trigger", "actor", "host", "environment", "database", "status", "warnings", "exit_code", "steps", "facts", "error"];
    let fields: Vec<String> = fields.iter().map(|field| format!("'{field}', {field}")).collect();
    let time = |name| format!("'{name}', to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')");
    let query = format!(
        "SELECT run_id::text, jsonb_build_object('run_id', run_id, {}, {}, {}) FROM orchestrator.deployment_log {clause}",
        time("started"),
        time("finished"),
        fields.join(", "),
    );
    let rows = client.query_typed(&query, parameters).await.map_err(LogError::table("read"))?;
    let record = |row: &tokio_postgres::Row| {
        let (run, record): (&str, Value) = (row.get(0), row.get(1));
        serde_json::from_value(record)
            .inspect_err(|error| tracing::warn!(run, %error, "a row of orchestrator.deployment_log cannot be read; it is passed over"))
            .ok()
    };
    Ok(rows.iter().filter_map(record).collect())
}

/// A record as the columns hold it.
fn row(record: &RunRecord) -> Value {
    let facts = &record.facts;
    let digests = record.steps.iter().map(|step| format!("{} {} {}", step.plugin, step.version, step.sha256));
    json!({
        "run_id": record.run_id,
        "job": record.job,
        "trigger": record.trigger,
        "actor": record.actor,
        "host": record.host,
        "environment": record.environment,
        "database": record.database,
        "started": record.started,
        "finished": record.finished,
        "status": record.status,
        "change": facts.change(),
        "migrations": facts.migrations(),
        "backup": facts.backup(),
        "downtime_seconds": facts.downtime(),
        "rollback_plan": facts.rollback_plan(),
        "verification": facts.verification().iter().map(verified).collect::<Vec<_>>(),
        "warnings": record.warnings,
        "error_message": record.error.as_ref().map(|error| &error.message),
        "exit_code": record.exit_code,
        "plugin_digests": digests.collect::<Vec<_>>(),
        "steps": record.steps,
        "facts": facts,
        "error": record.error,
    })
}

fn to_ascii(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.chars().map(|character| if character.is_ascii() { character } else { '?' }).collect(),
        Value::Array(items) => items.iter_mut().for_each(to_ascii),
        Value::Object(fields) => {
            let ascii = std::mem::take(fields).into_iter().map(|(key, mut field)| {
                to_ascii(&mut field);
                (key.chars().map(|character| if character.is_ascii() { character } else { '?' }).collect(), field)
            });
            *fields = ascii.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
