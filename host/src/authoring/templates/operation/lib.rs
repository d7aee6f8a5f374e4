//! Counts the rows of a table.

use orchestrator_sdk::postgres::{Isolation, Target, Transaction, TransactionOptions};
use orchestrator_sdk::{Error, Operation, postgres, run};
use serde::Deserialize;
use serde_json::{Value, json};

struct Plugin;

/// As plugin.toml declares them; the host has checked them.
#[derive(Deserialize)]
struct Parameters {
    /// The name of a binding: no plugin sees an address or a password.
    database: String,
    table: String,
}

impl Operation for Plugin {
    type Parameters = Parameters;

    /// What it returns stands in the run's report. With `dry_run` an operation describes what it would change, and changes nothing.
    fn execute(parameters: Parameters, _dry_run: bool) -> Result<Value, Error> {
        let connection = postgres::connect(&parameters.database, Target::Database)?;
        // What plugin.toml asks for, `read`, is a read-only transaction. One that is dropped is rolled back.
        let transaction = connection.begin(&TransactionOptions {
            isolation: Isolation::RepeatableRead,
            read_only: true,
            snapshot: None,
        })?;
        let rows: i64 = transaction
            .query_one(&count_of(&parameters.table), &[])?
            .get("count")?;
        Transaction::commit(transaction)?;
        run::info(&format!("{} has {rows} rows", parameters.table));
        Ok(json!({ "table": parameters.table, "rows": rows }))
    }
}

orchestrator_sdk::export!(Plugin);

/// Quoted, so that a name is a name whatever it holds.
fn count_of(table: &str) -> String {
    format!("SELECT count(*) FROM {}", postgres::quote_identifier(table))
}

#[cfg(test)]
mod tests {
    use super::count_of;

    #[test]
    fn a_name_is_no_sql() {
        assert_eq!(
            count_of("User\"; DROP TABLE x"),
            "SELECT count(*) FROM \"User\"\"; DROP TABLE x\""
        );
    }
}
