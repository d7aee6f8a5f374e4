//! The rows of `orchestrator.deployment_log`, one a run: written forward only, and read.
//!
//! Statements are unnamed, so that a pooler in transaction mode may stand in between.

use std::collections::BTreeMap;
use std::pin::pin;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::entry::verified;
use super::error::LogError;
use super::layout::written;
use super::listing::Page;
use super::proven::Proven;
use super::record::{RunRecord, Status};

/// Rows that travel at once: some hundred KiB.
pub(super) const BATCH: usize = 200;

/// Whether the table is there at all.
pub(super) async fn exists(client: &Client) -> Result<bool, LogError> {
    let there = "SELECT to_regclass('orchestrator.deployment_log') IS NOT NULL";
    let rows = client
        .query_typed(there, &[])
        .await
        .map_err(LogError::table("look for"))?;
    Ok(rows.iter().any(|row| row.get(0)))
}

/// Writes records, forward only: a row that is closed changes no more, but from `interrupted` to what the run reported.
pub(super) async fn upsert(client: &Client, records: &[&RunRecord]) -> Result<(), LogError> {
    let names: Vec<&str> = written().map(|column| column.name).collect();
    let names = names.join(", ");
    let typed: Vec<String> = written()
        .map(|column| format!("{} {}", column.name, column.r#type))
        .collect();
    let set: Vec<String> = written()
        .skip(1)
        .map(|column| format!("{0} = EXCLUDED.{0}", column.name))
        .collect();
    let statement = format!(
        "INSERT INTO orchestrator.deployment_log AS log ({names}, written_in) \
         SELECT {names}, ARRAY[pg_current_xact_id()] FROM jsonb_to_recordset($1) AS r ({})\n\
         ON CONFLICT (run_id) DO UPDATE SET {}, recorded = now(), written_in = log.written_in || pg_current_xact_id()\n\
         WHERE log.status = 'running' OR (log.status = 'interrupted' AND EXCLUDED.status NOT IN ('running', 'interrupted'))",
        typed.join(", "),
        set.join(", "),
    );
    for batch in records.chunks(BATCH) {
        let rows: Vec<Value> = batch.iter().map(|record| row(record)).collect();
        let mut rows = Value::Array(rows);
        let mut done = client
            .execute_typed(&statement, &[(&rows, Type::JSONB)])
            .await;
        // A database in another encoding than UTF-8 cannot hold every character; better a `?` than no row.
        if let Err(error) = &done
            && error.code() == Some(&SqlState::UNTRANSLATABLE_CHARACTER)
        {
            to_ascii(&mut rows);
            done = client
                .execute_typed(&statement, &[(&rows, Type::JSONB)])
                .await;
        }
        done.map_err(LogError::table("write to"))?;
    }
    Ok(())
}

/// When the last of the newest `count` runs started; `None` where there are no more than that.
pub(super) async fn horizon(client: &Client, count: usize) -> Result<Option<Timestamp>, LogError> {
    let query = "SELECT to_char(started AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM orchestrator.deployment_log \
         ORDER BY started DESC OFFSET $1 LIMIT 1";
    let skipped = i64::try_from(count.saturating_sub(1)).unwrap_or(i64::MAX);
    let rows = client
        .query_typed(query, &[(&skipped, Type::INT8)])
        .await
        .map_err(LogError::table("read"))?;
    let started = rows.first().map(|row| row.get::<_, &str>(0));
    Ok(started.and_then(|started| started.parse().ok()))
}

/// The status of every run that started at or after `since`. Rows with a status of a newer version are passed over.
pub(super) async fn statuses(
    client: &Client,
    since: Option<Timestamp>,
) -> Result<BTreeMap<Uuid, Status>, LogError> {
    let since = since.map_or("-infinity".to_owned(), |since| since.to_string());
    let query = "SELECT run_id::text, status FROM orchestrator.deployment_log WHERE started >= $1::text::timestamptz";
    let rows = client
        .query_typed_raw(query, [(&since, Type::TEXT)])
        .await
        .map_err(LogError::table("read"))?;
    // One by one: they are thousands, and asked for at every run.
    let mut statuses = BTreeMap::new();
    let mut rows = pin!(rows);
    while let Some(row) = rows.try_next().await.map_err(LogError::table("read"))? {
        let (run, status): (&str, &str) = (row.get(0), row.get(1));
        let status = Status::deserialize(status.into_deserializer());
        if let (Ok(run), Ok(status)) =
            (run.parse(), status.map_err(|_: serde::de::value::Error| ()))
        {
            statuses.insert(run, status);
        }
    }
    Ok(statuses)
}

/// The records of these runs.
pub(super) async fn fetch(client: &Client, runs: &[Uuid]) -> Result<Vec<RunRecord>, LogError> {
    let mut records = Vec::with_capacity(runs.len());
    for batch in runs.chunks(BATCH) {
        let batch: Vec<String> = batch.iter().map(Uuid::to_string).collect();
        records.extend(
            select(
                client,
                "WHERE run_id = ANY ($1::text[]::uuid[])",
                &[(&batch, Type::TEXT_ARRAY)],
            )
            .await?,
        );
    }
    Ok(records)
}

/// The newest records, newest first.
pub(super) async fn newest(client: &Client, limit: usize) -> Result<Vec<RunRecord>, LogError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    select(
        client,
        "ORDER BY started DESC, run_id DESC LIMIT $1",
        &[(&limit, Type::INT8)],
    )
    .await
}

/// The records that a page shows, the newest id first.
pub(super) async fn page(client: &Client, page: &Page) -> Result<Vec<RunRecord>, LogError> {
    let limit = i64::try_from(page.limit).unwrap_or(i64::MAX);
    let before = page.before.map(|run| run.to_string());
    let status = page.status.map(Status::as_str);
    select(
        client,
        "WHERE ($1 IS NULL OR run_id < $1::uuid) AND ($2 IS NULL OR status = $2) AND ($3 IS NULL OR job = $3) \
         ORDER BY run_id DESC LIMIT $4",
        &[
            (&before, Type::TEXT),
            (&status, Type::TEXT),
            (&page.job, Type::TEXT),
            (&limit, Type::INT8),
        ],
    )
    .await
}

/// The records whose id begins or ends with `part`, at most ten. `part` holds hex digits and `-` alone.
pub(super) async fn find(client: &Client, part: &str) -> Result<Vec<RunRecord>, LogError> {
    let clause = "WHERE run_id::text LIKE $1 || '%' OR run_id::text LIKE '%' || $1 LIMIT 10";
    select(client, clause, &[(&part, Type::TEXT)]).await
}

/// The last proof of each backup, of the newest `limit` backups of each database in each storage.
pub(super) async fn proven(client: &Client, limit: usize) -> Result<Vec<Proven>, LogError> {
    let rows = client
        .query_typed(&proven_query(limit), &[])
        .await
        .map_err(LogError::table("read"))?;
    Ok(rows.iter().filter_map(proven_of).collect())
}

/// Each row of its answer is for [`proven_of`].
pub(super) fn proven_query(limit: usize) -> String {
    // A run that has proven one backup has an object there, others a list of them: `[*]` takes both. Ids begin with their time.
    format!(
        "SELECT run_id::text, to_char(finished AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), proof FROM (\
         SELECT *, row_number() OVER (PARTITION BY proof ->> 'database', proof ->> 'storage' ORDER BY proof ->> 'backup' COLLATE \"C\" DESC) AS place FROM (\
         SELECT DISTINCT ON (proof ->> 'database', proof ->> 'storage', proof ->> 'backup') run_id, finished, proof \
         FROM orchestrator.deployment_log, jsonb_path_query(facts, '$.proven[*]') AS proof \
         WHERE facts ? 'proven' AND finished IS NOT NULL \
         ORDER BY proof ->> 'database', proof ->> 'storage', proof ->> 'backup', finished DESC) AS last) AS placed WHERE place <= {limit}"
    )
}

/// None of a fact that is none.
pub(super) fn proven_of(row: &tokio_postgres::Row) -> Option<Proven> {
    let (run, finished, proof): (&str, &str, Value) = (row.get(0), row.get(1), row.get(2));
    Proven::read(run.parse().ok()?, finished.parse().ok()?, &proof)
}

async fn select(
    client: &Client,
    clause: &str,
    parameters: &[(&(dyn ToSql + Sync), Type)],
) -> Result<Vec<RunRecord>, LogError> {
    let fields = [
        "job",
        "trigger",
        "actor",
        "host",
        "environment",
        "database",
        "status",
        "warnings",
        "exit_code",
        "steps",
        "facts",
        "error",
    ];
    let fields: Vec<String> = fields
        .iter()
        .map(|field| format!("'{field}', {field}"))
        .collect();
    let time = |name| {
        format!("'{name}', to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
    };
    let query = format!(
        "SELECT run_id::text, jsonb_build_object('run_id', run_id, {}, {}, {}) FROM orchestrator.deployment_log {clause}",
        time("started"),
        time("finished"),
        fields.join(", "),
    );
    let rows = client
        .query_typed(&query, parameters)
        .await
        .map_err(LogError::table("read"))?;
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
    let digests = record
        .steps
        .iter()
        .map(|step| format!("{} {} {}", step.plugin, step.version, step.sha256));
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
        "backup": facts.backup().or_else(|| facts.snapshot()),
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
        Value::String(text) => {
            *text = text
                .chars()
                .map(|character| if character.is_ascii() { character } else { '?' })
                .collect()
        }
        Value::Array(items) => items.iter_mut().for_each(to_ascii),
        Value::Object(fields) => {
            let ascii = std::mem::take(fields).into_iter().map(|(key, mut field)| {
                to_ascii(&mut field);
                (
                    key.chars()
                        .map(|character| if character.is_ascii() { character } else { '?' })
                        .collect(),
                    field,
                )
            });
            *fields = ascii.collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
