//! The way back from a run that changes a database: the restore of the backup that it took before.

use serde_json::{Map, Value};

use super::plan::{PlannedStep, StepRequest};
use super::project::Project;
use crate::config::Environment;
use crate::deployment_log::RunRecord;

/// The plugin that goes back.
pub(super) const RESTORE: &str = "restore";

/// The facts that hold the commands of [`command`]: back to a backup, and to a snapshot.
const RESTORE_COMMAND: &str = "restore-command";
const SNAPSHOT_COMMAND: &str = "snapshot-restore-command";

/// What a person types to go back to what a step took, and the fact that keeps it; `None` where it took nothing for a migration.
pub(super) fn command(
    project: &Project,
    record: &RunRecord,
    step: &PlannedStep,
    environment: Option<Environment>,
) -> Option<(&'static str, String)> {
    match step.plugin.manifest.name.as_str() {
        "backup" => Some((
            RESTORE_COMMAND,
            to_backup(project, record, step, environment?)?,
        )),
        "snapshot" => Some((SNAPSHOT_COMMAND, to_snapshot(record, step)?)),
        _ => None,
    }
}

/// The command for the end of a run that failed: the one that brings the database itself back, if there is one.
pub(super) fn told(record: &RunRecord) -> Option<&str> {
    [RESTORE_COMMAND, SNAPSHOT_COMMAND]
        .into_iter()
        .find_map(|fact| record.facts.get(fact)?.as_str())
}

fn to_backup(
    project: &Project,
    record: &RunRecord,
    step: &PlannedStep,
    environment: Environment,
) -> Option<String> {
    let id = record.facts.backup()?;
    let database = step.named.databases.first()?;
    let storage = step.named.storage.first()?;
    let name = &project.database(database).ok()?.settings.database;
    let agreement = match environment {
        Environment::Local => String::new(),
        Environment::Staging => " --yes".to_owned(),
        Environment::Production => format!(" --confirm {}", quoted(name)),
    };
    Some(format!(
        "orchestrator restore {} --storage {} --to {} --swap{agreement}",
        quoted(&format!("{name}/{id}")),
        quoted(storage),
        quoted(database),
    ))
}

/// A provider restores beside the old server.
fn to_snapshot(record: &RunRecord, step: &PlannedStep) -> Option<String> {
    if !["create", "verify"].contains(&step.parameters.get("command")?.as_str()?) {
        return None;
    }
    let id = record.facts.snapshot()?;
    let server = record.facts.get("snapshot")?.get("server")?.as_str()?;
    let database = step.named.databases.first()?;
    Some(format!(
        "orchestrator snapshot restore {} --database {} --to {}",
        quoted(&id),
        quoted(database),
        quoted(&format!("{server}-restored")),
    ))
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The step that goes back by itself: to the backup of this run, beside the database that failed, which is kept.
pub(super) fn step(database: &str, storage: &str) -> StepRequest {
    let parameters: Map<String, Value> = [
        ("database", database),
        ("storage", storage),
        ("mode", "swap"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::from(value)))
    .collect();
    StepRequest {
        plugin: RESTORE.to_owned(),
        parameters,
    }
}

/// Whether the migrations of a run have left something in the database, though they failed.
pub(super) fn has_changed(record: &RunRecord) -> bool {
    !record.facts.migrations().is_empty() || record.facts.get("partly-applied").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(
            quoted("app/2026-01-17T02-00-00Z-full"),
            "app/2026-01-17T02-00-00Z-full"
        );
        assert_eq!(quoted("it's a db"), "'it'\\''s a db'");
        assert_eq!(quoted(""), "''");
    }
}
