//! One run: started in the record before its first effect, closed in the record however it ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use super::plan::{PlannedStep, StepRequest, plan};
use super::project::Project;
use super::rollback;
use super::rules::{self, Consent, Effect};
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
    /// Go back to the run's own backup when a migration fails after something was changed.
    pub auto_restore: bool,
}

/// Watches a run: a progress bar, a log.
pub trait Observer: Sync {
    /// `index` counts from 0, of `count` steps.
    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress);
    /// However it ended.
    fn step_ended(&self, index: usize, status: Status);
}

/// Watches nothing: for what is looked up by a plugin and is over at once.
pub struct Silent;

impl Observer for Silent {
    fn step_began(&self, _index: usize, _count: usize, _plugin: &str, _progress: &Progress) {}
    fn step_ended(&self, _index: usize, _status: Status) {}
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
    record.database = named_database(project, &request);
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
    let prepared = match cancel.run_until_cancelled(prepare(project, request)).await {
        Some(Ok(prepared)) => prepared,
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
    if let Some(environment) = prepared.environment {
        record.environment = environment.to_string();
    }
    let run = Running {
        project,
        request,
        guard,
        cancel,
        observer,
        count: prepared.steps.len(),
    };
    for (index, step) in prepared.steps.into_iter().enumerate() {
        let is_backup = step.plugin.manifest.name == "backup";
        let is_migration = step.plugin.manifest.name == "migrate";
        let failure = run.step(record, &step, index).await;
        if is_backup
            && failure.is_none()
            && let Some(environment) = prepared.environment
            && let Some(command) = rollback::command(project, record, &step, environment)
        {
            note(guard, |guard| {
                guard.fact(rollback::FACT, Value::from(command.as_str()))
            });
            record.facts.set(rollback::FACT, Value::from(command));
        }
        if let Some(mut failure) = failure {
            if is_migration {
                go_back(&run, record, &mut failure, prepared.way_back).await;
            }
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

/// After a migration that failed: back to the backup, if that was asked for and there is anything to take back; else the command for it.
async fn go_back(
    run: &Running<'_>,
    record: &mut RunRecord,
    failure: &mut Failure,
    way_back: Option<PlannedStep>,
) {
    if !rollback::has_changed(record) {
        if way_back.is_some() {
            record
                .warnings
                .push("nothing was changed, so nothing was restored".to_owned());
        }
        return;
    }
    let Some(step) = way_back else {
        if let Some(command) = record.facts.get(rollback::FACT).and_then(Value::as_str) {
            let hint = failure.hint.take();
            let before = hint.map(|hint| format!("{hint}; ")).unwrap_or_default();
            failure.hint = Some(format!("{before}or go back: {command}"));
        }
        return;
    };
    let outcome = match run.step(record, &step, run.count).await {
        None => "the database was restored from the backup of this run".to_owned(),
        Some(second) => format!("the database could not be restored: {second}"),
    };
    record.warnings.push(outcome);
}

/// What all steps of a run share.
struct Running<'a> {
    project: &'a Project,
    request: &'a RunRequest,
    guard: Option<&'a Arc<RunGuard>>,
    cancel: &'a CancellationToken,
    observer: &'a dyn Observer,
    count: usize,
}

impl Running<'_> {
    /// Runs a step and keeps its record; why it failed.
    async fn step(
        &self,
        record: &mut RunRecord,
        step: &PlannedStep,
        index: usize,
    ) -> Option<Failure> {
        let progress = Progress::default();
        let count = self.count.max(index + 1);
        self.observer
            .step_began(index, count, &step.plugin.manifest.name, &progress);
        let (step_record, failure) = run_step(
            self.project,
            self.request,
            record,
            self.guard,
            self.cancel,
            step,
            index,
            progress,
        )
        .await;
        self.observer.step_ended(index, step_record.status);
        record.steps.push(step_record);
        failure
    }
}

/// What is to be run, and allowed.
struct Prepared {
    steps: Vec<PlannedStep>,
    /// For when a migration fails.
    way_back: Option<PlannedStep>,
    /// The strictest of the databases that something is done to.
    environment: Option<Environment>,
}

async fn prepare(project: &Project, request: &RunRequest) -> Result<Prepared, Failure> {
    let steps = plan(project, &request.steps, &request.overrides).await?;
    let way_back = match request.auto_restore {
        true => Some(way_back(project, &steps).await?),
        false => None,
    };
    let mut environment = None;
    for (at, step) in steps.iter().chain(&way_back).enumerate() {
        let effect = rules::effect(&step.plugin.manifest.name, &step.parameters);
        if effect == Effect::Harmless && !leads_to_a_migration(&steps, at) {
            continue;
        }
        for database in &step.named.databases {
            let found = rules::environment(project, database).await?;
            environment = environment.max(Some(found));
            if request.dry_run {
                continue;
            }
            let name = &project.database(database)?.settings.database;
            let is_backed_up = steps
                .iter()
                .take(at)
                .any(|before| rules::backs_up(before, database, name));
            rules::check(effect, found, name, is_backed_up, &request.consent)?;
        }
    }
    Ok(Prepared {
        steps,
        way_back,
        environment,
    })
}

/// A backup before a migration: how to go back depends on the environment.
fn leads_to_a_migration(steps: &[PlannedStep], at: usize) -> bool {
    let name = |step: &PlannedStep| step.plugin.manifest.name.clone();
    let is_for_one = steps
        .iter()
        .any(|step| ["migrate", "preflight"].contains(&name(step).as_str()));
    is_for_one && steps.get(at).is_some_and(|step| name(step) == "backup")
}

/// The restore of the backup that a run takes before it migrates.
async fn way_back(project: &Project, steps: &[PlannedStep]) -> Result<PlannedStep, Failure> {
    let backup = steps
        .iter()
        .find(|step| step.plugin.manifest.name == "backup");
    let named =
        backup.and_then(|step| Some((step.named.databases.first()?, step.named.storage.first()?)));
    let (database, storage) = named.ok_or_else(|| {
        Failure::invalid_input("the job takes no backup that it could go back to")
            .hint("--auto-restore is for jobs with a backup before a migration, as `deploy`")
    })?;
    let mut planned = plan(project, &[rollback::step(database, storage)], &Map::new()).await?;
    planned
        .pop()
        .ok_or_else(|| Failure::internal("a plan of one step is empty"))
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
    step: &PlannedStep,
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
        step,
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
    for name in &step.named.folders {
        let folder = project.folder(name)?;
        bindings.folders.insert(name.clone(), folder.to_owned());
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

fn named_database(project: &Project, request: &RunRequest) -> Option<String> {
    let steps = request.steps.iter().map(|step| &step.parameters);
    let given = std::iter::once(&request.overrides)
        .chain(steps)
        .find_map(|parameters| parameters.get("database")?.as_str().map(str::to_owned));
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
