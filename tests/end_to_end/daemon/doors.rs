//! What the daemon tells, and whom it answers.

use std::time::Duration;

use end_to_end::{Receiver, wait_for};
use reqwest::Client;
use serde_json::{Value, json};

use super::{Running, fires, project, server};
use crate::text;

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
    let (daemon, address) = Running::begin_answering(&project);
    let api = format!("http://{address}");
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

#[test]
fn a_failure_its_end_and_the_pings_are_told() {
    let server = server();
    let project = project(&server);
    let mut receiver = Receiver::start();
    let url = receiver.url().to_owned();
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
    let mut wait = |line: &str, kind: &str| {
        receiver.next(&format!("{line} {kind}"), |request| {
            request.line.contains(line) && request.body.contains(kind)
        });
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
