//! One run: started in the record before its first effect, closed in the record however it ends.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::log_table::share_log;
use super::plan::{PlannedStep, StepRequest};
use super::prepare::prepare;
use super::project::Project;
use super::rollback;
use super::rules::Consent;
use super::step::{Running, error_record, note};
use crate::config::{Environment, Step};
use crate::deployment_log::{RunGuard, RunRecord, Status, Trigger, Written};
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
    /// What is known of the run before it begins.
    pub facts: Map<String, Value>,
    /// Cancels the run when it takes longer, and has it fail.
    pub time_limit: Option<Duration>,
}

impl RunRequest {
    /// The steps of a job as they are configured, with nobody's consent to anything.
    pub fn of_job(name: &str, steps: &[Step], trigger: Trigger, actor: impl Into<String>) -> Self {
        let steps = steps.iter().map(|step| StepRequest {
            plugin: step.plugin.to_string(),
            parameters: step.parameters.clone(),
        });
        Self {
            job: name.to_owned(),
            steps: steps.collect(),
            overrides: Map::new(),
            trigger,
            actor: actor.into(),
            dry_run: false,
            consent: Consent::default(),
            auto_restore: false,
            facts: Map::new(),
            time_limit: None,
        }
    }
}

/// Watches a run: a progress bar, a log, the daemon.
#[async_trait]
pub trait Observer: Sync {
    /// The run is in the journal. The log's table, whose database may be away, has still to hear of it.
    async fn recorded(&self, _record: &RunRecord) {}
    /// Nothing has happened yet. An error ends it before any effect.
    async fn began(&self, _record: &RunRecord) -> Result<(), Failure> {
        Ok(())
    }
    /// The run is over, and its record is about to be closed as it is here.
    async fn closing(&self, _record: &RunRecord) {}
    /// Its record could not be closed. Whether that is to be tried again; waits before it says so.
    async fn is_closed_later(&self, _failure: &Failure) -> bool {
        false
    }
    /// `index` counts from 0, of `count` steps.
    fn step_began(&self, index: usize, count: usize, plugin: &str, progress: &Progress);
    /// However it ended.
    fn step_ended(&self, index: usize, status: Status);
}

/// Watches nothing: for what is looked up by a plugin and is over at once.
pub struct Silent;

#[async_trait]
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
    /// The record could not be closed, a full disk mostly: the next start closes it, as interrupted.
    pub unclosed: Option<Failure>,
}

impl RunOutcome {
    /// For whom a run without a closed record is a failure.
    pub fn closed(self) -> Result<Self, Failure> {
        match self.unclosed {
            Some(failure) => Err(failure),
            None => Ok(self),
        }
    }
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
    for (key, value) in &request.facts {
        record.facts.set(key, value.clone());
    }
    if request.dry_run {
        let ended = execute(project, &request, &mut record, None, cancel, observer).await;
        return Ok(close(record, ended));
    }
    let guard = Arc::new(project.log.start(record.clone())?);
    observer.recorded(&record).await;
    for warning in share_log(project).await {
        debug!("{warning}");
    }
    let ended = match observer.began(&record).await {
        Ok(()) => execute_in_time(project, &request, &mut record, &guard, cancel, observer).await,
        Err(failure) => Ended {
            failure: Some(failure),
            before_any_effect: true,
        },
    };
    let mut outcome = close(record, ended);
    observer.closing(&outcome.record).await;
    let written = match Arc::into_inner(guard) {
        Some(guard) => finish(guard, &outcome.record, observer).await,
        None => Err(Failure::internal("the run's record is still in use")),
    };
    match written {
        Ok(written) => {
            outcome.record = written.record;
            // What cannot be written now is in the journal, and is written at the next chance: worth saying, no failure of the run.
            for warning in written.warnings.into_iter().chain(share_log(project).await) {
                warn!("{warning}");
            }
        }
        Err(failure) => {
            let RunRecord { job, status, .. } = &outcome.record;
            let what = format!("{job} has {status}, and its record could not be closed");
            outcome.unclosed = Some(failure.context(what));
        }
    }
    Ok(outcome)
}

/// Why a run ended, and whether anything had happened by then.
struct Ended {
    failure: Option<Failure>,
    before_any_effect: bool,
}

async fn finish(
    mut guard: RunGuard,
    record: &RunRecord,
    observer: &dyn Observer,
) -> Result<Written, Failure> {
    loop {
        match guard.finish(record.clone()) {
            Ok(written) => return Ok(written),
            Err(unclosed) => {
                let failure = Failure::from(unclosed.error);
                if !observer.is_closed_later(&failure).await {
                    return Err(failure);
                }
                guard = *unclosed.guard;
            }
        }
    }
}

/// Records a job that is not run, and why.
pub async fn skip(
    project: &Project,
    request: RunRequest,
    reason: Failure,
    observer: &dyn Observer,
) -> Result<RunRecord, Failure> {
    let mut record = RunRecord::new(&request.job, request.trigger, &request.actor, "");
    record.database = named_database(project, &request);
    record.environment = environment(project, record.database.as_deref()).to_string();
    for (key, value) in &request.facts {
        record.facts.set(key, value.clone());
    }
    let guard = project.log.start(record.clone())?;
    record.close(
        Status::Skipped,
        Some(error_record(&reason)),
        crate::exit::DONE.into(),
    );
    let written = finish(guard, &record, observer).await?;
    for warning in written.warnings.into_iter().chain(share_log(project).await) {
        warn!("{warning}");
    }
    Ok(written.record)
}

/// Executes a run that may have a limit of time.
async fn execute_in_time(
    project: &Project,
    request: &RunRequest,
    record: &mut RunRecord,
    guard: &Arc<RunGuard>,
    cancel: &CancellationToken,
    observer: &dyn Observer,
) -> Ended {
    let Some(limit) = request.time_limit else {
        return execute(project, request, record, Some(guard), cancel, observer).await;
    };
    let cancel = cancel.child_token();
    let execution = execute(project, request, record, Some(guard), &cancel, observer);
    tokio::pin!(execution);
    tokio::select! {
        ended = &mut execution => return ended,
        () = tokio::time::sleep(limit) => cancel.cancel(),
    }
    let mut ended = execution.await;
    if let Some(failure) = &mut ended.failure
        && failure.kind == FailureKind::Cancelled
    {
        let limit = jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX);
        *failure = Failure::new(
            FailureKind::Timeout,
            format!("the run took longer than {limit:#}, and was cancelled"),
        )
        .hint("give its schedule a longer `timeout`, or find out what it waited for");
    }
    ended
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
        let is_migration = step.plugin.manifest.name == "migrate";
        let failure = run.step(record, &step, index).await;
        if failure.is_none()
            && let Some((fact, command)) =
                rollback::command(project, record, &step, prepared.environment)
        {
            note(guard, |guard| {
                guard.fact(fact, Value::from(command.as_str()))
            });
            record.facts.set(fact, Value::from(command));
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
        if let Some(command) = rollback::told(record) {
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
        unclosed: None,
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
