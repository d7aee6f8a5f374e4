//! The table of the deployment log lies in a database that a run may replace: what happens to it before, after and beside a run.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tracing::warn;

use super::plan::PlannedStep;
use super::project::Project;
use super::rollback::RESTORE;
use crate::failure::Failure;

/// A restore, but for one that only tries a backup out beside its database.
pub(super) fn replaces_its_database(step: &PlannedStep) -> bool {
    let mode = step.parameters.get("mode").and_then(Value::as_str);
    step.plugin.manifest.name == RESTORE && mode != Some("check")
}

/// Whether a step works on the database that holds the log's table, by whatever name.
pub(super) fn holds_log(project: &Project, step: &PlannedStep) -> bool {
    let Some(name) = &project.config.log.database else {
        return false;
    };
    let Some(log) = project.config.databases.get(name) else {
        return false;
    };
    step.named.databases.iter().any(|database| {
        database == name.as_str()
            || project
                .config
                .databases
                .get(database.as_str())
                .is_some_and(|other| {
                    other.settings.places() == log.settings.places()
                        && other.settings.database == log.settings.database
                })
    })
}

/// Before a restore over the database that holds the log's table: its rows are brought into the journal, or nothing begins.
pub(super) async fn hold_log(project: &Project) -> Result<(), Failure> {
    // A database that is not there, or not yet, has no rows to lose.
    if let Some(Ok(connection)) = project.log_connection().await {
        project
            .log
            .hold(&connection.client)
            .await
            .map_err(|error| {
                Failure::from(error)
                    .context("saving the rows of the deployment log before they are replaced")
            })?;
    }
    Ok(())
}

/// After it: the run that took the backup, and others of that time, stand in the restored table as running.
pub(super) async fn settle_log(project: &Project, result: &Value) {
    let taken = result
        .pointer("/backup/snapshot_time")
        .and_then(Value::as_str)
        .and_then(|time| time.parse::<Timestamp>().ok())
        // The manifest's time is in whole seconds, and the run that took the backup may have begun in the same one.
        .and_then(|time| time.checked_add(SignedDuration::from_secs(1)).ok());
    let Some(taken) = taken else {
        return;
    };
    let settled = async {
        let Some(connection) = project.log_connection().await else {
            return Ok(());
        };
        let connection = connection?;
        project.log.attach(&connection.client).await?;
        project
            .log
            .settle_restored(&connection.client, taken)
            .await?;
        Ok::<(), Failure>(())
    };
    if let Err(failure) = settled.await {
        warn!("the deployment log could not be brought up to date after the restore: {failure}");
    }
}

/// Brings journal and table to say the same; what cannot be done now is told.
pub async fn share_log(project: &Project) -> Vec<String> {
    let attached = async {
        let connection = match project.log_connection().await? {
            Ok(connection) => connection,
            Err(failure) => return Some(Err(failure)),
        };
        Some(
            project
                .log
                .attach(&connection.client)
                .await
                .map_err(Failure::from),
        )
    };
    // The log waits for no database: the journal has everything.
    match tokio::time::timeout(Duration::from_secs(30), attached).await {
        Ok(None) => Vec::new(),
        Ok(Some(Ok(attached))) => attached.warnings,
        Ok(Some(Err(failure))) => vec![format!(
            "the run is not in orchestrator.deployment_log yet: {failure}; the next run writes it there"
        )],
        Err(_) => vec![
            "the run is not in orchestrator.deployment_log yet: the database did not answer"
                .to_owned(),
        ],
    }
}
