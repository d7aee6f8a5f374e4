//! Against receivers that fail, hang, refuse and redirect.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::extract::Request as Received;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::Value;

use super::lanes::QUEUE;
use super::*;
use crate::config::Sources;
use crate::database::ProcessEnvironment;
use crate::deployment_log::ErrorRecord;
use crate::failure::Failure;

const KEY: &str = "hunter2hunter2hunter2";

#[derive(Default)]
struct Kept(Mutex<Vec<DeliveryRecord>>);

#[async_trait]
impl Recorder for Kept {
    async fn record(&self, records: &[DeliveryRecord]) -> Result<(), Failure> {
        guard(&self.0).extend_from_slice(records);
        Ok(())
    }
}

type Request = (String, HeaderMap, String);

/// Answers the requests in turn; the last answer serves for all others. Status 0 hangs.
async fn receiver(
    answers: Vec<(u16, &'static str, &'static str)>,
) -> (String, Arc<Mutex<Vec<Request>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    let answer = move |request: Received| {
        let (kept, answers) = (kept.clone(), answers.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let body = String::from_utf8(body.to_vec()).unwrap();
            let count = {
                let mut kept = guard(&kept);
                kept.push((parts.uri.to_string(), parts.headers, body.clone()));
                kept.len()
            };
            let (status, name, value) = answers[(count - 1).min(answers.len() - 1)];
            if status == 0 {
                std::future::pending::<()>().await;
            }
            let status = StatusCode::from_u16(status).unwrap();
            (
                status,
                [(name, value)],
                format!("said {} {body}", parts.uri),
            )
                .into_response()
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (address, seen)
}

fn targets(text: &str) -> BTreeMap<Name, NotifyTarget> {
    let sources = Sources {
        file: None,
        environment: None,
        working_folder: Path::new("/srv"),
        process: &ProcessEnvironment::of([]),
    };
    Config::parse(text, Some(Path::new("orchestrator.toml")), &sources)
        .unwrap()
        .notify
}

fn webhook(name: &str, address: &str) -> String {
    format!("[notify.{name}]\nkind = \"webhook\"\nurl = \"{address}/{KEY}\"\ntimeout = \"3s\"\n")
}

const QUICK: Pace = Pace {
    attempt: Duration::from_secs(1),
    first_pause: Duration::from_millis(20),
    attempts: 4,
};

fn start(text: &str) -> (Notifications, Arc<Kept>, Vec<Name>) {
    let (targets, kept, redactor) = (
        targets(text),
        Arc::new(Kept::default()),
        Redactor::default(),
    );
    redactor.register(KEY);
    let names = targets.keys().cloned().collect();
    (
        Notifications::start_at(targets, redactor, kept.clone(), QUICK),
        kept,
        names,
    )
}

fn failed() -> Notice {
    Notice {
        kind: NoticeKind::Failed,
        job: "nightly".to_owned(),
        error: Some(ErrorRecord {
            kind: "database".to_owned(),
            message: format!("<!channel> & {KEY}"),
            ..ErrorRecord::default()
        }),
        ..Notice::test("production")
    }
}

async fn sent(text: &str, grace: Duration) -> Vec<DeliveryRecord> {
    let (notifications, kept, names) = start(text);
    notifications.send(&names, failed());
    notifications.finish(grace).await;
    let records = guard(&kept.0).clone();
    assert!(!format!("{records:?}").contains(KEY), "{records:?}");
    records
}

#[tokio::test]
async fn a_webhook_that_fails_twice() {
    let (address, seen) = receiver(vec![
        (503, "x-a", "b"),
        (500, "x-a", "b"),
        (204, "x-a", "b"),
    ])
    .await;
    let text = webhook("ops", &address)
        + "headers = { Authorization = \"Bearer s3cret-of-the-header\" }\n";
    let records = sent(&text, Duration::from_secs(10)).await;
    assert_eq!(
        (records[0].outcome, records[0].attempts),
        (DeliveryOutcome::Sent, 3),
        "{records:?}"
    );
    let seen = guard(&seen);
    let bodies: Vec<Value> = seen
        .iter()
        .map(|(_, _, body)| serde_json::from_str(body).unwrap())
        .collect();
    assert_eq!(bodies[0], bodies[2], "the same id in every attempt");
    assert_eq!(
        (&bodies[0]["version"], &bodies[0]["kind"]),
        (&1.into(), &"failed".into())
    );
    assert_eq!(bodies[0]["error"]["message"], "<!channel> & [redacted]");
    assert_eq!(seen[0].1["authorization"], "Bearer s3cret-of-the-header");
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    let (address, seen) = receiver(vec![(400, "x-a", "b")]).await;
    let records = sent(&webhook("ops", &address), Duration::from_secs(10)).await;
    assert_eq!(
        (records[0].outcome, records[0].attempts),
        (DeliveryOutcome::Failed, 1)
    );
    assert!(
        records[0]
            .error
            .as_ref()
            .unwrap()
            .starts_with("it answered 400 Bad Request: said /[redacted]"),
        "{records:?}"
    );
    assert_eq!(guard(&seen).len(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, elsewhere) = receiver(vec![(200, "x-a", "b")]).await;
    let location: &'static str = Box::leak(format!("{other}/{KEY}").into_boxed_str());
    let (address, _) = receiver(vec![(307, "location", location)]).await;
    let records = sent(&webhook("ops", &address), Duration::from_secs(10)).await;
    assert_eq!(
        (records[0].outcome, records[0].attempts),
        (DeliveryOutcome::Failed, 1)
    );
    assert!(
        records[0]
            .error
            .as_ref()
            .unwrap()
            .contains("redirects to 127.0.0.1"),
        "{records:?}"
    );
    assert!(guard(&elsewhere).is_empty());
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let (address, _) = receiver(vec![(429, "retry-after", "1"), (200, "x-a", "b")]).await;
    let begun = Instant::now();
    let records = sent(&webhook("ops", &address), Duration::from_secs(10)).await;
    assert_eq!(
        (records[0].outcome, records[0].attempts),
        (DeliveryOutcome::Sent, 2)
    );
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // A pause beyond the target's timeout is not begun.
    let (address, _) = receiver(vec![(429, "retry-after", "3600")]).await;
    let begun = Instant::now();
    let records = sent(&webhook("ops", &address), Duration::from_secs(10)).await;
    assert_eq!(
        (records[0].outcome, records[0].attempts),
        (DeliveryOutcome::Failed, 1)
    );
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn an_endless_pause_costs_one_notice() {
    let (address, _) = receiver(vec![
        (503, "retry-after", "18446744073709551615"),
        (200, "x-a", "b"),
    ])
    .await;
    let (notifications, kept, names) = start(&webhook("ops", &address));
    for _ in 0..3 {
        notifications.send(&names, failed());
    }
    notifications.finish(Duration::from_secs(10)).await;
    assert_eq!(outcomes(&kept), [("failed", 1), ("sent", 1), ("sent", 1)]);
}

fn outcomes(kept: &Kept) -> Vec<(&'static str, u32)> {
    let kept = guard(&kept.0);
    let outcome = |record: &DeliveryRecord| match record.outcome {
        DeliveryOutcome::Sent => ("sent", record.attempts),
        DeliveryOutcome::Failed => ("failed", record.attempts),
        DeliveryOutcome::NotSent => ("not sent", record.attempts),
    };
    kept.iter().map(outcome).collect()
}

#[tokio::test]
async fn a_panic_costs_one_notice() {
    let (address, seen) = receiver(vec![(200, "x-a", "b")]).await;
    let text = webhook("ops", &address);
    let (notifications, kept, names) = start(&text);
    let name = &names[0];
    let delivery = Delivery::notice(name, &targets(&text)[name], &failed(), &Redactor::default());
    let lanes = &notifications.0.lanes;
    lanes.enqueue(name.to_string(), delivery.panicking());
    notifications.send(&names, failed());
    notifications.finish(Duration::from_secs(10)).await;
    assert_eq!(outcomes(&kept), [("failed", 1), ("sent", 1)]);
    assert_eq!(guard(&seen).len(), 1);
}

#[tokio::test]
async fn a_lane_whose_task_is_gone_has_a_successor() {
    let (address, _) = receiver(vec![(200, "x-a", "b")]).await;
    let (notifications, kept, names) = start(&webhook("ops", &address));
    let (sender, queue) = tokio::sync::mpsc::channel(QUEUE);
    drop(queue);
    guard(notifications.0.lanes.open())
        .as_mut()
        .unwrap()
        .insert(names[0].to_string(), sender);
    notifications.send(&names, failed());
    assert_eq!(notifications.dropped(), 0);
    notifications.finish(Duration::from_secs(10)).await;
    assert_eq!(outcomes(&kept), [("sent", 1)]);
}

/// What a configuration that is read again brings along.
fn reload(notifications: &Notifications, text: &str) -> Arc<Kept> {
    let (kept, redactor) = (Arc::new(Kept::default()), Redactor::default());
    redactor.register(KEY);
    notifications.reload_with(targets(text), redactor, kept.clone());
    kept
}

#[tokio::test]
async fn a_reload_loses_no_notice_and_keeps_their_order() {
    let (address, seen) = receiver(vec![(503, "x-a", "b"), (200, "x-a", "b")]).await;
    let text = webhook("ops", &address);
    let (notifications, kept, names) = start(&text);
    for job in ["first", "second"] {
        let job = job.to_owned();
        notifications.send(&names, Notice { job, ..failed() });
    }
    // `on` is another; where and how is the same, so that it is the same lane.
    let after = reload(&notifications, &(text + "on = [\"failed\", \"started\"]\n"));
    for kind in [NoticeKind::Started, NoticeKind::Succeeded] {
        let job = "third".to_owned();
        notifications.send(
            &names,
            Notice {
                job,
                kind,
                ..failed()
            },
        );
    }
    notifications.finish(Duration::from_secs(10)).await;
    let jobs: Vec<Value> = guard(&seen)
        .iter()
        .map(|(_, _, body)| serde_json::from_str::<Value>(body).unwrap()["job"].clone())
        .collect();
    assert_eq!(jobs, ["first", "first", "second", "third"]);
    // The one that is told of now records what comes now.
    assert_eq!(outcomes(&kept), []);
    assert_eq!(outcomes(&after), [("sent", 2), ("sent", 1), ("sent", 1)]);
}

#[tokio::test]
async fn a_target_that_is_told_in_another_way_waits_for_nothing_old() {
    let (slow, _) = receiver(vec![(0, "x-a", "b")]).await;
    let (quick, seen) = receiver(vec![(200, "x-a", "b")]).await;
    let (notifications, _, names) = start(&(webhook("gone", &slow) + &webhook("ops", &slow)));
    notifications.send(&names, failed());
    let after = reload(&notifications, &webhook("ops", &quick));
    let begun = Instant::now();
    notifications.send(&names[1..], failed());
    while guard(&seen).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it waited");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Those that were parted with have their own time, and the end waits for them.
    let given_up = outcomes(&after)
        .iter()
        .filter(|(outcome, _)| *outcome == "failed")
        .count();
    assert_eq!(given_up, 0, "it waited");
    notifications.finish(Duration::from_secs(10)).await;
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let mut all = outcomes(&after);
    all.sort_unstable();
    assert_eq!(
        all.iter().map(|(outcome, _)| *outcome).collect::<Vec<_>>(),
        ["failed", "failed", "sent"]
    );
}

#[tokio::test]
async fn a_target_that_hangs_holds_up_nobody() {
    let (slow, _) = receiver(vec![(0, "x-a", "b")]).await;
    let (quick, seen) = receiver(vec![(200, "x-a", "b")]).await;
    let (notifications, kept, names) =
        start(&(webhook("hangs", &slow).replace("3s", "60s") + &webhook("quick", &quick)));
    let begun = Instant::now();
    for _ in 0..10 {
        notifications.send(&names, failed());
    }
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the caller waited"
    );
    while guard(&seen).len() < 10 {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the quick one waited"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    notifications.finish(Duration::from_millis(100)).await;
    let records = guard(&kept.0).clone();
    let hung: Vec<_> = records
        .iter()
        .filter(|record| record.target == "hangs")
        .collect();
    assert_eq!((records.len(), hung.len()), (20, 10));
    assert!(
        hung.iter()
            .all(|record| record.outcome == DeliveryOutcome::NotSent),
        "{hung:?}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_counted() {
    let (address, _) = receiver(vec![(0, "x-a", "b")]).await;
    let (notifications, kept, names) = start(&webhook("ops", &address));
    for _ in 0..QUEUE + 5 {
        notifications.send(&names, failed());
    }
    assert_eq!(notifications.dropped(), 5);
    notifications.finish(Duration::ZERO).await;
    assert_eq!(guard(&kept.0).len(), QUEUE + 5);
}

#[tokio::test]
async fn slack_and_what_nobody_asked_for() {
    let (address, seen) = receiver(vec![(200, "x-a", "b")]).await;
    let text =
        format!("[notify.chat]\nkind = \"slack\"\nurl = \"{address}/{KEY}\"\non = [\"failed\"]\n");
    let (notifications, kept, names) = start(&text);
    notifications.send(
        &names,
        Notice {
            kind: NoticeKind::Started,
            ..failed()
        },
    );
    notifications.send(&names, failed());
    notifications.finish(Duration::from_secs(10)).await;
    assert_eq!(guard(&kept.0).len(), 1);
    let body: Value = serde_json::from_str(&guard(&seen)[0].2).unwrap();
    assert!(
        body["text"]
            .as_str()
            .unwrap()
            .starts_with("[production] nightly failed on "),
        "{body}"
    );
    assert_eq!(body["attachments"][0]["color"], "danger");
    assert!(!body.to_string().contains("<!channel>"), "{body}");
}

#[tokio::test]
async fn pings_in_their_order() {
    let (address, seen) = receiver(vec![(200, "x-a", "b")]).await;
    let (notifications, kept, _) = start("");
    let ping = Ping::parse(&format!("{address}/{KEY}")).unwrap();
    let run = Uuid::now_v7();
    notifications.ping(&ping, Phase::Start, Some(run));
    notifications.ping(&ping, Phase::Success, Some(run));
    notifications.ping(&ping, Phase::Fail, None);
    notifications.finish(Duration::from_secs(10)).await;
    let paths: Vec<String> = guard(&seen)
        .iter()
        .map(|(path, _, _)| path.clone())
        .collect();
    let expected = [
        format!("/{KEY}/start?rid={run}"),
        format!("/{KEY}?rid={run}"),
        format!("/{KEY}/fail"),
    ];
    assert_eq!(paths, expected);
    assert!(!format!("{:?}{ping:?}", guard(&kept.0)).contains(KEY));
}
