//! Streams of events; what a slow reader is told is tested beside the stream itself.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Version, cache_folder};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{Api, Lock};
use crate::text;

/// Whether each message is what the document says.
const VALIDATE: &str = "import json, sys
from jsonschema_rs import validator_for
given = json.load(sys.stdin)
components = given['document']['components']
validator = validator_for({'$ref': '#/components/schemas/Event', 'components': components})
for message in given['messages']:
    validator.validate(message)";

/// Reads a stream until a message of this name, or to its end.
async fn read(events: &mut Response, until: Option<&str>) -> String {
    let mut told = String::new();
    while until.is_none_or(|name| !told.contains(&format!("event: {name}\ndata: {{"))) {
        let chunk = tokio::time::timeout(Duration::from_secs(60), events.chunk()).await;
        match chunk.expect("it is told in time").expect("a chunk") {
            Some(chunk) => told.push_str(&String::from_utf8_lossy(&chunk)),
            None => break,
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_how_far_it_is_in_the_words_of_the_document() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let document = api.get("/api/v1/openapi.json").await;
    // A backup that waits, so that it goes on for as long as is wanted.
    let lock = Lock::of_users(&server);
    let answer = api
        .ask(Method::POST, "/api/v1/jobs/nightly/runs", &api.runner, None)
        .await;
    let run = text(&answer.json::<Value>().await.expect("JSON")["run"]);
    let path = format!("/api/v1/runs/{run}");
    let ask = async |path: &str| api.ask(Method::GET, path, &api.reader, None).await;
    let mut of_all = ask("/api/v1/events").await;
    let mut of_run = ask(&format!("{path}/events")).await;
    let mut told = read(&mut of_run, Some("progress")).await;
    let cancel = format!("{path}/cancel");
    let cancelled = api.ask(Method::POST, &cancel, &api.runner, None).await;
    assert_eq!(cancelled.status(), 202);
    told += &read(&mut of_run, None).await;
    told += &read(&mut of_all, Some("ended")).await;
    lock.release();
    // One that does all there is, from its beginning.
    let answer = api
        .ask(Method::POST, "/api/v1/jobs/nightly/runs", &api.runner, None)
        .await;
    assert_eq!(answer.status(), 202);
    told += &read(&mut of_all, Some("ended")).await;

    let lines = told.lines().filter_map(|line| line.strip_prefix("data: "));
    let messages: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    for kind in ["started", "step-began", "progress", "step-ended", "ended"] {
        let is_told = messages.iter().any(|one| one["event"]["kind"] == kind);
        assert!(is_told, "{kind} in {told}");
    }
    let mut validator = Command::new(cache_folder().join("schemathesis/bin/python"))
        .args(["-c", VALIDATE])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`make setup` installs it");
    let given = json!({ "document": document, "messages": messages }).to_string();
    let mut pipe = validator.stdin.take().expect("a pipe");
    pipe.write_all(given.as_bytes()).expect("it reads");
    drop(pipe);
    let output = validator.wait_with_output().expect("it ends");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_of_all_runs_and_ends_with_the_daemon() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let mut events = api
        .ask(Method::GET, "/api/v1/events", &api.reader, None)
        .await;
    assert_eq!(events.status(), 200);
    let run = "/api/v1/jobs/nightly/runs";
    let answer = api
        .ask(Method::POST, run, &api.runner, Some(json!({})))
        .await;
    assert_eq!(answer.status(), 202);
    let told = read(&mut events, Some("ended")).await;
    let order = ["event: started", "event: step-began", "event: step-ended"];
    let places: Vec<_> = order.iter().map(|event| told.find(event)).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{told}"
    );
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = events.chunk().await {} });
    let began = Instant::now();
    assert_eq!(api.daemon.stop(), 0);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the daemon does not wait for readers"
    );
    rest.await.expect("the reader ends");
}
