//! Where each migration stands.

use history::{History, session};
use migrations::{Standing, State};
use orchestrator_sdk::Error;
use serde_json::{Value, json};

use crate::Parameters;

/// Tells it, and changes nothing.
pub fn tell(parameters: &Parameters) -> Result<Value, Error> {
    let folder = history::folder::read(&parameters.folder)?;
    let connection = session::connect(&parameters.database)?;
    let database = history::look(&connection)?;
    let rows = History::of(&connection)?.read(&connection, database)?;
    let state = State::of(&folder, &rows);
    let migrations: Vec<Value> = state
        .migrations
        .iter()
        .filter(|(_, known)| parameters.all || known.standing != Standing::Applied)
        .map(|(name, known)| {
            let (standing, note) = word(&known.standing);
            let row = known.row.as_ref();
            json!({
                "name": name,
                "standing": standing,
                "note": note,
                "started_at": row.map(|row| &row.started_at),
                "finished_at": row.and_then(|row| row.finished_at.as_ref()),
                "logs": row.and_then(|row| row.logs.as_ref()).filter(|logs| !logs.is_empty()),
            })
        })
        .collect();
    let applied = state.names(|standing| {
        matches!(
            standing,
            Standing::Applied | Standing::Edited | Standing::Missing
        )
    });
    Ok(json!({
        "database": connection.server().database,
        "has_history": database.has_history,
        "is_empty": database.is_empty,
        "migrations": migrations,
        "applied": applied.len(),
        "newest_applied": applied.last(),
        "pending": state.pending(),
        "failed": state.names(|standing| *standing == Standing::Failed),
        "edited": state.names(|standing| *standing == Standing::Edited),
        "missing": state.names(|standing| *standing == Standing::Missing),
    }))
}

fn word(standing: &Standing) -> (&'static str, Option<&'static str>) {
    match standing {
        Standing::Applied => ("applied", None),
        Standing::Edited => ("applied", Some("edited since")),
        Standing::Missing => ("applied", Some("no longer in the folder")),
        Standing::Failed => ("failed", None),
        Standing::Pending {
            is_out_of_order: true,
            ..
        } => (
            "pending",
            Some("comes before migrations that are applied already"),
        ),
        Standing::Pending {
            was_rolled_back: true,
            ..
        } => ("pending", Some("an earlier attempt has failed")),
        Standing::Pending { .. } => ("pending", None),
    }
}
