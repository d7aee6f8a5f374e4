//! One step of a run: its bindings opened, its plugin run, its record kept.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use super::log_table::{hold_log, holds_log, replaces_its_database, settle_log};
use super::plan::PlannedStep;
use super::project::Project;
use super::run::{Observer, RunRequest};
use super::run_roles::{RunRoles, is_own_fact};
use crate::backups;
use crate::capabilities::context::StepSetup;
use crate::capabilities::{Bindings, StepReport, Stop, Unfinished};
use crate::deployment_log::{ErrorRecord, RunGuard, RunRecord, Status, StepRecord, now};
use crate::failure::{Failure, FailureKind};
use crate::transfer::Progress;

/// What all steps of a run share.
pub(super) struct Running<'a> {
    pub project: &'a Project,
    pub request: &'a RunRequest,
    pub guard: Option<&'a Arc<RunGuard>>,
    pub cancel: &'a CancellationToken,
    pub observer: &'a dyn Observer,
    pub count: usize,
}

impl Running<'_> {
    /// Runs a step and keeps its record; why it failed.
    pub async fn step(
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
            let failure = named(failure, step);
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
    let mut bindings = open_bindings(project, step).await?;
    let mut roles = RunRoles::new(guard);
    let taken = cancel.run_until_cancelled(roles.take(step, record, &mut bindings));
    let result = match taken.await {
        Some(Ok(())) => {
            let bound = Bound { bindings, step };
            execute(
                project,
                request,
                record,
                guard,
                cancel,
                bound,
                step_record,
                progress,
            )
            .await
        }
        Some(Err(failure)) => Err(failure),
        None => Err(Failure::cancelled()),
    };
    for leftover in roles.close().await {
        note(guard, |guard| guard.warning(&leftover));
        record.warnings.push(leftover);
    }
    result
}

/// A step whose bindings are open.
struct Bound<'a> {
    step: &'a PlannedStep,
    bindings: Bindings,
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one step of one run"
)]
async fn execute(
    project: &Project,
    request: &RunRequest,
    record: &mut RunRecord,
    guard: Option<&Arc<RunGuard>>,
    cancel: &CancellationToken,
    bound: Bound<'_>,
    step_record: &mut StepRecord,
    progress: Progress,
) -> Result<Value, Failure> {
    let Bound { step, bindings } = bound;
    if request.dry_run && waits_for_a_backup(step, record) {
        let why = "a dry run makes no backup that this step could look at";
        return Ok(json!({ "skipped": why }));
    }
    let parameters = resolve_backup(step, record, &bindings).await?;
    step_record.parameters = parameters.clone();
    let replaces_log = !request.dry_run && replaces_its_database(step) && holds_log(project, step);
    if replaces_log {
        hold_log(project).await?;
    }
    let stop = Stop::below(cancel);
    let grants = step.grants.clone();
    let setup = StepSetup {
        bindings,
        grants: match request.dry_run {
            true => grants.in_a_dry_run(),
            false => grants,
        },
        progress,
        stop,
        unfinished: match guard {
            Some(guard) => Arc::new(Journal(guard.clone())),
            None => Arc::new(DryRun),
        },
        run: record.run_id,
        seed: seed(record.run_id),
        configured: step
            .is_configured
            .then(|| step.plugin.manifest.name.clone()),
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

/// Whose failure it is, where the plugin is not one of ours; and no more of it than somebody would read.
fn named(failure: Failure, step: &PlannedStep) -> Failure {
    let name = &step.plugin.manifest.name;
    let failure = failure.shortened();
    if !step.is_configured || failure.message.contains(name.as_str()) {
        return failure;
    }
    failure.context(format_args!("the plugin {name}"))
}

fn keep_report(record: &mut RunRecord, guard: Option<&Arc<RunGuard>>, report: StepReport) {
    let is_told = |(key, _): &(String, Value)| !is_own_fact(key);
    for (key, value) in report.facts.into_iter().filter(is_told) {
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
        let settings = binding.direct();
        bindings.databases.insert(name.clone(), settings.clone());
        bindings.watched_as.insert(name.clone(), settings.clone());
    }
    for name in &step.named.storage {
        bindings
            .storage
            .insert(name.clone(), project.storage(name).await?);
    }
    bindings.folders = step.named.folders.clone();
    for name in step.grants.managed() {
        let server = project.server(name).await?;
        bindings.servers.insert(name.to_owned(), server);
    }
    Ok(bindings)
}

/// Whether a step is to work on the backup that an earlier one makes, and that one has made none.
fn waits_for_a_backup(step: &PlannedStep, record: &RunRecord) -> bool {
    let mut parameters = step.plugin.manifest.parameters.iter();
    let is_open = parameters.any(|parameter| {
        parameter.kind == manifest::Kind::Backup && !step.parameters.contains_key(&parameter.name)
    });
    let mut before = record.steps.iter();
    is_open && record.facts.get("backup").is_none() && before.any(|step| step.plugin == "backup")
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

pub(super) fn error_record(failure: &Failure) -> ErrorRecord {
    ErrorRecord {
        kind: failure.kind.name().to_owned(),
        message: failure.message.clone(),
        sqlstate: failure.sqlstate.clone(),
        detail: failure.detail.clone(),
        hint: failure.hint.clone(),
    }
}

/// A line of the journal that could not be written costs the record of a crash, not the run.
pub(super) fn note(
    guard: Option<&Arc<RunGuard>>,
    write: impl FnOnce(&RunGuard) -> Result<(), crate::deployment_log::LogError>,
) {
    if let Some(guard) = guard
        && let Err(error) = write(guard)
    {
        warn!("writing the journal: {error}");
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

    fn told(&self, key: &str, value: &Value) {
        if !is_own_fact(key) {
            note(Some(&self.0), |guard| guard.fact(key, value.clone()));
        }
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
