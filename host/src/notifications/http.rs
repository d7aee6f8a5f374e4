//! One request to a webhook or a dead man's switch.

use std::error::Error as _;
use std::time::{Duration, SystemTime};

use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;

use super::delivery::{AttemptError, Request};
use super::notice::clean;
use crate::deployment_log::Redactor;
use crate::text::shortened;

/// How much of a refusal is told, in bytes.
const TOLD: usize = 300;
/// How much of it is read: more than is told, so that what is told holds no secret that was cut.
const READ: usize = 8192;
/// The end of what was cut is not told: it may be the beginning of a secret.
const END: usize = 2048;

/// A longer pause is none that anybody waits for.
const LONGEST_PAUSE: Duration = Duration::from_secs(7 * 86_400);

/// Follows no redirect: the address and its headers are secrets, and a redirected POST comes without its body.
pub(super) fn client() -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(10))
        .user_agent(concat!("orchestrator/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| format!("starting the HTTP client: {}", told(&error)))
}

pub(super) async fn send(
    client: &reqwest::Client,
    request: &Request,
    redactor: &Redactor,
) -> Result<(), AttemptError> {
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
        status => Err(refused(status, response, redactor).await),
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

async fn refused(status: StatusCode, mut response: Response, redactor: &Redactor) -> AttemptError {
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| retry_after(value.to_str().ok()?));
    let mut answer = Vec::new();
    while answer.len() <= READ
        && let Ok(Some(chunk)) = response.chunk().await
    {
        answer.extend_from_slice(&chunk);
    }
    let said = match told_of(&answer, redactor) {
        said if said.is_empty() => said,
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

/// The beginning of an answer, without secrets and in one line.
fn told_of(answer: &[u8], redactor: &Redactor) -> String {
    let is_cut = answer.len() > READ;
    let answer = &answer[..answer.len().min(READ)];
    let mut said = clean(&String::from_utf8_lossy(answer), redactor);
    if is_cut {
        said.truncate(said.floor_char_boundary(said.len().saturating_sub(END)));
    }
    shortened(said.replace('\n', " ").trim(), TOLD)
}

/// Seconds, or a date (RFC 9110, section 10.2.3).
fn retry_after(value: &str) -> Option<Duration> {
    let value = value.trim();
    let pause = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit are a long time, too.
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let date = jiff::fmt::rfc2822::parse(value).ok()?;
        let time = SystemTime::from(date.timestamp());
        time.duration_since(SystemTime::now()).unwrap_or_default()
    };
    Some(pause.min(LONGEST_PAUSE))
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
        assert_eq!(retry_after(""), None);
        for endless in ["18446744073709551615", "99999999999999999999999"] {
            assert_eq!(retry_after(endless), Some(LONGEST_PAUSE));
        }
    }

    #[test]
    fn an_answer_is_cut_after_its_secrets_are_gone() {
        const KEY: &str = "hunter2hunter2hunter2";
        let redactor = Redactor::default();
        redactor.register(KEY);
        // Wherever the limits fall into a secret: that of what is told, and that of what is read.
        for before in (TOLD - 30..TOLD + 3).chain(READ - 30..READ + 3) {
            let answer = format!("{}{KEY} and more", " x".repeat(before).split_off(before));
            let said = told_of(answer.as_bytes(), &redactor);
            assert!(!said.contains("hunt"), "{before}: {said}");
            assert!(said.len() <= TOLD + "…".len(), "{before}: {said}");
        }
        // Much of what was read may be secrets, so that its end comes within what is told.
        let answer = KEY.repeat(READ / KEY.len() + 1);
        let said = told_of(answer.as_bytes(), &redactor);
        assert!(!said.contains("hunt"), "{said}");
        // Put together again, when what stood in between is removed.
        assert_eq!(
            told_of(b"hunter2\x1bhunter2hunter2!\n", &redactor),
            "[redacted]!"
        );
    }
}
