//! `orchestrator seed`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use super::globals::Globals;
use super::output::Output;
use super::run::{run_and_report, single};
use super::{signals, table};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{self, Project, RunRequest, Silent};

#[derive(Debug, Args)]
pub(super) struct SeedCommand {
    /// The sets to write, by their names [default: all that are meant for the environment]
    #[arg(value_name = "NAME")]
    sets: Vec<String>,
    /// The database; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// The folder of seeds [default: `folder` under [seeds]]
    #[arg(long, value_name = "FOLDER")]
    seeds: Option<PathBuf>,
    /// List the sets, and where they are meant for
    #[arg(long, conflicts_with_all = ["sets", "dry_run"])]
    list: bool,
    /// Write them in transactions that are rolled back, and show what would change
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn execute(
    command: SeedCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let mut config = globals.load_config()?;
    if let Some(folder) = &command.seeds {
        config.seeds = std::path::absolute(folder)
            .map_err(|error| Failure::invalid_input(format!("{}: {error}", folder.display())))?;
    }
    let project = globals.open(config).await?;
    let what = if command.list { "list" } else { "run" };
    let mut parameters = Map::new();
    parameters.insert("command".to_owned(), what.into());
    parameters.insert("sets".to_owned(), command.sets.into());
    if let Some(database) = command.database {
        parameters.insert("database".to_owned(), database.into());
    }
    let mut request = single("seed", "seed", parameters);
    if command.list {
        return list(&project, request, output).await;
    }
    request.dry_run = command.dry_run;
    run_and_report(&project, request, output).await
}

/// Looked at, and not recorded: nothing is changed.
async fn list(project: &Project, mut request: RunRequest, output: &Output) -> Result<u8, Failure> {
    request.dry_run = true;
    let outcome = jobs::run(project, request, &signals::cancellation()?, &Silent).await?;
    if let Some(failure) = outcome.failure {
        return Err(failure);
    }
    let step = outcome.record.steps.first();
    let result = step
        .and_then(|step| step.result.clone())
        .unwrap_or_default();
    output.result(&result, || described(&result))?;
    Ok(exit::DONE)
}

fn described(result: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let sets = result["sets"].as_array();
    let rows: Vec<Vec<String>> = sets
        .into_iter()
        .flatten()
        .map(|set| {
            let meant = match set["is_meant"].as_bool() {
                Some(true) => "yes",
                _ => "no",
            };
            vec![
                text(&set["name"]),
                meant.to_owned(),
                text(&set["description"]),
            ]
        })
        .collect();
    if rows.is_empty() {
        return "no seeds".to_owned();
    }
    let environment = format!("FOR {}", text(&result["environment"]).to_uppercase());
    table::table(&["SET", &environment, ""], &[], rows)
}
