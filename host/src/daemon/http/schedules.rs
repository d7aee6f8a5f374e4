//! `/schedules`: what fires when.

use axum::Json;
use axum::extract::State;

use super::Shared;
use super::input::Named;
use super::problem::{Problem, Rejection};
use crate::daemon::control::{ScheduleStatus, Schedules};
use crate::failure::Failure;

/// What fires when, and which files could not be read
#[utoipa::path(
    get,
    operation_id = "list_schedules",
    path = "/schedules",
    tag = "schedules",
    responses(
        (status = 200, description = "The schedules, by name", body = Schedules,
            links(("one" = (operation_id = "show_schedule", parameters(("name" = "$response.body#/schedules/0/name")))))),
    )
)]
pub(super) async fn list(State(shared): State<Shared>) -> Json<Schedules> {
    let mut found = shared.control.schedules().await;
    for problem in found.problems.iter_mut().chain(&mut found.incomplete) {
        *problem = shared.clean(problem);
    }
    found
        .schedules
        .iter_mut()
        .for_each(|one| clean(&shared, one));
    Json(found)
}

/// One schedule
#[utoipa::path(
    get,
    operation_id = "show_schedule",
    path = "/schedules/{name}",
    tag = "schedules",
    params(("name" = String, Path, description = "The schedule's name", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,62}$")),
    responses(
        (status = 200, description = "The schedule and its next fires", body = ScheduleStatus),
        (status = 400, description = "That is no name", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such schedule", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Named(name): Named<String>,
) -> Result<Json<ScheduleStatus>, Rejection> {
    let found = shared.control.schedules().await.schedules;
    match found.into_iter().find(|schedule| schedule.name == name) {
        Some(mut schedule) => {
            clean(&shared, &mut schedule);
            Ok(Json(schedule))
        }
        None => Err(
            Failure::not_found(format!("there is no schedule named {name:?}"))
                .hint("GET /api/v1/schedules lists them, and the files that could not be read")
                .into(),
        ),
    }
}

fn clean(shared: &Shared, schedule: &mut ScheduleStatus) {
    if let Some(text) = &mut schedule.description {
        *text = shared.clean(text);
    }
}
