//! `/events`: what happens, as it happens, by Server-Sent Events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::sse::{self, KeepAlive, Sse};
use futures_util::{Stream, stream};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Shared;
use super::input::Named;
use super::problem::{Problem, Rejection};
use super::runs;
use crate::daemon::control::{Event, What};
use crate::deployment_log::RunRecord;
use crate::failure::{Failure, FailureKind};

/// A comment when nothing happens, so that a proxy in between does not end the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One message of a stream.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is written by the library, and described here")]
pub(super) struct Message {
    event: MessageKind,
    /// JSON: an `Event`; of `lagged` an object with the number of events that were `missed`.
    data: String,
}

/// What is told: `lagged` when the reader was too slow for what came before.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[allow(dead_code, reason = "as above")]
enum MessageKind {
    Started,
    StepBegan,
    Progress,
    StepEnded,
    Ended,
    Lagged,
}

/// What happens to all runs of this daemon from now on, as Server-Sent Events
///
/// Named `started`, `step-began`, `progress`, `step-ended` and `ended`, with an `Event` as data; `lagged` with the number of events that a slow
/// reader has missed.
#[utoipa::path(
    get,
    operation_id = "follow_all",
    path = "/events",
    tag = "events",
    responses(
        (status = 200, description = "A stream that goes on until the connection or the daemon ends", body = Message, content_type = "text/event-stream"),
    )
)]
pub(super) async fn all(State(shared): State<Shared>) -> Result<impl IntoResponse, Rejection> {
    let place = place(&shared)?;
    let events = shared.control.events();
    Ok(stream_of(follow(shared, Follow::new(events, None, place))))
}

/// What happens to one run, until it has ended
///
/// As `/events`; of a run that is over, its end alone.
#[utoipa::path(
    get,
    operation_id = "follow_run",
    path = "/runs/{run}/events",
    tag = "events",
    params(("run" = String, Path, format = "uuid", description = "The run's id")),
    responses(
        (status = 200, description = "A stream that ends with the event `ended`", body = Message, content_type = "text/event-stream"),
        (status = 400, description = "That is no id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such run", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Another machine runs it", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn of_run(
    State(shared): State<Shared>,
    Named(run): Named<Uuid>,
) -> Result<impl IntoResponse, Rejection> {
    let place = place(&shared)?;
    // Before it is looked for: what happens in between is in the stream.
    let events = shared.control.events();
    let mut following = Follow::new(events, Some(run), place);
    if !is_under_way(&shared, run) {
        let record = runs::record(&shared, run).await?;
        if !record.status.is_closed() {
            return Err(Failure::conflict(format!(
                "the run {run} is not under way in this daemon: {} runs it",
                record.host
            ))
            .hint(format!("GET /api/v1/runs/{run} says when it has ended"))
            .into());
        }
        following.last_words = Some(last_words(record));
    }
    Ok(stream_of(follow(shared, following)))
}

fn is_under_way(shared: &Shared, run: Uuid) -> bool {
    shared.control.running().iter().any(|one| one.run == run)
}

/// The end of a run that is over.
fn last_words(record: RunRecord) -> Event {
    Event {
        run: record.run_id,
        job: record.job,
        at: record.finished.unwrap_or_else(Timestamp::now),
        what: What::Ended {
            status: record.status,
        },
    }
}

fn place(shared: &Shared) -> Result<OwnedSemaphorePermit, Rejection> {
    shared.streams.clone().try_acquire_owned().map_err(|_| {
        Rejection::new(
            StatusCode::SERVICE_UNAVAILABLE,
            Failure::new(
                FailureKind::LimitExceeded,
                format!("{} streams of events are open already", super::STREAMS),
            )
            .hint("end one of them, or ask for the run now and then"),
        )
    })
}

/// One reader of events.
struct Follow {
    events: Receiver<Event>,
    run: Option<Uuid>,
    /// Told in place of what happens.
    last_words: Option<Event>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Follow {
    fn new(events: Receiver<Event>, run: Option<Uuid>, place: OwnedSemaphorePermit) -> Self {
        Self {
            events,
            run,
            last_words: None,
            is_over: false,
            _place: place,
        }
    }

    /// Nothing more happens: this is told, and then nothing.
    fn end(&mut self, last_words: Option<Event>) {
        self.is_over = last_words.is_none();
        self.last_words = last_words;
    }

    /// What is told next; `None` at the end.
    async fn next(&mut self) -> Option<Told> {
        if self.is_over {
            return None;
        }
        if let Some(event) = self.last_words.take() {
            self.is_over = true;
            return Some(Told::Event(event));
        }
        loop {
            match self.events.recv().await {
                Ok(event) if self.run.is_some_and(|run| run != event.run) => {}
                Ok(event) => {
                    self.is_over = self.run.is_some() && matches!(event.what, What::Ended { .. });
                    return Some(Told::Event(event));
                }
                Err(RecvError::Lagged(missed)) => return Some(Told::Lagged(missed)),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[derive(Debug)]
enum Told {
    Event(Event),
    Lagged(u64),
}

impl Told {
    /// The name of the message, and its data.
    fn said(&self) -> (&'static str, Value) {
        match self {
            Self::Event(event) => (event.what.name(), json!(event)),
            Self::Lagged(missed) => ("lagged", json!({ "missed": missed })),
        }
    }
}

fn follow(shared: Shared, following: Follow) -> impl Stream<Item = Result<sse::Event, Infallible>> {
    stream::unfold((shared, following), |(shared, mut following)| async move {
        let told = shared
            .stopping
            .run_until_cancelled(following.next())
            .await??;
        // Its end may be among what was missed, and would never come.
        if let (Told::Lagged(_), Some(run)) = (&told, following.run)
            && !is_under_way(&shared, run)
        {
            let record = runs::record(&shared, run).await;
            following.end(record.ok().map(last_words));
        }
        let (name, mut data) = told.said();
        shared.control.project().log.redactor().json(&mut data);
        // JSON has no line breaks, which is all that an event cannot hold.
        let event = sse::Event::default().event(name).data(data.to_string());
        Some((Ok(event), (shared, following)))
    })
}

fn stream_of<S>(events: S) -> impl IntoResponse
where
    S: Stream<Item = Result<sse::Event, Infallible>> + Send + 'static,
{
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Semaphore, broadcast};

    use super::*;
    use crate::deployment_log::Status;

    fn ended(run: Uuid) -> Event {
        Event {
            run,
            job: "backup".to_owned(),
            at: Timestamp::now(),
            what: What::Ended {
                status: Status::Succeeded,
            },
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_how_much_it_missed() {
        let (sender, events) = broadcast::channel(4);
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().try_acquire_owned().expect("a place");
        let mut following = Follow::new(events, None, place);
        let runs: Vec<Uuid> = (0..10).map(|_| Uuid::now_v7()).collect();
        for run in &runs {
            sender.send(ended(*run)).expect("a reader");
        }
        let told = following.next().await.expect("more");
        assert_eq!(told.said(), ("lagged", json!({ "missed": 6 })));
        for run in &runs[6..] {
            let (name, data) = following.next().await.expect("more").said();
            assert_eq!((name, &data["run"]), ("ended", &json!(run)));
        }
        drop(sender);
        assert!(following.next().await.is_none());
        drop(following);
        assert_eq!(places.available_permits(), 1, "its place is free again");
    }
    #[tokio::test]
    async fn a_stream_whose_end_was_missed_ends_all_the_same() {
        let (sender, events) = broadcast::channel(2);
        let places = Arc::new(Semaphore::new(1));
        let run = Uuid::now_v7();
        let place = places.clone().try_acquire_owned().expect("a place");
        let mut following = Follow::new(events, Some(run), place);
        sender.send(ended(run)).expect("a reader");
        for _ in 0..4 {
            sender.send(ended(Uuid::now_v7())).expect("a reader");
        }
        let told = following.next().await.expect("more");
        assert_eq!(told.said().0, "lagged");
        following.end(Some(ended(run)));
        let (name, data) = following.next().await.expect("more").said();
        assert_eq!((name, &data["run"]), ("ended", &json!(run)));
        assert!(following.next().await.is_none());
    }
}
