//! One notice on its way to one target: attempts, pauses, an end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use backon::{ExponentialBuilder, Retryable};
use reqwest::header::HeaderName;
use secrecy::SecretString;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::email::Mail;
use super::notice::{LONGEST, Notice, Phase, clean};
use super::recording::{DeliveryOutcome, DeliveryRecord};
use super::{guard, http, slack, webhook};
use crate::config::{Channel, Name, NotifyTarget};
use crate::deployment_log::Redactor;
use crate::schedules::Ping;
use crate::secret_url::SecretUrl;
use crate::text::shortened;

/// How long a ping may take, with all its attempts.
pub(super) const PING: Duration = Duration::from_secs(120);

/// How attempts follow each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// Doubled from attempt to attempt.
    pub first_pause: Duration,
    pub attempts: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(15),
            first_pause: Duration::from_secs(1),
            attempts: 6,
        }
    }
}

/// One notice, one target.
pub(super) struct Delivery {
    id: Uuid,
    target: String,
    kind: &'static str,
    run: Option<Uuid>,
    /// For all attempts.
    limit: Duration,
    payload: Payload,
    /// Of the configuration that it is from: it knows the secrets that an answer may repeat.
    redactor: Redactor,
    attempts: AtomicU32,
}

enum Payload {
    Http(Request),
    Email(Box<Mail>),
    Unusable(&'static str),
    #[cfg(test)]
    Panics,
}

/// What is posted where.
pub(super) struct Request {
    pub url: SecretUrl,
    pub headers: Vec<(HeaderName, SecretString)>,
    pub content_type: &'static str,
    pub body: String,
}

/// Why an attempt failed, and whether another may succeed.
#[derive(Debug)]
pub(super) struct AttemptError {
    pub message: String,
    pub passing: bool,
    /// What the other side asked for.
    pub after: Option<Duration>,
}

impl AttemptError {
    pub fn passing(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            passing: true,
            after: None,
        }
    }

    pub fn lasting(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            passing: false,
            after: None,
        }
    }
}

impl Delivery {
    pub fn notice(
        name: &Name,
        target: &NotifyTarget,
        notice: &Notice,
        redactor: &Redactor,
    ) -> Self {
        let id = Uuid::now_v7();
        let json = |url: &SecretUrl, headers: &[_], body: serde_json::Value| {
            Payload::Http(Request {
                url: url.clone(),
                headers: headers.to_vec(),
                content_type: "application/json",
                body: body.to_string(),
            })
        };
        let payload = match &target.channel {
            Channel::Webhook { url, headers } => json(url, headers, webhook::body(id, notice)),
            Channel::Slack { url } => json(url, &[], slack::body(notice)),
            Channel::Email(settings) => Payload::Email(Box::new(Mail::new(settings, id, notice))),
        };
        Self {
            id,
            target: name.to_string(),
            kind: notice.kind.as_str(),
            run: notice.run,
            limit: target.timeout,
            payload,
            redactor: redactor.clone(),
            attempts: AtomicU32::new(0),
        }
    }

    /// In the way of healthchecks.io: URL/start, URL, URL/fail, with the run's id as `rid`.
    pub fn ping(ping: &Ping, phase: Phase, run: Option<Uuid>, redactor: &Redactor) -> Self {
        let (kind, end) = match phase {
            Phase::Start => ("ping start", Some("start")),
            Phase::Success => ("ping success", None),
            Phase::Fail => ("ping fail", Some("fail")),
        };
        let payload = match ping_url(ping.url(), end, run) {
            Ok(url) => Payload::Http(Request {
                url,
                headers: Vec::new(),
                content_type: "text/plain; charset=utf-8",
                body: format!("orchestrator: {}\n", kind.trim_start_matches("ping ")),
            }),
            Err(problem) => Payload::Unusable(problem),
        };
        Self {
            id: Uuid::now_v7(),
            target: ping.url().host(),
            kind,
            run,
            limit: PING,
            payload,
            redactor: redactor.clone(),
            attempts: AtomicU32::new(0),
        }
    }

    /// Tries until it is sent, cannot be, may take no longer, or the program stops.
    pub async fn deliver(
        &self,
        client: &Result<reqwest::Client, String>,
        pace: Pace,
        stop: &CancellationToken,
    ) -> DeliveryRecord {
        let begun = Instant::now();
        let last = Mutex::new(String::new());
        let attempt = || async {
            self.attempts.fetch_add(1, Ordering::Relaxed);
            timeout(pace.attempt, self.attempt(client))
                .await
                .unwrap_or_else(|_| {
                    Err(AttemptError::passing(format!(
                        "no answer within {} s",
                        pace.attempt.as_secs()
                    )))
                })
        };
        let backoff = ExponentialBuilder::new()
            .with_min_delay(pace.first_pause)
            .with_max_delay(Duration::from_secs(30))
            .with_max_times(pace.attempts.saturating_sub(1))
            .with_jitter();
        let tried = attempt
            .retry(backoff)
            .sleep(tokio::time::sleep)
            .when(|error| error.passing)
            .notify(|error, _| guard(&last).clone_from(&error.message))
            // A pause that outlasts the limit is not begun.
            .adjust(|error, pause| {
                let pause = pause?.max(error.after.unwrap_or_default());
                (begun.elapsed().saturating_add(pause) < self.limit).then_some(pause)
            });
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err((DeliveryOutcome::NotSent, "the program stopped before it was sent".to_owned())),
            ended = timeout(self.limit, tried) => match ended {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err((DeliveryOutcome::Failed, error.message)),
                Err(_) => {
                    let last = guard(&last);
                    let why = if last.is_empty() { "no answer".to_owned() } else { last.clone() };
                    Err((DeliveryOutcome::Failed, format!("{why} (given up after {:.0?})", self.limit)))
                }
            },
        };
        let (outcome, error) = match ended {
            Ok(()) => (DeliveryOutcome::Sent, None),
            Err((outcome, error)) => (outcome, Some(error)),
        };
        self.record(outcome, error)
    }

    /// It was not even tried.
    pub fn not_sent(&self, why: &str) -> DeliveryRecord {
        self.record(DeliveryOutcome::NotSent, Some(why.to_owned()))
    }

    /// Sending it has panicked.
    pub fn broken(&self) -> DeliveryRecord {
        let why = "a mistake in this program has cut it short; please report it, with what stands on stderr";
        self.record(DeliveryOutcome::Failed, Some(why.to_owned()))
    }

    #[cfg(test)]
    pub fn panicking(mut self) -> Self {
        self.payload = Payload::Panics;
        self
    }

    async fn attempt(&self, client: &Result<reqwest::Client, String>) -> Result<(), AttemptError> {
        match &self.payload {
            Payload::Http(request) => {
                let client = client.as_ref().map_err(AttemptError::lasting)?;
                http::send(client, request, &self.redactor).await
            }
            Payload::Email(mail) => mail.send().await,
            Payload::Unusable(problem) => Err(AttemptError::lasting(*problem)),
            #[cfg(test)]
            Payload::Panics => panic!("as a test wants it"),
        }
    }

    fn record(&self, outcome: DeliveryOutcome, error: Option<String>) -> DeliveryRecord {
        DeliveryRecord {
            id: self.id,
            time: crate::deployment_log::now(),
            target: self.target.clone(),
            kind: self.kind.to_owned(),
            run: self.run,
            attempts: self.attempts.load(Ordering::Relaxed),
            outcome,
            error: error.map(|error| shortened(&clean(&error, &self.redactor), LONGEST)),
        }
    }
}

fn ping_url(
    url: &SecretUrl,
    end: Option<&str>,
    run: Option<Uuid>,
) -> Result<SecretUrl, &'static str> {
    let mut url = url.expose()?;
    if let Some(end) = end {
        let mut path = url.path_segments_mut().map_err(|()| "it is no URL")?;
        path.pop_if_empty().push(end);
    }
    if let Some(run) = run {
        url.query_pairs_mut().append_pair("rid", &run.to_string());
    }
    SecretUrl::parse(url.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_pings() {
        let shown = |url: &str, end| {
            let url = ping_url(&SecretUrl::parse(url).unwrap(), end, Some(Uuid::nil())).unwrap();
            url.expose().unwrap().to_string()
        };
        let nil = "rid=00000000-0000-0000-0000-000000000000";
        assert_eq!(
            shown("https://hc/abc", Some("start")),
            format!("https://hc/abc/start?{nil}")
        );
        assert_eq!(
            shown("https://hc/abc/?create=1", Some("fail")),
            format!("https://hc/abc/fail?create=1&{nil}")
        );
        assert_eq!(
            shown("https://hc/abc", None),
            format!("https://hc/abc?{nil}")
        );
    }
}
