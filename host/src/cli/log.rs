//! `orchestrator log`: what was run.

use clap::Subcommand;
use serde_json::json;

use super::globals::Globals;
use super::output::Output;
use super::table;
use crate::exit;
use crate::failure::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum LogCommand {
    /// List runs, newest first
    List {
        /// At most this many
        #[arg(long, short = 'n', default_value_t = 20, value_name = "N")]
        limit: usize,
    },
    /// Show one run
    Show {
        /// The run's id, or its beginning or end
        run: String,
    },
}

pub(super) async fn execute(
    command: LogCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let project = globals.open_project().await?;
    let connection = match project.log_connection().await {
        Some(Ok(connection)) => Some(connection),
        Some(Err(failure)) => {
            tracing::warn!("this is the journal of this machine alone: {failure}");
            None
        }
        None => None,
    };
    let client = connection.as_ref().map(|connection| &connection.client);
    match command {
        LogCommand::List { limit } => {
            let runs = project.log.list(limit, client).await?;
            let document = json!({ "runs": runs });
            output.result(&document, || {
                if runs.is_empty() {
                    return "nothing was run yet".to_owned();
                }
                let rows = runs
                    .iter()
                    .map(|run| {
                        vec![
                            run.run_id.to_string(),
                            run.started.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
                            run.job.clone(),
                            run.status.to_string(),
                            run.database.clone().unwrap_or_default(),
                            run.duration().map(table::duration).unwrap_or_default(),
                            run.actor.clone(),
                        ]
                    })
                    .collect();
                table::table(
                    &[
                        "RUN", "STARTED", "JOB", "STATUS", "DATABASE", "TOOK", "ACTOR",
                    ],
                    &["TOOK"],
                    rows,
                )
            })?;
        }
        LogCommand::Show { run } => {
            let record = project.log.show(&run, client).await?;
            let document = serde_json::to_value(&record)
                .map_err(|error| Failure::internal(format!("writing JSON: {error}")))?;
            output.result(&document, || crate::deployment_log::report_text(&record))?;
        }
    }
    Ok(exit::DONE)
}
