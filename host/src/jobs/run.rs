//! One run: started in the record before its first effect, closed in the record however it ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use super::consent::{self, Consent};
use super::plan::{PlannedStep, StepRequest, plan};
use super::project::Project;
use crate::backups;
use crate::capabilities::context::StepSetup;
use crate::capabilities::{Bindings, StepReport, Stop, Unfinished};
use crate::config::Environment;
use crate::deployment_log::{ErrorRecord, RunGuard, RunRecord, Status, StepRecord, Trigger, now};
use crate::failure::{Failure, FailureKind};
use crate::transfer::Progress;

/// What is to be run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// The job's name, for the record.
    pub job: String,
    /// In their order.
    pub steps: Vec<StepRequest>,
    /// For every step that has such a parameter: `--param K=V`.
    pub overrides: Map<String, Value>,
    /// What set it off.
    pub trigger: Trigger,
    /// A login, a schedule's name.
    pub actor: String,
    /// Nothing is changed, and nothing recorded.
    pub dry_run: bool,
    /// What a person agreed to.
    pub consent: Consent,
}

/// Watches a run: a progress bar, a log.
pub trait Observer: Sync {
    /// `index` counts from 0, of `count` steps.
    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress);
    /// However it ended.
    fn step_ended(&self, index: usize, status: Status);
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// As it was written; of a dry run, as it would have been.
    pub record: RunRecord,
    /// Why it did not succeed.
    pub failure: Option<Failure>,
    /// The failure came before any effect: a mistake in the request, or a refusal.
    pub before_any_effect: bool,
}

/// Runs a job. An `Err` means that the run could not even be recorded, and so did not begin.
pub async fn run(
    project: &Project,
    request: RunRequest,
    cancel: &CancellationToken,
    observer: &dyn Observer,
) -> Result<RunOutcome, Failure> {
    let mut record = RunRecord::new(&request.job, request.trigger, &request.actor, "");
    record.database = named_database(project, &request.steps);
    record.environment = environment(project, record.database.as_deref()).to_string();
    if request.dry_run {
        let ended = execute(project, &request, &mut record, None, cancel, observer).await;
        return Ok(close(record, ended));
    }
    let guard = Arc::new(project.log.start(record.clone())?);
    for warning in share_log(project).await {
        debug!("{warning}");
    }
    let ended = execute(
        project,
        &request,
        &mut record,
        Some(&guard),
        cancel,
        observer,
    )
    .await;
    let mut outcome = close(record, ended);
    let guard = Arc::into_inner(guard)
        .ok_or_else(|| Failure::internal("the run's record is still in use"))?;
    let written = guard.finish(outcome.record.clone()).map_err(|error| {
        Failure::from(error).context(format_args!(
            "{} has {}, and its record could not be closed",
            outcome.record.job, outcome.record.status
        ))
    })?;
    outcome.record = written.record;
    // What cannot be written now is in the journal, and is written at the next chance: worth saying, no failure of the run.
    for warning in written.warnings.into_iter().chain(share_log(project).await) {
        warn!("{warning}");
    }
    Ok(outcome)
}

/// Why a run ended, and whether anything had happened by then.
struct Ended {
    failure: Option<Failure>,
    before_any_effect: bool,
}

async fn execute(
    project: &Project,
    request: &RunRequest,
    record: &mut RunRecord,
    guard: Option<&Arc<RunGuard>>,
    cancel: &CancellationToken,
    observer: &dyn Observer,
) -> Ended {
    let planned = match cancel.run_until_cancelled(prepare(project, request)).await {
        Some(Ok(planned)) => planned,
        Some(Err(failure)) => {
            return Ended {
                failure: Some(failure),
                before_any_effect: true,
            };
        }
        None => {
            return Ended {
                failure: Some(Failure::cancelled()),
                before_any_effect: true,
            };
        }
    };
    let count = planned.len();
    for (index, step) in planned.into_iter().enumerate() {
        let progress = Progress::default();
        observer.step_began(index, count, &step.plugin.manifest.name, &progress);
        let (step_record, failure) = run_step(
            project, request, record, guard, cancel, step, index, progress,
        )
        .await;
        observer.step_ended(index, step_record.status);
        record.steps.push(step_record);
        if let Some(failure) = failure {
            return Ended {
                failure: Some(failure),
                before_any_effect: false,
            };
        }
    }
    Ended {
        failure: None,
        before_any_effect: false,
    }
}

async fn prepare(project: &Project, request: &RunRequest) -> Result<Vec<PlannedStep>, Failure> {
    let planned = plan(project, &request.steps, &request.overrides).await?;
    for step in &planned {
        if !request.dry_run && consent::is_destructive(&step.plugin.manifest.name, &step.parameters)
        {
            for database in &step.named.databases {
                let settings = &project.database(database)?.settings;
                consent::check(
                    project.config.environment_of(settings),
                    &settings.database,
                    &request.consent,
                )?;
            }
        }
    }
    Ok(planned)
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one step of one run"
)]
async fn run_step(
    project: &Project,
    request: &RunRequest,
    record: &mut RunRecord,
    guard: Option<&Arc<RunGuard>>,
    cancel: &CancellationToken,
    step: PlannedStep,
    index: usize,
    progress: Progress,
) -> (StepRecord, Option<Failure>) {
    let mut step_record = StepRecord {
        plugin: step.plugin.manifest.name.clone(),
        version: step.plugin.manifest.version.clone(),
        sha256: step.plugin.sha256.clone(),
        parameters: Value::Object(step.parameters.clone()),
        started: now(),
        finished: None,
        status: Status::Running,
        result: None,
        error: None,
    };
    note(guard, |guard| guard.step(index, &step_record));
    let result = drive(
        project,
        request,
        record,
        guard,
        cancel,
        &step,
        &mut step_record,
        progress,
    )
    .await;
    step_record.finished = Some(now().max(step_record.started));
    let failure = match result {
        Ok(value) => {
            step_record.status = Status::Succeeded;
            step_record.result = Some(value);
            None
        }
        Err(failure) => {
            step_record.status = if failure.kind == FailureKind::Cancelled {
                Status::Cancelled
            } else {
                Status::Failed
            };
            step_record.error = Some(error_record(&failure));
            Some(failure)
        }
    };
    note(guard, |guard| guard.step(index, &step_record));
    (step_record, failure)
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one step of one run"
)]
async fn drive(
    project: &Project,
    request: &RunRequest,
    record: &mut RunRecord,
    guard: Option<&Arc<RunGuard>>,
    cancel: &CancellationToken,
    step: &PlannedStep,
    step_record: &mut StepRecord,
    progress: Progress,
) -> Result<Value, Failure> {
    let bindings = open_bindings(project, step).await?;
    let parameters = resolve_backup(step, record, &bindings).await?;
    step_record.parameters = parameters.clone();
    let replaces_log = !request.dry_run && replaces_its_database(step) && holds_log(project, step);
    if replaces_log {
        hold_log(project).await?;
    }
    let stop = Stop::below(cancel);
    let setup = StepSetup {
        bindings,
        grants: step.grants.clone(),
        progress,
        stop,
        unfinished: match guard {
            Some(guard) => Arc::new(Journal(guard.clone())),
            None => Arc::new(DryRun),
        },
        run: record.run_id,
        seed: seed(record.run_id),
    };
    let outcome = project
        .runtime()?
        .run(&step.plugin, setup, &parameters, request.dry_run)
        .await;
    keep_report(record, guard, outcome.report);
    if replaces_log && let Ok(result) = &outcome.result {
        settle_log(project, result).await;
    }
    outcome.result
}

fn keep_report(record: &mut RunRecord, guard: Option<&Arc<RunGuard>>, report: StepReport) {
    for (key, value) in report.facts {
        note(guard, |guard| guard.fact(&key, value.clone()));
        record.facts.set(&key, value);
    }
    for warning in report.warnings {
        note(guard, |guard| guard.warning(&warning));
        record.warnings.push(warning);
    }
}

async fn open_bindings(project: &Project, step: &PlannedStep) -> Result<Bindings, Failure> {
    let mut bindings = Bindings::default();
    for name in &step.named.databases {
        let binding = project.database(name)?;
        // A pooler cannot share snapshots, and hides the session that a step sets up.
        bindings
            .databases
            .insert(name.clone(), binding.direct().clone());
    }
    for name in &step.named.storage {
        bindings
            .storage
            .insert(name.clone(), project.storage(name).await?);
    }
    Ok(bindings)
}

/// Parameters of the kind `backup` become the prefix of one backup: the one that this run made, or the one that is asked for.
async fn resolve_backup(
    step: &PlannedStep,
    record: &RunRecord,
    bindings: &Bindings,
) -> Result<Value, Failure> {
    let mut parameters = step.parameters.clone();
    for parameter in &step.plugin.manifest.parameters {
        if parameter.kind != manifest::Kind::Backup {
            continue;
        }
        let own = record
            .facts
            .get("backup")
            .and_then(|backup| backup.get("prefix"))
            .and_then(Value::as_str);
        let prefix = match (parameters.get(&parameter.name).and_then(Value::as_str), own) {
            (None, Some(own)) => own.to_owned(),
            (given, _) => {
                let storage = step
                    .named
                    .storage
                    .first()
                    .and_then(|name| bindings.storage.get(name))
                    .ok_or_else(|| {
                        Failure::invalid_input("a backup was named without a storage")
                    })?;
                backups::prefix(storage.objects.as_ref(), given.unwrap_or("latest")).await?
            }
        };
        parameters.insert(parameter.name.clone(), Value::from(prefix));
    }
    Ok(Value::Object(parameters))
}

/// The plugin that may replace the database which holds the log's table.
pub(super) const RESTORE: &str = "restore";

/// A restore, but for one that only tries a backup out beside its database.
fn replaces_its_database(step: &PlannedStep) -> bool {
    let mode = step.parameters.get("mode").and_then(Value::as_str);
    step.plugin.manifest.name == RESTORE && mode != Some("check")
}

/// Whether a step works on the database that holds the log's table, by whatever name.
fn holds_log(project: &Project, step: &PlannedStep) -> bool {
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
async fn hold_log(project: &Project) -> Result<(), Failure> {
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
async fn settle_log(project: &Project, result: &Value) {
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
async fn share_log(project: &Project) -> Vec<String> {
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

fn close(mut record: RunRecord, ended: Ended) -> RunOutcome {
    let status = match &ended.failure {
        None => Status::Succeeded,
        Some(failure) if failure.kind == FailureKind::Cancelled => Status::Cancelled,
        Some(failure) if failure.kind == FailureKind::Refused && ended.before_any_effect => {
            Status::Refused
        }
        Some(_) => Status::Failed,
    };
    let exit_code = crate::exit::code(
        ended.failure.as_ref(),
        ended.before_any_effect,
        !record.warnings.is_empty(),
    );
    record.close(
        status,
        ended.failure.as_ref().map(error_record),
        exit_code.into(),
    );
    RunOutcome {
        record,
        failure: ended.failure,
        before_any_effect: ended.before_any_effect,
    }
}

fn error_record(failure: &Failure) -> ErrorRecord {
    ErrorRecord {
        kind: failure.kind.name().to_owned(),
        message: failure.message.clone(),
        sqlstate: failure.sqlstate.clone(),
        detail: failure.detail.clone(),
        hint: failure.hint.clone(),
    }
}

/// A line of the journal that could not be written costs the record of a crash, not the run.
fn note(
    guard: Option<&Arc<RunGuard>>,
    write: impl FnOnce(&RunGuard) -> Result<(), crate::deployment_log::LogError>,
) {
    if let Some(guard) = guard
        && let Err(error) = write(guard)
    {
        warn!("writing the journal: {error}");
    }
}

fn named_database(project: &Project, steps: &[StepRequest]) -> Option<String> {
    let given = steps
        .iter()
        .find_map(|step| step.parameters.get("database")?.as_str().map(str::to_owned));
    given.or_else(|| {
        let mut names = project.config.databases.keys();
        let only = names.next()?;
        names.next().is_none().then(|| only.to_string())
    })
}

/// How careful to be: with the run's database, or with all of them.
fn environment(project: &Project, database: Option<&str>) -> Environment {
    match database.and_then(|name| project.config.databases.get(name)) {
        Some(binding) => project.config.environment_of(&binding.settings),
        None => project.config.environment(),
    }
}

/// From the run's own random bits.
fn seed(run: Uuid) -> u64 {
    let bytes = run.as_bytes();
    bytes[8..]
        .iter()
        .fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// In the journal of a run.
struct Journal(Arc<RunGuard>);

impl Unfinished for Journal {
    fn draft_opened(&self, storage: &str, location: &str, prefix: &str) -> Result<(), Failure> {
        Ok(self.0.draft(storage, location, prefix)?)
    }

    fn draft_closed(&self, _: &str, prefix: &str) {
        note(Some(&self.0), |guard| guard.draft_closed(prefix));
    }

    fn scratch_opened(&self, database: &str, server: &str, name: &str) -> Result<(), Failure> {
        Ok(self.0.scratch(database, server, name)?)
    }

    fn scratch_closed(&self, name: &str) {
        note(Some(&self.0), |guard| guard.scratch_closed(name));
    }
}

/// A dry run makes nothing that could be half.
struct DryRun;

impl Unfinished for DryRun {
    fn draft_opened(&self, _: &str, _: &str, prefix: &str) -> Result<(), Failure> {
        Err(Failure::refused(format!(
            "a dry run would have written {prefix}"
        )))
    }

    fn draft_closed(&self, _: &str, _: &str) {}

    fn scratch_opened(&self, _: &str, _: &str, name: &str) -> Result<(), Failure> {
        Err(Failure::refused(format!(
            "a dry run would have created the database {name}"
        )))
    }

    fn scratch_closed(&self, _: &str) {}
}
