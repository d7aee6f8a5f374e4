//! `/healthz`, `/readyz` and `/metrics`, and the reasons behind them for those who have a token.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;

use super::Shared;
use super::problem::Rejection;
use crate::daemon::control::Health;

/// Whether the daemon is worth keeping. Says nothing else: anybody may ask.
pub(super) async fn alive(State(shared): State<Shared>) -> impl IntoResponse {
    answer(shared.control.health().await.alive, "alive")
}

/// Whether the daemon does its work now. Says nothing else: anybody may ask.
pub(super) async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    answer(shared.control.health().await.ready, "ready")
}

fn answer(is_so: bool, word: &str) -> (StatusCode, String) {
    match is_so {
        true => (StatusCode::OK, format!("{word}\n")),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("not {word}\n")),
    }
}

/// How the daemon is, and why
#[utoipa::path(
    get,
    operation_id = "show_health",
    path = "/health",
    tag = "daemon",
    responses(
        (status = 200, description = "Whether it is alive and ready, and the reasons where it is not", body = Health),
    )
)]
pub(super) async fn health(State(shared): State<Shared>) -> Json<Health> {
    let mut health = shared.control.health().await;
    for reason in &mut health.reasons {
        *reason = shared.clean(reason);
    }
    Json(health)
}

/// OpenMetrics, as Prometheus reads it.
pub(super) async fn metrics(State(shared): State<Shared>) -> Result<impl IntoResponse, Rejection> {
    const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let text = shared.metrics.text().await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}
