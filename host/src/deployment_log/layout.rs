//! The layout of `orchestrator.deployment_log`: its columns, declared once, and the DDL that makes it or adds what it lacks.
//! A table of an older version, or from an older backup, is upgraded by the same code.

use tokio_postgres::Client;

use super::error::LogError;

/// Makes the schema and the table, or adds the columns that it lacks. Costs one query when there is nothing to do.
pub(super) async fn ensure(client: &Client) -> Result<(), LogError> {
    let known = "SELECT attname::text FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass('orchestrator.deployment_log') \
                 AND attnum > 0 AND NOT attisdropped UNION ALL SELECT '' WHERE to_regnamespace('orchestrator') IS NULL";
    let rows = client
        .query_typed(known, &[])
        .await
        .map_err(LogError::table("look up the columns of"))?;
    let known: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if COLUMNS
        .iter()
        .all(|column| known.iter().any(|name| name == column.name))
    {
        return Ok(());
    }
    let made = client
        .batch_execute(&layout(known.iter().any(String::is_empty)))
        .await;
    if made.is_err() {
        // A failed transaction stays open; when the connection is gone too, there is nothing to end.
        let _ = client.batch_execute("ROLLBACK").await;
    }
    made.map_err(LogError::table("make or upgrade"))
}

/// The DDL. `CREATE SCHEMA IF NOT EXISTS` asks for a right on the database even when there is nothing to create.
fn layout(schema: bool) -> String {
    let mut ddl = format!(
        "BEGIN; SET LOCAL lock_timeout = '10s'; SELECT pg_advisory_xact_lock({LAYOUT_LOCK});\n"
    );
    if schema {
        ddl += "CREATE SCHEMA IF NOT EXISTS orchestrator;\nCOMMENT ON SCHEMA orchestrator IS 'Kept by orchestrator';\n";
    }
    ddl += "CREATE TABLE IF NOT EXISTS orchestrator.deployment_log (run_id uuid PRIMARY KEY);\n";
    ddl += "COMMENT ON TABLE orchestrator.deployment_log IS 'Every run of orchestrator, one row each (layout 1)';\n";
    for Column {
        name,
        r#type,
        rule,
        comment,
    } in &COLUMNS
    {
        if *name != "run_id" {
            ddl += &format!(
                "ALTER TABLE orchestrator.deployment_log ADD COLUMN IF NOT EXISTS {name} {type} {rule};\n"
            );
        }
        ddl += &format!("COMMENT ON COLUMN orchestrator.deployment_log.{name} IS '{comment}';\n");
    }
    ddl += "CREATE INDEX IF NOT EXISTS deployment_log_started_idx ON orchestrator.deployment_log (started);\n";
    // Few runs prove a backup, and they are asked for often. A table that was made without it is read from one end to the other.
    ddl += "CREATE INDEX IF NOT EXISTS deployment_log_proven_idx ON orchestrator.deployment_log (finished) WHERE facts ? 'proven';\n";
    ddl + "COMMIT;"
}

/// Columns that are written from a record; the others are the table's own.
pub(super) fn written() -> impl Iterator<Item = &'static Column> {
    COLUMNS
        .iter()
        .filter(|column| !["recorded", "written_in"].contains(&column.name))
}

/// Any constant that nobody else's advisory locks use: "orch" and "dlog" in ASCII.
const LAYOUT_LOCK: i64 = 0x6f72_6368_646c_6f67;

/// One column, for the DDL and for what is written.
pub(super) struct Column {
    pub name: &'static str,
    pub r#type: &'static str,
    /// Constraints, such that the column can be added to a table with rows.
    rule: &'static str,
    comment: &'static str,
}

const fn column(
    name: &'static str,
    r#type: &'static str,
    rule: &'static str,
    comment: &'static str,
) -> Column {
    Column {
        name,
        r#type,
        rule,
        comment,
    }
}

/// Layout 1. Columns may be added, never renamed, retyped or removed: older hosts go on writing to the table.
const COLUMNS: [Column; 25] = [
    column(
        "run_id",
        "uuid",
        "PRIMARY KEY",
        "UUIDv7: sorts by the time the run began",
    ),
    column("job", "text", "NOT NULL DEFAULT ''", "Name of the job"),
    column(
        "trigger",
        "text",
        "NOT NULL DEFAULT 'cli'",
        "cli, schedule or api",
    ),
    column(
        "actor",
        "text",
        "NOT NULL DEFAULT ''",
        "Login, schedule or API caller",
    ),
    column("host", "text", "NOT NULL DEFAULT ''", "Machine that ran it"),
    column(
        "environment",
        "text",
        "NOT NULL DEFAULT ''",
        "local, staging or production",
    ),
    column("database", "text", "", "Binding of the database"),
    column(
        "started",
        "timestamptz",
        "NOT NULL DEFAULT now()",
        "Start of the run",
    ),
    column(
        "finished",
        "timestamptz",
        "",
        "End of the run; null while it runs",
    ),
    column(
        "status",
        "text",
        "NOT NULL DEFAULT 'running'",
        "running, succeeded, failed, refused, skipped, cancelled or interrupted",
    ),
    column("change", "text", "", "What the run changed, in words"),
    column("migrations", "text[]", "", "Migrations applied"),
    column("backup", "text", "", "Id of the backup or snapshot taken"),
    column(
        "downtime_seconds",
        "double precision",
        "",
        "Seconds without writes, as measured",
    ),
    column("rollback_plan", "text", "", "How to go back"),
    column(
        "verification",
        "text[]",
        "",
        "Queries run afterwards, and what they returned",
    ),
    column(
        "warnings",
        "text[]",
        "NOT NULL DEFAULT '{}'",
        "Warnings of the run",
    ),
    column("error_message", "text", "", "Why it did not succeed"),
    column("exit_code", "integer", "", "Exit code of the command"),
    column(
        "plugin_digests",
        "text[]",
        "NOT NULL DEFAULT '{}'",
        "Plugin, version and SHA-256 of each step",
    ),
    column(
        "steps",
        "jsonb",
        "NOT NULL DEFAULT '[]'",
        "Steps with parameters (secrets removed), times and results",
    ),
    column(
        "facts",
        "jsonb",
        "NOT NULL DEFAULT '{}'",
        "All that the plugins told, by key",
    ),
    column(
        "error",
        "jsonb",
        "",
        "The error in full: kind, message, sqlstate, detail, hint",
    ),
    column(
        "recorded",
        "timestamptz",
        "NOT NULL DEFAULT now()",
        "When this row was last written",
    ),
    column(
        "written_in",
        "xid8[]",
        "NOT NULL DEFAULT '{}'",
        "Transactions that wrote this row, and changed nothing else",
    ),
];
