//! `orchestrator run JOB`, and what every command that runs a job shares.

use clap::Args;
use serde_json::{Map, Value, json};

use super::globals::Globals;
use super::output::{Output, explained};
use super::progress::Display;
use super::{seed, signals, table};
use crate::deployment_log::{RunRecord, Trigger};
use crate::failure::Failure;
use crate::jobs::{self, Consent, Project, RunOutcome, RunRequest, StepRequest};
use crate::text::indented;

#[derive(Debug, Args)]
pub(super) struct RunCommand {
    /// The job: one of the configuration's, or backup, verify, drill, prune, migrate, seed, pre-migrate or deploy
    job: String,
    /// A parameter for every step that has it; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = parse_parameter)]
    parameters: Vec<(String, String)>,
    /// Show what would be done, change nothing and record nothing
    #[arg(long)]
    dry_run: bool,
    /// When a migration fails after something was changed, replace the database by the backup that this run took before it
    #[arg(long)]
    auto_restore: bool,
    #[command(flatten)]
    consent: ConsentFlags,
}

/// Consent to what destroys something.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ConsentFlags {
    /// Name the database that may be destroyed: what production asks for
    #[arg(long, value_name = "DATABASE_NAME")]
    pub confirm: Option<String>,
    /// Agree to what would be asked
    #[arg(long, short)]
    pub yes: bool,
}

impl From<ConsentFlags> for Consent {
    fn from(flags: ConsentFlags) -> Self {
        Self {
            confirmed_database: flags.confirm,
            yes: flags.yes,
        }
    }
}

pub(super) fn parse_parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.replace('-', "_"), value.to_owned())),
        _ => Err("a parameter is NAME=VALUE".to_owned()),
    }
}

pub(super) async fn execute(
    command: RunCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let project = globals.open_project().await?;
    let job = project.config.job(&command.job)?;
    let request = RunRequest {
        overrides: command
            .parameters
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect(),
        dry_run: command.dry_run,
        consent: command.consent.into(),
        auto_restore: command.auto_restore,
        ..RunRequest::of_job(&command.job, &job.steps, Trigger::Cli, actor())
    };
    run_and_report(&project, request, output).await
}

/// A job of one step, as `backup create` and `restore` are.
pub(super) fn single(job: &str, plugin: &str, parameters: Map<String, Value>) -> RunRequest {
    RunRequest {
        steps: vec![StepRequest {
            plugin: plugin.to_owned(),
            parameters,
        }],
        ..RunRequest::of_job(job, &[], Trigger::Cli, actor())
    }
}

/// Runs, shows progress, prints the result; the exit code.
pub(super) async fn run_and_report(
    project: &Project,
    request: RunRequest,
    output: &Output,
) -> Result<u8, Failure> {
    let cancel = signals::cancellation()?;
    let dry_run = request.dry_run;
    let display = Display::new(output);
    let outcome = jobs::run(project, request, &cancel, &display).await?;
    let document = document(project, &outcome, dry_run);
    if let Some(failure) = &outcome.failure {
        eprint!("{}", explained(failure));
        if output.is_json() {
            output.result(&document, String::new)?;
        } else if !dry_run && !output.is_quiet() {
            eprintln!(
                "  report: {}",
                project.log.report_path(outcome.record.run_id).display()
            );
        }
    } else if output.is_json() || !output.is_quiet() {
        output.result(&document, || summary(project, &outcome.record, dry_run))?;
    }
    Ok(outcome
        .record
        .exit_code
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(crate::exit::FAILED))
}

fn document(project: &Project, outcome: &RunOutcome, dry_run: bool) -> Value {
    let record = &outcome.record;
    json!({
        "run_id": record.run_id,
        "job": record.job,
        "dry_run": dry_run,
        "status": record.status,
        "environment": record.environment,
        "database": record.database,
        "started": record.started.to_string(),
        "finished": record.finished.map(|time| time.to_string()),
        "steps": record.steps.iter().map(|step| json!({
            "plugin": step.plugin,
            "status": step.status,
            "result": step.result,
        })).collect::<Vec<_>>(),
        "pending": record.facts.get("pending"),
        "backup": record.facts.backup(),
        "snapshot": record.facts.snapshot(),
        "rollback_plan": record.facts.rollback_plan(),
        "facts": record.facts,
        "warnings": record.warnings,
        "error": record.error,
        "exit_code": record.exit_code,
        "report": (!dry_run).then(|| project.log.report_path(record.run_id)),
    })
}

/// What a person wants to know of a run that succeeded.
fn summary(project: &Project, record: &RunRecord, dry_run: bool) -> String {
    let mut text = String::new();
    for step in &record.steps {
        if let Some(result) = &step.result {
            text.push_str(&format!("{}\n", step.plugin));
            text.push_str(&seed::told(result, dry_run).unwrap_or_else(|| properties(result)));
        }
    }
    for warning in &record.warnings {
        text.push_str(&format!("warning: {}\n", indented(warning)));
    }
    let how_long = record.duration().map(table::duration).unwrap_or_default();
    if dry_run {
        text.push_str(&format!(
            "{}: dry run, nothing was changed ({how_long})\n",
            record.job
        ));
    } else {
        text.push_str(&format!(
            "{}: {} in {how_long}\n",
            record.job, record.status
        ));
        text.push_str(&format!(
            "report: {}\n",
            project.log.report_path(record.run_id).display()
        ));
    }
    text
}

/// A JSON object as lines `name: value`; lists of texts a line each.
fn properties(value: &Value) -> String {
    let Value::Object(map) = value else {
        return format!("  {value}\n");
    };
    let width = map.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in map {
        let shown = match value {
            Value::Null => continue,
            Value::String(text) => indented(text),
            Value::Number(number) if name.ends_with("bytes") => {
                number.as_u64().map_or(number.to_string(), table::bytes)
            }
            Value::Number(number) => number.as_u64().map_or(number.to_string(), table::count),
            Value::Array(items) if items.is_empty() => continue,
            Value::Array(items) => items
                .iter()
                .map(|item| format!("\n    {}", inline(item)))
                .collect(),
            other => inline(other),
        };
        text.push_str(&format!(
            "  {:width$}  {shown}\n",
            indented(&name.replace('_', " "))
        ));
    }
    text
}

/// A value on one line; of an object its names and values, between commas.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => indented(text),
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{} {}", indented(&name.replace('_', " ")), inline(value)))
            .collect::<Vec<_>>()
            .join(", "),
        other => other.to_string(),
    }
}

/// The login that started this process.
pub(super) fn actor() -> String {
    ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
