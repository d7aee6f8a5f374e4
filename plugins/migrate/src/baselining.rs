//! Declares migrations as applied to a database that has them already.

use history::refused;
use migrations::{checksum, plan};
use orchestrator_sdk::postgres::{Isolation, Transaction, TransactionOptions};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::Parameters;
use crate::opening::Opened;

/// All that are pending, or up to one of them.
pub fn baseline(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let Opened {
        folder,
        connection,
        database,
        history,
        state,
        ..
    } = Opened::open(parameters)?;
    let names =
        plan::baseline(&folder, &state, database, parameters.to.as_deref()).map_err(refused)?;
    if !dry_run && !names.is_empty() {
        let transaction = connection.begin(&TransactionOptions {
            isolation: Isolation::ReadCommitted,
            read_only: false,
            snapshot: None,
        })?;
        if !database.has_history {
            history.create(&transaction)?;
        }
        for name in &names {
            let script = folder.find(name).and_then(|found| found.script.as_deref());
            let checksum = checksum::of(script.unwrap_or_default());
            history.declare(&transaction, &history::new_id(), name, &checksum)?;
        }
        Transaction::commit(transaction)?;
        run::fact(
            "change",
            &format!("Declared as applied: {}", names.join(", ")),
        )?;
    }
    Ok(json!({ "declared": names }))
}
