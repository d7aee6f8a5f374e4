//! What requests say: query, path and body, each refused as a problem.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::problem::Rejection;

/// The part behind the `?`; a name that is not known is refused.
pub(super) struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        match Query::try_from_uri(&parts.uri) {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(bad("the query", &rejection)),
        }
    }
}

/// What stands in the path.
pub(super) struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(bad("the path", &rejection)),
        }
    }
}

/// A JSON document, or nothing at all.
pub(super) struct Said<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, Rejection> {
        let (parts, body) = request.into_parts();
        let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), state)
            .await
            .map_err(|rejection: BytesRejection| {
                Rejection::request(
                    rejection.status(),
                    format!("the body: {}", plain(&rejection)),
                )
            })?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        let request = Request::from_parts(parts, bytes.into());
        match Json::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection @ JsonRejection::MissingJsonContentType(_)) => Err(Rejection::request(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                plain(&rejection),
            )
            .hint("send the header Content-Type: application/json")),
            Err(rejection) => Err(bad("the body", &rejection)),
        }
    }
}

fn bad(what: &str, rejection: &dyn std::error::Error) -> Rejection {
    Rejection::request(
        StatusCode::BAD_REQUEST,
        format!("{what}: {}", plain(rejection)),
    )
    .hint("GET /api/v1/openapi.json says what can be asked")
}

/// The innermost cause: what is around it says that something could not be read.
fn plain(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
