//! `orchestrator backup prune`, `pin` and `unpin`: which backups go, and which stay whatever a policy says.

use clap::Args;
use serde_json::{Map, Value, json};

use super::storage_name;
use crate::backups::{self, Pin};
use crate::cli::output::Output;
use crate::cli::run::{actor, run_and_report, single};
use crate::cli::{agreement, signals};
use crate::deployment_log::now;
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{self, Project, RunOutcome, RunRequest, Silent};

#[derive(Debug, Args)]
pub(in crate::cli) struct PruneCommand {
    #[command(flatten)]
    policy: PolicyFlags,
    /// Only backups of this database, by its binding or its name on the server [default: of all, each by itself]
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// Only backups of this kind [default: of all, each by itself]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The storage; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
    /// Delete without asking
    #[arg(long, short)]
    yes: bool,
    /// Show what would be kept and deleted, and why
    #[arg(long)]
    dry_run: bool,
}

/// What is to be kept.
#[derive(Debug, Args)]
pub(in crate::cli) struct PolicyFlags {
    /// Keep so many of the newest ones
    #[arg(long, value_name = "N")]
    keep_last: Option<i64>,
    /// Keep all that are not older than the newest one by more, as 30d or 1y6m
    #[arg(long, value_name = "DURATION")]
    keep_within: Option<String>,
    /// Keep the newest one of each of so many hours
    #[arg(long, value_name = "N")]
    keep_hourly: Option<i64>,
    /// Keep the newest one of each of so many days
    #[arg(long, value_name = "N")]
    keep_daily: Option<i64>,
    /// Keep the newest one of each of so many weeks
    #[arg(long, value_name = "N")]
    keep_weekly: Option<i64>,
    /// Keep the newest one of each of so many months
    #[arg(long, value_name = "N")]
    keep_monthly: Option<i64>,
    /// Keep the newest one of each of so many years
    #[arg(long, value_name = "N")]
    keep_yearly: Option<i64>,
    /// Keep at least so many of each database and kind, whatever the rules say
    #[arg(long, value_name = "N")]
    keep_minimum: Option<i64>,
    /// Where days begin, as Europe/Berlin [default: UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

impl PolicyFlags {
    /// As the plugins' parameters.
    pub(in crate::cli) fn parameters(self) -> impl Iterator<Item = (String, Value)> {
        let text = |value: Option<String>| value.map(Value::from);
        let number = |value: Option<i64>| value.map(Value::from);
        [
            ("keep_last", number(self.keep_last)),
            ("keep_within", text(self.keep_within)),
            ("keep_hourly", number(self.keep_hourly)),
            ("keep_daily", number(self.keep_daily)),
            ("keep_weekly", number(self.keep_weekly)),
            ("keep_monthly", number(self.keep_monthly)),
            ("keep_yearly", number(self.keep_yearly)),
            ("keep_minimum", number(self.keep_minimum)),
            ("time_zone", text(self.time_zone)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PinCommand {
    /// latest, an id, the last part of an id, or DATABASE/ and one of these
    backup: String,
    /// Why, and until when; shown by `backup list`, and stored readable
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// The storage; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct UnpinCommand {
    /// latest, an id, the last part of an id, or DATABASE/ and one of these
    backup: String,
    /// The storage; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
}

pub(super) async fn prune(
    command: PruneCommand,
    project: &Project,
    output: &Output,
) -> Result<u8, Failure> {
    let name = storage_name(project, command.storage.as_deref())?;
    let mut parameters: Map<String, Value> = command.policy.parameters().collect();
    parameters.insert("storage".to_owned(), name.clone().into());
    for (name, value) in [("database", command.database), ("kind", command.kind)] {
        if let Some(value) = value {
            parameters.insert(name.to_owned(), value.into());
        }
    }
    let mut request = single("prune", "prune", parameters);
    request.dry_run = command.dry_run;
    if command.dry_run || command.yes {
        return run_and_report(project, request, output).await;
    }
    let place = project.storage(&name).await?.objects.location();
    ask(&place, "prefix", &mut request, project).await?;
    run_and_report(project, request, output).await
}

/// Plans, shows the plan and asks; from then on only what was shown may be deleted, and nothing where nothing was. A plan that cannot be made is
/// asked about by nobody: why it cannot is the answer. `named_by` is what the plan calls a thing by.
pub(in crate::cli) async fn ask(
    place: &str,
    named_by: &str,
    request: &mut RunRequest,
    project: &Project,
) -> Result<(), Failure> {
    let mut rehearsal = request.clone();
    rehearsal.dry_run = true;
    let cancel = signals::cancellation()?;
    let outcome = jobs::run(project, rehearsal, &cancel, &Silent)
        .await?
        .closed()?;
    let plan = shown(outcome)?;
    let listed = |which: &str| {
        let items = plan[which].as_array().into_iter().flatten();
        items
            .filter_map(|item| Some((item[named_by].as_str()?, item["why"].as_str()?)))
            .collect::<Vec<_>>()
    };
    let doomed = listed("would_delete");
    if !doomed.is_empty() {
        eprintln!("to be kept in {place}:");
        for (name, why) in listed("kept") {
            eprintln!("  {name}: {why}");
        }
        if let Some(more) = plan["kept_more"].as_u64() {
            eprintln!("  and {more} more");
        }
        let lines: Vec<String> = doomed
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        agreement::delete(place, &lines)?;
    }
    agree(request, doomed.iter().map(|(name, _)| *name));
    Ok(())
}

/// The plan of a rehearsal, or why there is none.
fn shown(outcome: RunOutcome) -> Result<Value, Failure> {
    let result = outcome
        .record
        .steps
        .into_iter()
        .find_map(|step| step.result);
    match (outcome.failure, result) {
        (Some(failure), _) => Err(failure),
        (None, Some(plan)) => Ok(plan),
        (None, None) => Err(Failure::internal("the plan of a deletion is missing")),
    }
}

/// Of what the policy does not keep, these may be deleted and nothing else.
fn agree<'a>(request: &mut RunRequest, names: impl Iterator<Item = &'a str>) {
    let agreed: Value = names.map(Value::from).collect();
    for step in &mut request.steps {
        step.parameters.insert("agreed".to_owned(), agreed.clone());
    }
}

pub(super) async fn pin(
    command: PinCommand,
    project: &Project,
    output: &Output,
) -> Result<u8, Failure> {
    let name = storage_name(project, command.storage.as_deref())?;
    let storage = project.storage(&name).await?.objects;
    let folder = backups::find(storage.as_ref(), &command.backup).await?;
    let pin = Pin {
        reason: command.reason,
        by: actor(),
        since: Some(now()),
    };
    backups::pin(storage.as_ref(), &folder, &pin).await?;
    let document =
        json!({ "id": folder.id.to_string(), "database": folder.database, "pinned": pin });
    output.result(&document, || {
        format!("{} of {} is pinned", folder.id, folder.database)
    })?;
    Ok(exit::DONE)
}

pub(super) async fn unpin(
    command: UnpinCommand,
    project: &Project,
    output: &Output,
) -> Result<u8, Failure> {
    let name = storage_name(project, command.storage.as_deref())?;
    let storage = project.storage(&name).await?.objects;
    let folder = backups::find(storage.as_ref(), &command.backup).await?;
    backups::unpin(storage.as_ref(), &folder).await?;
    let document =
        json!({ "id": folder.id.to_string(), "database": folder.database, "pinned": null });
    output.result(&document, || {
        format!("{} of {} is no longer pinned", folder.id, folder.database)
    })?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment_log::{RunRecord, Status, StepRecord, Trigger};

    fn rehearsed(result: Option<Value>, failure: Option<Failure>) -> RunOutcome {
        let mut record = RunRecord::new("prune", Trigger::Cli, "me", "local");
        record.steps.push(StepRecord {
            plugin: "prune".to_owned(),
            version: "1".to_owned(),
            sha256: String::new(),
            parameters: Value::Null,
            started: now(),
            finished: Some(now()),
            status: Status::Succeeded,
            result,
            error: None,
        });
        RunOutcome {
            record,
            failure,
            before_any_effect: false,
            unclosed: None,
        }
    }

    #[test]
    fn a_plan_that_could_not_be_made_is_no_consent() {
        let failure = Failure::invalid_input("the storage does not answer");
        let told = shown(rehearsed(None, Some(failure.clone()))).unwrap_err();
        assert_eq!(told.message, failure.message);
        assert!(shown(rehearsed(None, None)).is_err());
        let plan = json!({ "would_delete": [] });
        assert_eq!(shown(rehearsed(Some(plan.clone()), None)).unwrap(), plan);
    }

    #[test]
    fn what_was_shown_is_agreed_to_and_nothing_shown_is_nothing() {
        let mut request = single("prune", "prune", Map::new());
        agree(&mut request, ["a", "b"].into_iter());
        assert_eq!(request.steps[0].parameters["agreed"], json!(["a", "b"]));
        agree(&mut request, std::iter::empty());
        assert_eq!(request.steps[0].parameters["agreed"], json!([]));
    }
}
