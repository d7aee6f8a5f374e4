//! `orchestrator mark`: what a database says of itself.

use clap::Args;
use serde_json::Map;

use super::globals::Globals;
use super::output::Output;
use super::run::{ConsentFlags, run_and_report, single};
use crate::config::Environment;
use crate::failure::Failure;

/// Write into a database which environment it belongs to: the stricter of this and the configuration counts, whoever connects
#[derive(Debug, Args)]
pub(super) struct MarkCommand {
    /// What kind of place it is
    #[arg(value_parser = Environment::NAMES)]
    environment: String,
    /// The database; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: ConsentFlags,
}

pub(super) async fn execute(
    command: MarkCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let project = globals.open_project().await?;
    let mut parameters = Map::new();
    parameters.insert("environment".to_owned(), command.environment.into());
    if let Some(database) = command.database {
        parameters.insert("database".to_owned(), database.into());
    }
    let mut request = single("mark", "mark", parameters);
    request.dry_run = command.dry_run;
    request.consent = command.consent.into();
    run_and_report(&project, request, output).await
}
