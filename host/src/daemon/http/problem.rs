//! A failure as the body of an answer: `application/problem+json` (RFC 9457).

use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::failure::{Failure, FailureKind};

/// The media type of problems.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// Why a request was not answered as it was meant to be.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A name of the kind; nothing is to be found under it.
    #[serde(rename = "type")]
    #[schema(examples("urn:orchestrator:problem:not-found"))]
    pub r#type: String,
    /// The kind in words.
    pub title: String,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What was tried, on what, and what came of it.
    pub detail: String,
    /// What can be done next.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hint: Option<String>,
    /// PostgreSQL's five characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sqlstate: Option<String>,
}

impl Problem {
    /// First without secrets, then short: half of a secret is not recognised.
    fn of(failure: Failure, status: StatusCode, redactor: impl Fn(&str) -> String) -> Self {
        let failure = Failure {
            message: redactor(&failure.message),
            detail: failure.detail.as_deref().map(&redactor),
            hint: failure.hint.as_deref().map(&redactor),
            ..failure
        }
        .shortened();
        Self {
            r#type: format!("urn:orchestrator:problem:{}", failure.kind.name()),
            title: failure.kind.name().replace('-', " "),
            status: status.as_u16(),
            detail: match &failure.detail {
                Some(detail) => format!("{}; {detail}", failure.message),
                None => failure.message,
            },
            hint: failure.hint,
            sqlstate: failure.sqlstate,
        }
    }
}

/// An answer that is no success.
#[derive(Debug)]
pub(super) struct Rejection {
    status: StatusCode,
    failure: Failure,
}

impl Rejection {
    /// With another status than the failure's kind has.
    pub fn new(status: StatusCode, failure: Failure) -> Self {
        Self { status, failure }
    }

    /// The request itself is at fault, in a way that HTTP has a status of its own for.
    pub fn request(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = match status {
            StatusCode::NOT_FOUND => FailureKind::NotFound,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => FailureKind::Refused,
            StatusCode::PAYLOAD_TOO_LARGE => FailureKind::LimitExceeded,
            _ => FailureKind::InvalidInput,
        };
        Self::new(status, Failure::new(kind, message))
    }

    /// Says what can be done next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.failure.hint = Some(hint.into());
        self
    }
}

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        let status = match failure.kind {
            FailureKind::InvalidInput => StatusCode::BAD_REQUEST,
            FailureKind::NotFound => StatusCode::NOT_FOUND,
            FailureKind::Refused => StatusCode::FORBIDDEN,
            FailureKind::AlreadyExists | FailureKind::Conflict | FailureKind::Cancelled => {
                StatusCode::CONFLICT
            }
            FailureKind::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            FailureKind::Unavailable | FailureKind::Timeout => StatusCode::SERVICE_UNAVAILABLE,
            FailureKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            FailureKind::Corrupt | FailureKind::Database | FailureKind::Internal => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self { status, failure }
    }
}

/// What the redactor of the project has to see yet: put beside an answer, taken by [`redact`].
#[derive(Clone, Debug)]
pub(super) struct Unredacted(Failure, StatusCode);

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response
            .extensions_mut()
            .insert(Unredacted(self.failure, self.status));
        response
    }
}

/// Writes the body of a failed answer, without secrets; also of those that the router gave itself.
pub(super) async fn redact(
    redactor: impl Fn(&str) -> String,
    request: Request,
    next: Next,
) -> Response {
    let asked = format!("{} {}", request.method(), request.uri().path());
    let mut response = next.run(request).await;
    let status = response.status();
    let Unredacted(failure, status) = match response.extensions_mut().remove::<Unredacted>() {
        Some(unredacted) => unredacted,
        None if status == StatusCode::METHOD_NOT_ALLOWED => Unredacted(
            Failure::invalid_input(format!("there is no {asked}"))
                .hint("the header Allow says what there is"),
            status,
        ),
        None => return response,
    };
    let problem = Problem::of(failure, status, redactor);
    let mut answer = (status, Json(problem)).into_response();
    // What belongs to the status: Allow, WWW-Authenticate, Retry-After.
    for (name, value) in response.headers() {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"orchestrator\""),
        );
    }
    if matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    ) {
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_before_it_is_cut_in_half() {
        let redactor = |text: &str| text.replace("hunter2hunter2", "[redacted]");
        let long = "x".repeat(4_090) + "hunter2hunter2";
        let failure = Failure::internal(long.clone())
            .detail(long.clone())
            .hint(long);
        let problem = Problem::of(failure, StatusCode::INTERNAL_SERVER_ERROR, redactor);
        let text = serde_json::to_string(&problem).unwrap();
        assert!(!text.contains("hunter"), "{text}");
        assert!(problem.hint.unwrap().ends_with("…"), "it is still cut");
    }
}
