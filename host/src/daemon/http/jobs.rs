//! `/jobs`: what can be run, and running it.

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tracing::info;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use super::access::Caller;
use super::input::{Named, Said};
use super::problem::{Problem, Rejection};
use crate::daemon::control::Asked;
use crate::failure::Failure;

/// A job of the configuration, or a built-in one.
#[derive(Serialize, ToSchema)]
pub(super) struct Job {
    name: String,
    description: Option<String>,
    /// The plugins of its steps, in their order.
    plugins: Vec<String>,
}

/// What to run a job with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunJob {
    /// For every step that has such a parameter, as --param of `orchestrator run`. A run that gives one to a plugin that may delete is refused.
    #[serde(default)]
    #[schema(value_type = Object, required = false)]
    parameters: Map<String, Value>,
    /// Who is told of the run: names below `[notify]`, as --notify of `orchestrator run`.
    #[serde(default)]
    #[schema(required = false)]
    notify: Vec<String>,
}

/// A run that was recorded and begins.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    #[schema(value_type = String, format = "uuid")]
    run: Uuid,
}

/// What can be run
#[utoipa::path(
    get,
    operation_id = "list_jobs",
    path = "/jobs",
    tag = "jobs",
    responses(
        (status = 200, description = "The jobs, by name", body = Vec<Job>,
            links(("run" = (operation_id = "run_job", parameters(("name" = "$response.body#/0/name")))))),
    )
)]
pub(super) async fn list(State(shared): State<Shared>) -> Json<Vec<Job>> {
    let project = shared.control.project();
    let job = |(name, job): (&crate::config::Name, &crate::config::Job)| Job {
        name: name.to_string(),
        description: job.description.as_deref().map(|text| shared.clean(text)),
        plugins: job
            .steps
            .iter()
            .map(|step| step.plugin.to_string())
            .collect(),
    };
    Json(project.config.jobs.iter().map(job).collect())
}

/// Run a job; the environment's rules hold, and nobody consents to what they ask consent for
#[utoipa::path(
    post,
    operation_id = "run_job",
    path = "/jobs/{name}/runs",
    tag = "jobs",
    params(("name" = String, Path, description = "The job's name", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,62}$")),
    request_body(content = Option<RunJob>, description = "May be left out"),
    responses(
        (status = 202, description = "The run is recorded and begins", body = Begun, headers(("Location" = String, description = "Where the run can be seen")),
            links(
                ("show" = (operation_id = "show_run", parameters(("run" = "$response.body#/run")))),
                ("cancel" = (operation_id = "cancel_run", parameters(("run" = "$response.body#/run")))),
                ("follow" = (operation_id = "follow_run", parameters(("run" = "$response.body#/run")))),
            )),
        (status = 400, description = "The body cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such job, or nobody of that name to be told", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 64 KiB", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The body is not application/json", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many runs wait for their turn", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn trigger(
    State(shared): State<Shared>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    Said(said): Said<RunJob>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Begun>), Rejection> {
    caller.may_run()?;
    let project = shared.control.project();
    project
        .config
        .job(&name)
        .map_err(|error| Failure::not_found(error.message).hint(error.hint))?;
    let RunJob { parameters, notify } = said.unwrap_or_default();
    let asked = Asked {
        job: name.clone(),
        parameters,
        notify,
        actor: caller.name.clone(),
    };
    let run = shared.control.trigger(asked).await?;
    info!(%run, job = name, by = caller.name, "begun by the API");
    let location = [(header::LOCATION, format!("/api/v1/runs/{run}"))];
    Ok((StatusCode::ACCEPTED, location, Json(Begun { run })))
}
