//! The daemon's HTTP: health, metrics, and the API with its OpenAPI document.
//!
//! ```text
//! access      tokens, hosts              serving   connections and their limits
//! problem     failures as answers        writing   readers that do not read
//! document    what the API says of itself input     what requests say
//! runs jobs backups schedules events     the API, one file for each part
//! ```

mod access;
mod backups;
mod document;
mod events;
mod health;
mod input;
mod jobs;
mod problem;
mod runs;
mod schedules;
mod serving;
mod writing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use access::new_token;
pub use serving::{Server, bind};

use super::control::Control;
use super::metrics::Metrics;
use crate::config::HttpSettings;
use crate::failure::{Failure, FailureKind};
use problem::Rejection;

/// What a request may take; streams of events are answered at once, and go on.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// The parameters of a run.
const BODY_BYTES: usize = 64 * 1024;
/// Streams of events at the same time.
const STREAMS: usize = 64;
/// Requests at the same time that ask a database, and others that ask storages.
const LOOKUPS: usize = 4;

/// What every request needs; clones are the same.
#[derive(Clone)]
pub(super) struct Shared {
    pub control: Arc<dyn Control>,
    pub metrics: Arc<Metrics>,
    /// Where the server listens.
    pub address: SocketAddr,
    pub streams: Arc<Semaphore>,
    lookups: Arc<Semaphore>,
    storage_lookups: Arc<Semaphore>,
    /// Ends streams of events.
    pub stopping: CancellationToken,
}

impl Shared {
    fn new(control: Arc<dyn Control>, address: SocketAddr, stopping: CancellationToken) -> Self {
        Self {
            metrics: Arc::new(Metrics::new(control.clone())),
            control,
            address,
            streams: Arc::new(Semaphore::new(STREAMS)),
            lookups: Arc::new(Semaphore::new(LOOKUPS)),
            storage_lookups: Arc::new(Semaphore::new(LOOKUPS)),
            stopping,
        }
    }

    /// As the configuration is now: a token that was taken out of it opens nothing after a reload.
    pub fn settings(&self) -> HttpSettings {
        self.control.http_settings()
    }

    /// Text without secrets.
    pub fn clean(&self, text: &str) -> String {
        self.control.project().log.redactor().text(text)
    }

    /// Waits for one's turn to ask a database.
    pub async fn lookup(&self) -> Result<OwnedSemaphorePermit, Failure> {
        turn(&self.lookups).await
    }

    /// Waits for one's turn to ask storages.
    pub async fn storage_lookup(&self) -> Result<OwnedSemaphorePermit, Failure> {
        turn(&self.storage_lookups).await
    }
}

async fn turn(lookups: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Failure> {
    let turn = lookups.clone().acquire_owned().await;
    turn.map_err(|_| Failure::internal("the requests' turns are over"))
}

/// The API as it is served, and its document.
fn api() -> (Router<Shared>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(document::begun())
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::running))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::trigger))
        .routes(routes!(backups::list))
        .routes(routes!(backups::show))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::show))
        .routes(routes!(events::all))
        .routes(routes!(events::of_run))
        .routes(routes!(health::health))
        .routes(routes!(openapi))
        .split_for_parts();
    document::finish(&mut document);
    (router, document)
}

/// This document: OpenAPI 3.1
#[utoipa::path(
    get,
    operation_id = "show_document",
    path = "/openapi.json",
    tag = "daemon",
    responses(
        (status = 200, description = "The document", body = serde_json::Value, content_type = "application/json"),
    )
)]
async fn openapi() -> impl IntoResponse {
    axum::Json(api().1)
}

/// All that is served.
fn router(shared: Shared) -> Router {
    let open = Router::new()
        .route("/healthz", axum::routing::get(health::alive))
        .route("/readyz", axum::routing::get(health::ready));
    let metrics = Router::new()
        .route("/metrics", axum::routing::get(health::metrics))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            access::metrics_need_token,
        ));
    let (api, _) = api();
    let api = api
        .fallback(nothing_here)
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            access::need_token,
        ));
    open.merge(metrics)
        .nest("/api/v1", api)
        .fallback(nothing_here)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(within_time))
        .layer(middleware::from_fn_with_state(
            shared.clone(),
            access::need_own_host,
        ))
        .layer(middleware::from_fn_with_state(shared.clone(), written))
        .with_state(shared)
}

async fn nothing_here(request: Request) -> Rejection {
    Rejection::request(
        StatusCode::NOT_FOUND,
        format!("there is no {}", request.uri().path()),
    )
    .hint("GET /api/v1/openapi.json says what there is")
}

async fn within_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Rejection::from(
            Failure::new(
                FailureKind::Timeout,
                format!(
                    "the answer took longer than {} s",
                    REQUEST_TIMEOUT.as_secs()
                ),
            )
            .hint("a database or a storage is slow to answer: `orchestrator check` says which"),
        )
        .into_response(),
    }
}

/// Failures become problems without secrets; no answer is kept, guessed at or framed by a browser.
async fn written(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let mut response = problem::redact(|text| shared.clean(text), request, next).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}
