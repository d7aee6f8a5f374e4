//! One request to a webhook or a dead man's switch.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;

use super::delivery::{AttemptError, Request};
use crate::text::{printable, shortened};

/// How much of an answer is read, and told when it is a refusal.
const ANSWER: usize = 300;

/// Follows no redirect: the address and its headers are secrets, and a redirected POST comes without its body.
pub(super) fn client() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("starting the HTTP client: {}", told(&error)))
}

pub(super) async fn send(client: &reqwest::Client, request: &Request) -> Result<(), AttemptError> {
    let url = request.url.expose().map_err(AttemptError::lasting)?;
    let mut builder = client
        .post(url)
        .header(CONTENT_TYPE, request.content_type)
        .body(request.body.clone());
    for (name, value) in &request.headers {
        let mut value = HeaderValue::from_str(value.expose_secret())
            .map_err(|_| AttemptError::lasting("a header's value is not usable"))?;
        value.set_sensitive(true);
        builder = builder.header(name, value);
    }
    let response = match builder.send().await {
        Ok(response) => response,
        Err(error) => {
            let error = error.without_url();
            return Err(AttemptError::passing(told(&error)));
        }
    };
    match response.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(AttemptError::lasting(redirected(&response))),
        status => Err(refused(status, response).await),
    }
}

/// A new location may hold a key as the old one does.
fn redirected(response: &Response) -> String {
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    let location = location.and_then(|location| response.url().join(location).ok());
    let host = location
        .as_ref()
        .and_then(url::Url::host_str)
        .unwrap_or("somewhere else");
    format!(
        "it answered {}: it redirects to {host}, which is not followed; write the address that it leads to",
        response.status()
    )
}

async fn refused(status: StatusCode, mut response: Response) -> AttemptError {
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| retry_after(value.to_str().ok()?));
    let mut answer = Vec::new();
    while answer.len() < ANSWER
        && let Ok(Some(chunk)) = response.chunk().await
    {
        answer.extend_from_slice(&chunk);
    }
    let answer = printable(&String::from_utf8_lossy(&answer)).replace('\n', " ");
    let said = match shortened(answer.trim(), ANSWER) {
        said if said.is_empty() => String::new(),
        said => format!(": {said}"),
    };
    let passes = status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
        );
    AttemptError {
        message: format!("it answered {status}{said}"),
        passing: passes,
        after: after.filter(|_| passes),
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value.trim()).ok()?;
    let time = SystemTime::from(date.timestamp());
    Some(time.duration_since(SystemTime::now()).unwrap_or_default())
}

/// reqwest leaves the reason to its sources.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_retry_after() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        assert!(
            retry_after("Tue, 31 Dec 2199 23:59:59 GMT").unwrap() > Duration::from_secs(86_400)
        );
        assert_eq!(retry_after("soon"), None);
        assert_eq!(retry_after("-1"), None);
    }
}
