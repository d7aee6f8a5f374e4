//! What the daemon tells, and whom it answers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use end_to_end::{Project, wait_for};
use reqwest::Client;
use serde_json::{Value, json};

use super::{Running, fires, project, server};
use crate::text;

/// Where the daemon of a project answers, as its log says.
fn address(project: &Project) -> String {
    let mut found = None;
    wait_for("the address of the daemon", || {
        let log = project.read("daemon.log");
        let line = log.lines().find_map(|line| line.split("HTTP at ").nth(1));
        found = line
            .and_then(|rest| rest.split('"').next())
            .map(str::to_owned);
        found.is_some()
    });
    found.expect("an address")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_answers_runs_and_counts() {
    let server = server();
    let project = project(&server);
    let made = [
        "daemon", "token", "ci", "--access", "run", "--output", "json",
    ];
    let made = project.run(made).expect_code(0).json();
    let config = project
        .read("orchestrator.toml")
        .replace("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    project.write(
        "orchestrator.toml",
        &(config + &text(&made["configuration"])),
    );
    project.write(
        "schedules/tick.toml",
        "cron = \"*/2 * * * * *\"\njob = \"tick\"\n",
    );
    let daemon = Running::begin(&project);
    let api = format!("http://{}", address(&project));
    wait_for("a fire", || fires(&server, "state = 'succeeded'") >= 1);
    let client = Client::new();
    let get = async |path: &str| {
        let request = client
            .get(format!("{api}{path}"))
            .bearer_auth(text(&made["token"]));
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.expect("text")
    };
    get("/readyz").await;
    let schedules: Value = serde_json::from_str(&get("/api/v1/schedules").await).expect("JSON");
    let tick = &schedules["schedules"][0];
    assert_eq!(tick["name"], "tick");
    assert!(
        tick["last"]["due"].is_string() && tick["next"][0].is_string(),
        "{tick}"
    );
    let asked = client
        .post(format!("{api}/api/v1/jobs/tick/runs"))
        .bearer_auth(text(&made["token"]))
        .json(&json!({}));
    let answer = asked.send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let place = answer.headers()["location"]
        .to_str()
        .expect("a path")
        .to_owned();
    let mut status = String::new();
    for _ in 0..100 {
        let run: Value = serde_json::from_str(&get(&place).await).expect("JSON");
        status = text(&run["summary"]["status"]);
        if status != "running" {
            assert_eq!(
                (
                    text(&run["summary"]["trigger"]),
                    text(&run["summary"]["actor"])
                ),
                ("api".to_owned(), "ci".to_owned())
            );
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(status, "succeeded");
    tokio::time::sleep(Duration::from_secs(6)).await;
    let metrics = get("/metrics").await;
    for line in [
        "orchestrator_job_last_success_timestamp_seconds{job=\"tick\"}",
        "orchestrator_schedule_next_fire_timestamp_seconds{schedule=\"tick\"",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert_eq!(daemon.stop(), 0);
}

/// Answers everything with 200, and tells the first line and the body of what it was asked.
fn listener() -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = Vec::new();
            let mut piece = [0; 4096];
            let body = loop {
                let Ok(count) = stream.read(&mut piece) else {
                    break None;
                };
                request.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase()
                            .strip_prefix("content-length: ")
                            .map(str::to_owned)
                    })
                    .and_then(|length| length.parse::<usize>().ok())
                    .unwrap_or(0);
                if body.len() >= length || count == 0 {
                    break Some((
                        head.lines().next().unwrap_or_default().to_owned(),
                        body.to_owned(),
                    ));
                }
            };
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            if let Some(asked) = body
                && tell.send(asked).is_err()
            {
                return;
            }
        }
    });
    (address, told)
}

#[test]
fn a_failure_its_end_and_the_pings_are_told() {
    let server = server();
    let project = project(&server);
    let (url, told) = listener();
    let notify = format!(
        "[notify.ops]\nkind = \"webhook\"\nurl = \"{url}/hook\"\non = [\"failed\", \"recovered\"]\n"
    );
    project.write(
        "orchestrator.toml",
        &(project.read("orchestrator.toml") + &notify),
    );
    project.write("seeds/tick.sql", "INSERT INTO nowhere DEFAULT VALUES;\n");
    project.write(
        "schedules/tick.toml",
        &format!("cron = \"* * * * * *\"\njob = \"tick\"\nnotify = [\"ops\"]\nping = \"{url}/the-key-of-a-check\"\n"),
    );
    let daemon = Running::begin(&project);
    let mut seen = Vec::new();
    let mut wait = |line: &str, kind: &str| {
        loop {
            let (first, body) = told
                .recv_timeout(Duration::from_secs(30))
                .unwrap_or_else(|_| panic!("{line} {kind} did not come, but {seen:?}"));
            let hit = first.contains(line) && body.contains(kind);
            seen.push((first, body));
            if hit {
                return;
            }
        }
    };
    wait("/the-key-of-a-check/start", "");
    wait("/hook", "\"failed\"");
    wait("/the-key-of-a-check/fail", "");
    project.write("seeds/tick.sql", "INSERT INTO ticks DEFAULT VALUES;\n");
    wait("/hook", "\"recovered\"");
    assert_eq!(daemon.stop(), 0);
    project
        .run(["notify", "test", "--ping", "tick"])
        .expect_code(0);
    wait("/the-key-of-a-check/start", "");
    project
        .run(["notify", "test", "--ping", "tock"])
        .expect_code(2);
    let sent = "SELECT count(*) FROM orchestrator.notifications WHERE outcome = 'sent'";
    assert!(
        super::number(&server, sent) >= 4,
        "{}",
        server.psql("app", "SELECT * FROM orchestrator.notifications")
    );
    for file in ["daemon.log", "DEPLOYMENT_LOG.md"] {
        assert!(!project.read(file).contains("the-key-of-a-check"), "{file}");
    }
}
