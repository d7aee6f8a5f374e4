//! `orchestrator run JOB`, and what every command that runs a job shares.

mod notices;

use async_trait::async_trait;
use clap::Args;
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::globals::Globals;
use super::output::{Output, explained};
use super::progress::Display;
use super::{seed, signals, table};
use crate::deployment_log::{RunRecord, Status, Trigger};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{self, Consent, Observer, Project, RunOutcome, RunRequest, StepRequest};
use crate::text::indented;
use crate::transfer::Progress;
use notices::Listeners;

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
    /// Leave with 0, not 3, when the run is done with warnings: for engines that take every other code for a failure
    #[arg(long)]
    allow_warnings: bool,
    #[command(flatten)]
    notices: notices::NoticeFlags,
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
    let listeners = Listeners::of(&command.notices, &project)?;
    let request = RunRequest {
        overrides: command
            .parameters
            .into_iter()
            .map(|(name, value)| (name, Value::from(value)))
            .collect(),
        dry_run: command.dry_run,
        consent: command.consent.into(),
        auto_restore: command.auto_restore,
        ..configured(&project, &command.job)?
    };
    // Of what changes nothing and leaves no record, nobody is told.
    let listeners = listeners.filter(|_| !request.dry_run);
    let code = run_report_and_tell(&project, request, output, listeners).await?;
    Ok(match code {
        exit::WARNINGS if command.allow_warnings => exit::DONE,
        code => code,
    })
}

/// A job as the configuration has it, or as it is built in.
pub(super) fn configured(project: &Project, job: &str) -> Result<RunRequest, Failure> {
    let steps = &project.config.job(job)?.steps;
    Ok(RunRequest::of_job(job, steps, Trigger::Cli, actor()))
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
    run_report_and_tell(project, request, output, None).await
}

/// The same, and tells those who listen. What becomes of that changes neither the result nor the exit code.
async fn run_report_and_tell(
    project: &Project,
    request: RunRequest,
    output: &Output,
    listeners: Option<Listeners>,
) -> Result<u8, Failure> {
    let cancel = signals::cancellation()?;
    let dry_run = request.dry_run;
    let watch = Watch {
        display: Display::new(output),
        listeners: listeners.as_ref(),
    };
    let outcome = jobs::run(project, request, &cancel, &watch).await;
    if let Some(listeners) = &listeners {
        listeners.ended(project, &outcome).await;
    }
    let reported = outcome
        .and_then(RunOutcome::closed)
        .and_then(|outcome| report(project, &outcome, output, dry_run));
    if let Some(listeners) = listeners {
        listeners.finish(&cancel).await;
    }
    reported
}

/// Prints the result; the exit code.
fn report(
    project: &Project,
    outcome: &RunOutcome,
    output: &Output,
    dry_run: bool,
) -> Result<u8, Failure> {
    let document = document(project, outcome, dry_run);
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
        .unwrap_or(exit::FAILED))
}

/// Shows a run, and tells those who listen that it has begun.
struct Watch<'a> {
    display: Display,
    listeners: Option<&'a Listeners>,
}

#[async_trait]
impl Observer for Watch<'_> {
    async fn began(&self, record: &RunRecord) -> Result<(), Failure> {
        if let Some(listeners) = self.listeners {
            listeners.began(record);
        }
        Ok(())
    }

    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress) {
        self.display.step_began(index, count, plugin, progress);
    }

    fn step_ended(&self, index: usize, status: Status) {
        self.display.step_ended(index, status);
    }
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
    let proofs = record.facts.proven();
    text.extend(proofs.iter().filter_map(|fact| proven(fact, &record.job)));
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

/// Which backup a run of this job has proven to come back, by what, and how long that took; of one fact `proven`.
fn proven(fact: &Value, job: &str) -> Option<String> {
    let number = |name: &str| fact.get(name).and_then(Value::as_u64).unwrap_or(0);
    let counted = |name: &str| table::count(number(name));
    let age = SignedDuration::from_secs(fact.get("backup_age_seconds")?.as_i64()?);
    let large_objects = match number("large_objects") {
        0 => String::new(),
        count => format!(" and {} large objects", table::count(count)),
    };
    let left_out = fact.get("left_out").and_then(Value::as_array);
    let left_out: String = left_out
        .into_iter()
        .flatten()
        .filter_map(|pattern| Some(format!(", without {}", indented(pattern.as_str()?))))
        .collect();
    let queries = match (number("queries"), job) {
        (0, "drill") => {
            ", and nothing asked: `queries` of the job say what has to be in it".to_owned()
        }
        (0, _) => String::new(),
        (count, _) => format!(", {} queries answered", table::count(count)),
    };
    Some(format!(
        "proven: {} of {}{left_out}, {} old: {} rows of {} tables{large_objects} compared{queries}\nrecovered in {:.1} s\n",
        indented(fact.get("backup")?.as_str()?),
        indented(fact.get("database")?.as_str()?),
        table::duration(age),
        counted("rows"),
        counted("tables"),
        fact.get("seconds")?.as_f64()?,
    ))
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
