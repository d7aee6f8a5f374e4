//! `orchestrator drill`: the job `drill`, with the flags that a person would type.

use archive::layout::escape_database;
use clap::Args;
use serde_json::Value;

use super::globals::{Globals, bind_database};
use super::output::Output;
use super::run::{configured, run_and_report};
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct DrillCommand {
    /// The backup to prove: latest, an id, the last part of an id, or DATABASE/ and one of these [default: the job's, else latest]
    #[arg(long, short, value_name = "BACKUP")]
    backup: Option<String>,
    /// The database whose backup is proven, on its own server where --on names no other; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// The server to restore it on: a binding, or a URL [default: the database's]
    #[arg(long, value_name = "DATABASE|URL")]
    on: Option<String>,
    /// The storage that holds the backup; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
    /// Connections that write at the same time [default: one for each core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<u32>,
    /// Show what would be done, change nothing and record nothing
    #[arg(long)]
    dry_run: bool,
}

/// The job that it is.
const JOB: &str = "drill";

pub(super) async fn execute(
    command: DrillCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let mut config = globals.load_config()?;
    let on = match &command.on {
        Some(on) => Some(bind_database(&mut config, on)?),
        None => command.database.clone(),
    };
    let project = globals.open(config).await?;
    let mut request = configured(&project, JOB)?;
    request.dry_run = command.dry_run;
    let backup = match &command.database {
        Some(name) => {
            let database = &project.database(name)?.settings.database;
            Some(of_database(database, command.backup)?)
        }
        None => command.backup,
    };
    let given = [
        ("backup", backup.map(Value::from)),
        ("database", on.map(Value::from)),
        ("storage", command.storage.map(Value::from)),
        ("jobs", command.jobs.map(Value::from)),
    ];
    request.overrides.extend(
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    run_and_report(&project, request, output).await
}

/// One of a database's backups: a storage may hold those of several, and the newest may be another's.
fn of_database(database: &str, backup: Option<String>) -> Result<String, Failure> {
    let backup = backup.unwrap_or_else(|| "latest".to_owned());
    if backup.contains('/') {
        return Err(Failure::invalid_input(format!(
            "the backup {backup} names a database already, and so does --database"
        ))
        .hint("leave one of them out; --on says which server it is restored on"));
    }
    Ok(format!("{}/{backup}", escape_database(database)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backup_is_one_of_the_database() {
        assert_eq!(of_database("app", None).unwrap(), "app/latest");
        let named = of_database("a/b", Some("8f3a".to_owned())).unwrap();
        assert_eq!(named, format!("{}/8f3a", escape_database("a/b")));
        assert_ne!(named, "a/b/8f3a");
        let failure = of_database("app", Some("app/latest".to_owned())).unwrap_err();
        assert_eq!(failure.kind, crate::failure::FailureKind::InvalidInput);
    }
}
