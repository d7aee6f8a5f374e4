//! The OpenAPI document: what is common to all operations, which the rest of it is made of their code.

use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};

use super::problem::{PROBLEM_JSON, Problem};
use crate::daemon::control::Event;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "orchestrator",
        description = "Runs, jobs, backups and schedules of one project.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    servers((url = "/api/v1")),
    components(schemas(Event, Problem)),
    security(("token" = []))
)]
struct Document;

/// Answers that any operation may give: status, name, and when.
const SHARED: [(&str, &str, &str); 6] = [
    ("401", "Unauthorized", "No token, or a wrong one"),
    (
        "403",
        "Forbidden",
        "The token may only read, or the API is closed: the configuration has no token",
    ),
    (
        "421",
        "Misdirected",
        "The header Host names another host than this one",
    ),
    (
        "431",
        "TooLarge",
        "The request's head is larger than 32 KiB; this answer has no body",
    ),
    (
        "500",
        "Unexpected",
        "The daemon, its journal or its database has failed",
    ),
    (
        "503",
        "Unavailable",
        "A database or a storage does not answer in time, there are too many streams, or the daemon is stopping",
    ),
];

/// The document without its paths.
pub(super) fn begun() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// What the operations have in common.
pub(super) fn finish(document: &mut utoipa::openapi::OpenApi) {
    let token = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", token);
    for (_, name, description) in SHARED {
        let response = match name {
            "TooLarge" => Response::new(description),
            _ => problem(description),
        };
        components
            .responses
            .insert(name.to_owned(), RefOr::T(response));
    }
    for path in document.paths.paths.values_mut() {
        let operations = [
            &mut path.get,
            &mut path.post,
            &mut path.put,
            &mut path.delete,
        ];
        for operation in operations.into_iter().flatten() {
            for (status, name, _) in SHARED {
                let answers = &mut operation.responses.responses;
                let shared = RefOr::Ref(Ref::from_response_name(name));
                answers.entry(status.to_owned()).or_insert(shared);
            }
        }
    }
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, content)
        .build()
}
