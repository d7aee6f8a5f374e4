//! `orchestrator.notifications`: the outcomes of notices, beside the deployment log.

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::recording::{DeliveryRecord, Recorder};
use crate::config::Config;
use crate::database::{self, ConnectionSettings};
use crate::failure::Failure;

/// Older rows than so many are removed.
const ROWS: i64 = 10_000;

/// How long the database may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// Keeps outcomes in the database of the log; where the configuration names none, in the log lines alone.
#[derive(Clone, Debug)]
pub struct TableRecorder(Option<ConnectionSettings>);

impl TableRecorder {
    /// In the database that `[log]` names.
    pub fn new(config: &Config) -> Self {
        let name = config.log.database.as_ref();
        let binding = name.and_then(|name| config.databases.get(name));
        Self(binding.map(|binding| binding.settings.clone()))
    }
}

#[async_trait]
impl Recorder for TableRecorder {
    async fn record(&self, records: &[DeliveryRecord]) -> Result<(), Failure> {
        let Some(settings) = &self.0 else {
            return Ok(());
        };
        let recorded = async {
            let connection = database::connect(settings, "orchestrator notifications").await?;
            write(&connection.client, records).await
        };
        match tokio::time::timeout(PATIENCE, recorded).await {
            Ok(result) => {
                result.map_err(|failure| failure.context("writing to orchestrator.notifications"))
            }
            Err(_) => Err(Failure::new(
                crate::failure::FailureKind::Timeout,
                "the database of the log does not answer",
            )),
        }
    }
}

/// Unnamed statements alone, so that a pooler in transaction mode may stand in between.
async fn write(client: &Client, records: &[DeliveryRecord]) -> Result<(), Failure> {
    ensure(client).await?;
    let rows: Vec<Value> = records
        .iter()
        .map(|record| {
            json!({
                "id": record.id,
                "time": record.time.to_string(),
                "target": record.target,
                "kind": record.kind,
                "run_id": record.run,
                "attempts": record.attempts,
                "outcome": record.outcome,
                "error": record.error.as_ref().map(|error| error.replace('\0', "")),
            })
        })
        .collect();
    let insert = "INSERT INTO orchestrator.notifications (id, time, target, kind, run_id, attempts, outcome, error) \
                  SELECT id, time, target, kind, run_id, attempts, outcome, error FROM jsonb_to_recordset($1) \
                  AS r (id uuid, time timestamptz, target text, kind text, run_id uuid, attempts integer, outcome text, error text) \
                  ON CONFLICT (id) DO NOTHING";
    client
        .execute_typed(insert, &[(&Value::Array(rows), Type::JSONB)])
        .await?;
    let sweep = "DELETE FROM orchestrator.notifications WHERE id <= \
                 (SELECT id FROM orchestrator.notifications ORDER BY id DESC OFFSET $1 LIMIT 1)";
    client.execute_typed(sweep, &[(&ROWS, Type::INT8)]).await?;
    Ok(())
}

/// Makes the schema and the table. Costs one query when there is nothing to do.
async fn ensure(client: &Client) -> Result<(), Failure> {
    let there = "SELECT to_regclass('orchestrator.notifications') IS NOT NULL, to_regnamespace('orchestrator') IS NOT NULL";
    let row = client.query_typed(there, &[]).await?;
    let found = |column: usize| row.first().is_some_and(|row| row.get(column));
    if found(0) {
        return Ok(());
    }
    // `CREATE SCHEMA IF NOT EXISTS` asks for a right on the database even when there is nothing to create.
    let schema = if found(1) { "" } else { SCHEMA };
    let made = client
        .batch_execute(&format!("BEGIN; {LOCK}{schema}{TABLE}COMMIT;"))
        .await;
    if made.is_err() {
        // A failed transaction stays open; when the connection is gone too, there is nothing to end.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    Ok(made?)
}

/// The same lock as the deployment log's layout takes: two at once would make the schema twice.
const LOCK: &str =
    "SET LOCAL lock_timeout = '10s'; SELECT pg_advisory_xact_lock(x'6f726368646c6f67'::bigint);\n";

const SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS orchestrator;\nCOMMENT ON SCHEMA orchestrator IS 'Kept by orchestrator';\n";

/// Layout 1. Columns may be added, never renamed, retyped or removed.
const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS orchestrator.notifications (
    id uuid PRIMARY KEY,
    time timestamptz NOT NULL,
    target text NOT NULL,
    kind text NOT NULL,
    run_id uuid,
    attempts integer NOT NULL,
    outcome text NOT NULL,
    error text
);
COMMENT ON TABLE orchestrator.notifications IS 'Notices and pings of orchestrator, one row each, the newest 10000 (layout 1)';
COMMENT ON COLUMN orchestrator.notifications.target IS 'Name under [notify]; of a ping, its host';
COMMENT ON COLUMN orchestrator.notifications.outcome IS 'sent, failed or not-sent';
";
