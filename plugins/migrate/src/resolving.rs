//! Settles a migration that failed: the history is told what a person has found out.

use history::refused;
use migrations::checksum;
use migrations::plan::{self, Resolution};
use orchestrator_sdk::postgres::{Isolation, Transaction, TransactionOptions};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::Parameters;
use crate::opening::Opened;

/// `--applied NAME` or `--rolled-back NAME`.
pub fn resolve(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let (name, resolution) = match (&parameters.applied, &parameters.rolled_back) {
        (Some(name), None) => (name, Resolution::Applied),
        (None, Some(name)) => (name, Resolution::RolledBack),
        _ => {
            return Err(Error::invalid_input(
                "resolve needs either applied or rolled_back, with the name of a migration",
            ));
        }
    };
    let Opened {
        folder,
        connection,
        database,
        history,
        rows,
        state,
    } = Opened::open(parameters)?;
    let was_begun = rows.iter().any(|row| row.migration_name == *name);
    plan::resolve(&folder, &state, name, &resolution, was_begun).map_err(refused)?;
    let mut given_up = 0;
    if !dry_run {
        if !database.has_history {
            history.create(&connection)?;
        }
        let transaction = connection.begin(&TransactionOptions {
            isolation: Isolation::ReadCommitted,
            read_only: false,
            snapshot: None,
        })?;
        given_up = history.give_up(&transaction, name)?;
        if resolution == Resolution::Applied {
            let script = folder.find(name).and_then(|found| found.script.as_deref());
            let checksum = checksum::of(script.unwrap_or_default());
            history.declare(&transaction, &history::new_id(), name, &checksum)?;
        }
        Transaction::commit(transaction)?;
    }
    let word = match resolution {
        Resolution::Applied => "applied",
        Resolution::RolledBack => "rolled back",
    };
    run::info(&format!("{name} is marked as {word}"));
    Ok(json!({ "migration": name, "resolved_as": word, "attempts_given_up": given_up }))
}
