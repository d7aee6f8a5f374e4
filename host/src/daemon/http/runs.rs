//! `/runs`: what was run, what runs, and how to end it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::info;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Shared;
use super::access::Caller;
use super::input::{Asked, Named};
use super::problem::{Problem, Rejection};
use crate::config::Name;
use crate::daemon::control::RunningRun;
use crate::database::Connection;
use crate::deployment_log::{ErrorRecord, Page, RunRecord, Status, StepRecord, Trigger};
use crate::failure::Failure;
use crate::jobs::Project;

/// Runs of one answer.
const MOST: u32 = 1000;
const USUAL: u32 = 50;

/// Which runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// At most this many; 50 when left out.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<u32>,
    /// Only older ones than this run: the last of the page before.
    #[param(value_type = Option<String>, format = "uuid", nullable = false)]
    before: Option<Uuid>,
    /// Only those that stand or ended so.
    #[param(inline, nullable = false)]
    status: Option<Stand>,
    /// Only those of this job.
    #[param(pattern = "^[A-Za-z][A-Za-z0-9_-]{0,62}$", nullable = false)]
    job: Option<String>,
}

/// How a run stands, or ended.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stand {
    Running,
    Succeeded,
    Failed,
    Refused,
    Skipped,
    Cancelled,
    Interrupted,
}

impl From<Stand> for Status {
    fn from(stand: Stand) -> Self {
        match stand {
            Stand::Running => Self::Running,
            Stand::Succeeded => Self::Succeeded,
            Stand::Failed => Self::Failed,
            Stand::Refused => Self::Refused,
            Stand::Skipped => Self::Skipped,
            Stand::Cancelled => Self::Cancelled,
            Stand::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Status> for Stand {
    fn from(status: Status) -> Self {
        match status {
            Status::Running => Self::Running,
            Status::Succeeded => Self::Succeeded,
            Status::Failed => Self::Failed,
            Status::Refused => Self::Refused,
            Status::Skipped => Self::Skipped,
            Status::Cancelled => Self::Cancelled,
            Status::Interrupted => Self::Interrupted,
        }
    }
}

/// A page of runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    /// The newest first.
    runs: Vec<RunSummary>,
    /// What to give as `before` for the next page, which may turn out to be empty; null where there is none.
    next: Option<String>,
    /// Why runs of other machines may be missing.
    incomplete: Option<String>,
}

/// A run in short.
#[derive(Serialize, ToSchema)]
pub(super) struct RunSummary {
    /// A UUIDv7.
    #[schema(value_type = String, format = "uuid")]
    run: Uuid,
    job: String,
    status: Stand,
    /// cli, schedule or api.
    #[schema(value_type = String)]
    trigger: Trigger,
    /// Who: a login, a schedule's name, a token's.
    actor: String,
    /// The machine.
    host: String,
    environment: String,
    /// The binding of the database, where the run has one.
    database: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    started: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished: Option<Timestamp>,
    /// The backup that it took.
    backup: Option<String>,
    warnings: usize,
    error: Option<RunError>,
}

/// A run with its steps.
#[derive(Serialize, ToSchema)]
pub(super) struct Run {
    summary: RunSummary,
    steps: Vec<Step>,
    /// What the plugins told, by key.
    #[schema(value_type = Object)]
    facts: Value,
    warnings: Vec<String>,
    exit_code: Option<i32>,
}

/// One step: a plugin as it was then.
#[derive(Serialize, ToSchema)]
struct Step {
    plugin: String,
    version: String,
    /// Of the component.
    sha256: String,
    /// Secrets are left out.
    parameters: Value,
    #[schema(value_type = String, format = DateTime)]
    started: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    finished: Option<Timestamp>,
    status: Stand,
    result: Option<Value>,
    error: Option<RunError>,
}

/// Why a run or a step did not succeed.
#[derive(Serialize, ToSchema)]
struct RunError {
    kind: String,
    message: String,
    sqlstate: Option<String>,
    detail: Option<String>,
    hint: Option<String>,
}

impl From<ErrorRecord> for RunError {
    fn from(error: ErrorRecord) -> Self {
        let ErrorRecord {
            kind,
            message,
            sqlstate,
            detail,
            hint,
        } = error;
        Self {
            kind,
            message,
            sqlstate,
            detail,
            hint,
        }
    }
}

impl From<&RunRecord> for RunSummary {
    fn from(record: &RunRecord) -> Self {
        Self {
            run: record.run_id,
            job: record.job.clone(),
            status: record.status.into(),
            trigger: record.trigger,
            actor: record.actor.clone(),
            host: record.host.clone(),
            environment: record.environment.clone(),
            database: record.database.clone(),
            started: record.started,
            finished: record.finished,
            backup: record.facts.backup(),
            warnings: record.warnings.len(),
            error: record.error.clone().map(RunError::from),
        }
    }
}

impl From<RunRecord> for Run {
    fn from(record: RunRecord) -> Self {
        Self {
            summary: RunSummary::from(&record),
            facts: record
                .facts
                .iter()
                .map(|(key, value)| (key.to_owned(), value.clone()))
                .collect(),
            steps: record.steps.into_iter().map(Step::from).collect(),
            warnings: record.warnings,
            exit_code: record.exit_code,
        }
    }
}

impl From<StepRecord> for Step {
    fn from(step: StepRecord) -> Self {
        Self {
            plugin: step.plugin,
            version: step.version,
            sha256: step.sha256,
            parameters: step.parameters,
            started: step.started,
            finished: step.finished,
            status: step.status.into(),
            result: step.result,
            error: step.error.map(RunError::from),
        }
    }
}

/// What was run, the newest first
#[utoipa::path(
    get,
    operation_id = "list_runs",
    path = "/runs",
    tag = "runs",
    params(Which),
    responses(
        (status = 200, description = "A page of runs", body = Runs,
            links(
                ("show" = (operation_id = "show_run", parameters(("run" = "$response.body#/runs/0/run")))),
                ("follow" = (operation_id = "follow_run", parameters(("run" = "$response.body#/runs/0/run")))),
            )),
        (status = 400, description = "The query cannot be used", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Asked(which): Asked<Which>,
) -> Result<Json<Runs>, Rejection> {
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Failure::invalid_input(format!(
            "the limit {limit} is not between 1 and {MOST}"
        ))
        .into());
    }
    if let Some(job) = &which.job {
        job.parse::<Name>().map_err(Failure::from)?;
    }
    let project = shared.control.project();
    let _turn = shared.lookup().await?;
    let (connection, incomplete) = table(&project).await;
    let page = Page {
        limit: limit as usize,
        before: which.before,
        status: which.status.map(Status::from),
        job: which.job,
    };
    let client = connection.as_ref().map(|connection| &connection.client);
    let records = project
        .log
        .page(&page, client)
        .await
        .map_err(Failure::from)?;
    let next = records
        .last()
        .filter(|_| records.len() == page.limit)
        .map(|record| record.run_id.to_string());
    Ok(Json(Runs {
        runs: records.iter().map(RunSummary::from).collect(),
        next,
        incomplete: incomplete.map(|failure| shared.clean(&failure.to_string())),
    }))
}

/// One run
#[utoipa::path(
    get,
    operation_id = "show_run",
    path = "/runs/{run}",
    tag = "runs",
    params(("run" = String, Path, format = "uuid", description = "The run's id")),
    responses(
        (status = 200, description = "The run", body = Run),
        (status = 400, description = "That is no id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Named(run): Named<Uuid>,
) -> Result<Json<Run>, Rejection> {
    Ok(Json(record(&shared, run).await?.into()))
}

/// The record of a run; from the journal, else from the table.
pub(super) async fn record(shared: &Shared, run: Uuid) -> Result<RunRecord, Failure> {
    let project = shared.control.project();
    let id = run.to_string();
    if let Ok(record) = project.log.show(&id, None).await {
        return Ok(record);
    }
    let _turn = shared.lookup().await?;
    let (connection, _) = table(&project).await;
    let client = connection.as_ref().map(|connection| &connection.client);
    Ok(project.log.show(&id, client).await?)
}

/// What this daemon runs now
#[utoipa::path(
    get,
    operation_id = "list_running",
    path = "/running",
    tag = "runs",
    responses(
        (status = 200, description = "The runs under way, and how far they are", body = Vec<RunningRun>,
            links(("cancel" = (operation_id = "cancel_run", parameters(("run" = "$response.body#/0/run")))))),
    )
)]
pub(super) async fn running(State(shared): State<Shared>) -> Json<Vec<RunningRun>> {
    let mut running = shared.control.running();
    for step in running.iter_mut().filter_map(|run| run.step.as_mut()) {
        step.phase = shared.clean(&step.phase);
    }
    Json(running)
}

/// Cancel a run of this daemon; GET the run to see it end
#[utoipa::path(
    post,
    operation_id = "cancel_run",
    path = "/runs/{run}/cancel",
    tag = "runs",
    params(("run" = String, Path, format = "uuid", description = "The run's id")),
    responses(
        (status = 202, description = "The run was asked to end"),
        (status = 400, description = "That is no id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "This daemon does not run it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Named(run): Named<Uuid>,
) -> Result<StatusCode, Rejection> {
    caller.may_run()?;
    shared.control.cancel(run)?;
    info!(%run, by = caller.name, "cancelled by the API");
    Ok(StatusCode::ACCEPTED)
}

/// A connection to the log's table, or why there is none.
async fn table(project: &Project) -> (Option<Connection>, Option<Failure>) {
    match project.log_connection().await {
        Some(Ok(connection)) => (Some(connection), None),
        Some(Err(failure)) => (None, Some(failure)),
        None => (None, None),
    }
}
