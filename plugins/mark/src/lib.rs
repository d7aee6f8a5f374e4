//! Writes into a database which environment it belongs to: whoever comes with another belief, by a wrong URL, is held to the stricter
//! of both.

use orchestrator_sdk::postgres::{self, Isolation, Target, Transaction, TransactionOptions};
use orchestrator_sdk::{Error, Operation, run};
use serde::Deserialize;
use serde_json::{Value, json};

struct Mark;

#[derive(Debug, Deserialize)]
struct Parameters {
    database: String,
    environment: String,
}

const ENVIRONMENTS: [&str; 3] = ["local", "staging", "production"];

/// One row. A copy of the database on another server carries it along: there it is not meant, so it names its server.
const TABLE: [&str; 4] = [
    "CREATE SCHEMA IF NOT EXISTS orchestrator",
    "CREATE TABLE IF NOT EXISTS orchestrator.environment (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), \
     name text NOT NULL CHECK (name IN ('local', 'staging', 'production')), system_identifier bigint, \
     marked_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(), marked_by text NOT NULL DEFAULT session_user)",
    "GRANT USAGE ON SCHEMA orchestrator TO PUBLIC",
    "GRANT SELECT ON orchestrator.environment TO PUBLIC",
];

impl Operation for Mark {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        let environment = parameters.environment.as_str();
        if !ENVIRONMENTS.contains(&environment) {
            return Err(Error::invalid_input(format!(
                "the environment is {environment:?}, not one of {}",
                ENVIRONMENTS.join(", ")
            )));
        }
        let connection = postgres::connect(&parameters.database, Target::Database)?;
        let database = connection.server().database;
        if !dry_run {
            // Some providers keep this function to themselves: then the marker counts on every server.
            let identifies = connection.query_one(
                "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may",
                &[],
            )?;
            let identifier = match identifies.get("may")? {
                true => "(SELECT system_identifier FROM pg_catalog.pg_control_system())",
                false => "NULL",
            };
            let transaction = connection.begin(&TransactionOptions {
                isolation: Isolation::ReadCommitted,
                read_only: false,
                snapshot: None,
            })?;
            for sql in TABLE {
                transaction.execute(sql, &[])?;
            }
            transaction.execute(
                &format!(
                    "INSERT INTO orchestrator.environment (name, system_identifier) VALUES ($1, {identifier}) ON CONFLICT (only_row) DO UPDATE \
                     SET name = excluded.name, system_identifier = excluded.system_identifier, marked_at = excluded.marked_at, \
                     marked_by = excluded.marked_by"
                ),
                &[environment.into()],
            )?;
            Transaction::commit(transaction)?;
        }
        run::fact(
            "change",
            &format!("The database {database} is marked as {environment}"),
        )?;
        Ok(json!({ "database": database, "environment": environment }))
    }
}

orchestrator_sdk::export!(Mark);
