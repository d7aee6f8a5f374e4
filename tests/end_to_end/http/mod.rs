//! The daemon's HTTP: what it answers, to whom, and whether its own document is true.

mod lone;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use end_to_end::{PostgresServer, Project, Version, cache_folder, repository};
use lone::Lone;
use orchestrator::daemon::control::{Event, What};
use orchestrator::daemon::http::{Server, bind};
use orchestrator::deployment_log::Status;
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::{back_up, project, text};

/// A server, and a token of each access.
struct Api {
    project: Project,
    daemon: Arc<Lone>,
    server: Server,
    reader: String,
    runner: String,
}

impl Api {
    /// With one backup of an example in `source`.
    async fn start(server: &PostgresServer) -> Self {
        server.create_example("source");
        server.create_database("target");
        let project = project(server);
        back_up(&project);
        let job = "[jobs.nightly]\ndescription = \"every night\"\nsteps = [{ plugin = \"backup\", database = \"source\", storage = \"main\" }, { plugin = \"verify\", storage = \"main\" }]\n";
        let mut config = project.read("orchestrator.toml") + job;
        let [reader, runner] = ["read", "run"].map(|access| {
            let made = [
                "daemon", "token", access, "--access", access, "--output", "json",
            ];
            let made = project.run(made).expect_code(0).json();
            config.push_str(made["configuration"].as_str().expect("TOML"));
            text(&made["token"])
        });
        project.write("orchestrator.toml", &config);
        Self::over(project, reader, runner).await
    }

    async fn over(project: Project, reader: String, runner: String) -> Self {
        let daemon = Arc::new(Lone::new(project.path()));
        let listener = bind("127.0.0.1:0".parse().expect("an address"))
            .await
            .expect("a port");
        let server = Server::start(listener, daemon.clone()).expect("a server");
        Self {
            project,
            daemon,
            server,
            reader,
            runner,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Response {
        let mut request = Client::new()
            .request(method, self.url(path))
            .bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.expect("an answer")
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.ask(Method::GET, path, &self.reader, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.expect("JSON")
    }
}

/// A problem's status, and its sentence.
async fn problem(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let kind = answer.headers()["content-type"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_eq!(kind, "application/problem+json");
    let problem: Value = answer.json().await.expect("JSON");
    assert_eq!(problem["status"], status);
    assert!(problem["hint"].is_string(), "{problem}");
    (status, text(&problem["detail"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_run_watched_and_listed() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let jobs = api.get("/api/v1/jobs").await;
    let nightly = jobs
        .as_array()
        .expect("jobs")
        .iter()
        .find(|job| job["name"] == "nightly");
    assert_eq!(nightly.expect("it")["plugins"], json!(["backup", "verify"]));

    let answer = api
        .ask(
            Method::POST,
            "/api/v1/jobs/nightly/runs",
            &api.runner,
            Some(json!({"parameters": {"kind": "api"}})),
        )
        .await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    let run = text(&answer.json::<Value>().await.expect("JSON")["run"]);
    assert_eq!(location, format!("/api/v1/runs/{run}"));
    // A stream of a run ends with the run.
    let events = api
        .ask(
            Method::GET,
            &format!("{location}/events"),
            &api.reader,
            None,
        )
        .await;
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let events = events.text().await.expect("all of it");
    assert!(
        events.contains("event: ended\ndata: {") && events.contains("\"status\":\"succeeded\""),
        "{events}"
    );
    let again = api
        .ask(
            Method::GET,
            &format!("{location}/events"),
            &api.reader,
            None,
        )
        .await;
    assert_eq!(
        again
            .text()
            .await
            .expect("its end")
            .matches("event: ")
            .count(),
        1
    );

    let shown = api.get(&location).await;
    assert_eq!(
        (&shown["summary"]["status"], &shown["summary"]["actor"]),
        (&json!("succeeded"), &json!("run"))
    );
    assert_eq!(shown["summary"]["trigger"], "api");
    assert_eq!(shown["steps"].as_array().map(Vec::len), Some(2));
    let first = api.get("/api/v1/runs?limit=1").await;
    assert_eq!(
        (&first["runs"][0]["run"], &first["next"]),
        (&json!(run), &json!(run))
    );
    let second = api.get(&format!("/api/v1/runs?before={run}")).await;
    assert_eq!(
        (&second["runs"][0]["job"], &second["next"]),
        (&json!("backup"), &Value::Null)
    );
    assert_eq!(
        api.get("/api/v1/runs?job=backup&status=succeeded").await["runs"],
        second["runs"]
    );
    assert_eq!(
        api.get("/api/v1/runs?status=failed").await["runs"],
        json!([])
    );

    let backups = api.get("/api/v1/backups?database=source").await;
    let newest = &backups["backups"][0];
    assert_eq!(
        (&newest["kind"], &newest["storage"], &backups["problems"]),
        (&json!("api"), &json!("main"), &json!([]))
    );
    assert_eq!(backups["backups"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        api.get("/api/v1/backups?limit=1").await["backups"],
        json!([newest])
    );
    let one = api
        .get(&format!(
            "/api/v1/backups/main/source/{}",
            text(&newest["id"])
        ))
        .await;
    assert_eq!(&one, newest);

    let schedule = api.get("/api/v1/schedules/nightly").await;
    assert_eq!(
        schedule["next"],
        json!(["2026-01-18T02:00:00Z", "2026-01-19T02:00:00Z"])
    );
    // Nothing secret is answered.
    let schedules = api.get("/api/v1/schedules").await.to_string();
    assert!(
        !schedules.contains("hunter2") && schedules.contains("[redacted]"),
        "{schedules}"
    );
    assert_eq!(api.get("/api/v1/health").await["ready"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_and_rules_hold() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    // A backup waits for the lock.
    let mut holder = server
        .tool("psql")
        .args([
            "-Xqc",
            "BEGIN",
            "-c",
            "LOCK TABLE \"User\"",
            "-c",
            "SELECT pg_sleep(120)",
            &server.url("source"),
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("psql");
    let is_locked = || {
        server.psql("source", "SELECT count(*) FROM pg_locks WHERE relation = '\"User\"'::regclass AND granted AND mode = 'AccessExclusiveLock'") == "1"
    };
    end_to_end::wait_for("the lock", is_locked);
    let answer = api
        .ask(Method::POST, "/api/v1/jobs/nightly/runs", &api.runner, None)
        .await;
    assert_eq!(answer.status(), 202);
    let run = text(&answer.json::<Value>().await.expect("JSON")["run"]);
    let running = api.get("/api/v1/running").await;
    assert_eq!(running[0]["run"], json!(run));
    let cancel = format!("/api/v1/runs/{run}/cancel");
    assert_eq!(
        problem(api.ask(Method::POST, &cancel, &api.reader, None).await)
            .await
            .0,
        403
    );
    assert_eq!(
        api.ask(Method::POST, &cancel, &api.runner, None)
            .await
            .status(),
        202
    );
    let events = api
        .ask(
            Method::GET,
            &format!("/api/v1/runs/{run}/events"),
            &api.reader,
            None,
        )
        .await;
    assert!(
        events
            .text()
            .await
            .expect("its end")
            .contains("\"status\":\"cancelled\"")
    );
    let gone = api.ask(Method::POST, &cancel, &api.runner, None).await;
    assert_eq!(gone.status(), 404);
    holder.kill().expect("psql ends");
    holder.wait().expect("psql has ended");

    // What production refuses stays refused: no request carries consent.
    let config = api
        .project
        .read("orchestrator.toml")
        .replacen("\"local\"", "\"production\"", 1)
        + "[jobs.replace]\nsteps = [{ plugin = \"restore\", storage = \"main\", backup = \"source/latest\", database = \"target\", mode = \"clean\" }]\n";
    api.project.write("orchestrator.toml", &config);
    let Api {
        project,
        reader,
        runner,
        ..
    } = api;
    let api = Api::over(project, reader, runner).await;
    let answer = api
        .ask(
            Method::POST,
            "/api/v1/jobs/replace/runs",
            &api.runner,
            Some(json!({"parameters": {}})),
        )
        .await;
    assert_eq!(answer.status(), 202);
    let location = answer.headers()["location"]
        .to_str()
        .expect("text")
        .to_owned();
    let events = api
        .ask(
            Method::GET,
            &format!("{location}/events"),
            &api.reader,
            None,
        )
        .await;
    assert!(
        events
            .text()
            .await
            .expect("its end")
            .contains("\"status\":\"refused\"")
    );
    let shown = api.get(&location).await;
    assert_eq!(shown["summary"]["error"]["kind"], "refused", "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_who_should_not_be() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let runs = "/api/v1/runs";
    let client = Client::new();
    let none = client.get(api.url(runs)).send().await.expect("an answer");
    assert_eq!(
        none.headers()["www-authenticate"],
        "Bearer realm=\"orchestrator\""
    );
    assert_eq!(
        problem(none).await,
        (401, "the request has no token".to_owned())
    );
    assert_eq!(
        problem(api.ask(Method::GET, runs, "orchestrator_0", None).await)
            .await
            .0,
        401
    );
    let (status, told) = problem(
        api.ask(Method::POST, "/api/v1/jobs/nightly/runs", &api.reader, None)
            .await,
    )
    .await;
    assert_eq!(
        (status, told.as_str()),
        (
            403,
            "the token read may read, and not run or cancel anything"
        )
    );
    let rebound = client
        .get(api.url("/healthz"))
        .header("host", "evil.example")
        .send()
        .await
        .expect("an answer");
    assert_eq!(problem(rebound).await.0, 421);

    let alive = client
        .get(api.url("/healthz"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(alive.headers()["x-content-type-options"], "nosniff");
    assert_eq!(alive.headers()["cache-control"], "no-store");
    assert!(!alive.headers().contains_key("access-control-allow-origin"));
    assert_eq!(alive.text().await.expect("text"), "alive\n");
    let ready = client
        .get(api.url("/readyz"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(ready.status(), 503);
    assert_eq!(ready.text().await.expect("text"), "not ready\n");

    for (method, path, body, expected) in [
        (Method::GET, "/api/v1/nothing", None, 404),
        (Method::GET, "/", None, 404),
        (Method::DELETE, runs, None, 405),
        (Method::GET, "/api/v1/runs?limit=0", None, 400),
        (Method::GET, "/api/v1/runs?limit=1001", None, 400),
        (Method::GET, "/api/v1/runs?limt=1", None, 400),
        (Method::GET, "/api/v1/runs?status=done", None, 400),
        (Method::GET, "/api/v1/runs/soon", None, 400),
        (
            Method::GET,
            "/api/v1/runs/00000000-0000-7000-8000-000000000000",
            None,
            404,
        ),
        (
            Method::GET,
            "/api/v1/runs/00000000-0000-7000-8000-000000000000/events",
            None,
            404,
        ),
        (Method::GET, "/api/v1/schedules/other", None, 404),
        (Method::GET, "/api/v1/backups?storage=other", None, 404),
        (Method::GET, "/api/v1/backups/main/source/latest", None, 404),
        (
            Method::POST,
            "/api/v1/jobs/nightli/runs",
            Some(json!({})),
            404,
        ),
        (
            Method::POST,
            "/api/v1/jobs/nightly/runs",
            Some(json!({"parameter": {}})),
            400,
        ),
        (
            Method::POST,
            "/api/v1/jobs/nightly/runs",
            Some(json!({"parameters": "x".repeat(70_000)})),
            413,
        ),
    ] {
        let answer = api.ask(method.clone(), path, &api.runner, body).await;
        assert_eq!(
            answer.status().as_u16(),
            expected,
            "{method} {path}: {:?}",
            answer.text().await
        );
    }
    let plain = client
        .post(api.url("/api/v1/jobs/nightly/runs"))
        .bearer_auth(&api.runner)
        .body("{}")
        .send()
        .await
        .expect("an answer");
    assert_eq!(problem(plain).await.0, 415);

    // The head of a request that never ends is not waited for.
    let address = api.server.address();
    let silent = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream
            .set_read_timeout(Some(Duration::from_secs(40)))
            .expect("a timeout");
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: localho")
            .expect("half a head");
        stream.read_to_end(&mut Vec::new())
    });
    assert!(
        silent.await.expect("no panic").is_ok(),
        "the server has ended the connection"
    );

    // Without tokens the API is closed, and health is not.
    let config = api.project.read("orchestrator.toml");
    let (config, _) = config.split_once("[daemon").expect("tokens");
    api.project.write("orchestrator.toml", config);
    let Api {
        project,
        reader,
        runner,
        ..
    } = api;
    let closed = Api::over(project, reader, runner).await;
    for (method, path) in [
        (Method::GET, runs),
        (Method::POST, "/api/v1/jobs/nightly/runs"),
    ] {
        let (status, told) = problem(closed.ask(method, path, &closed.runner, None).await).await;
        assert_eq!(
            (status, told.as_str()),
            (403, "the API is closed: the configuration has no token")
        );
    }
    let alive = client
        .get(closed.url("/healthz"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(alive.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_what_it_missed_and_streams_end_with_the_server() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let mut events = api
        .ask(Method::GET, "/api/v1/events", &api.reader, None)
        .await;
    assert_eq!(events.status(), 200);
    let run = orchestrator::deployment_log::RunRecord::new(
        "backup",
        orchestrator::deployment_log::Trigger::Cli,
        "ada",
        "local",
    )
    .run_id;
    // More than the channel holds, at once.
    for _ in 0..5_000 {
        api.daemon.tell(Event {
            run,
            job: "x".repeat(2_000),
            at: jiff::Timestamp::now(),
            what: What::Ended {
                status: Status::Succeeded,
            },
        });
    }
    let mut told = String::new();
    while !told.contains("event: lagged\ndata: {\"missed\":") {
        let chunk = tokio::time::timeout(Duration::from_secs(30), events.chunk()).await;
        let chunk = chunk
            .expect("it is told in time")
            .expect("a chunk")
            .expect("more");
        told.push_str(&String::from_utf8_lossy(&chunk));
    }
    let rest = tokio::spawn(async move { while let Ok(Some(_)) = events.chunk().await {} });
    let began = std::time::Instant::now();
    api.server.stop(Duration::from_secs(20)).await;
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "the stream ends with the server"
    );
    rest.await.expect("the reader ends");
}

/// A strict parser, of Prometheus' own project.
const PARSE: &str = "import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([[s.name, s.labels, s.value] for f in text_string_to_metric_families(sys.stdin.read()) for s in f.samples]))";

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_what_prometheus_reads() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let outcome = api
        .project
        .run(["backup", "verify", "latest", "--deep", "--on", "target"]);
    outcome.expect_code(0);
    let answer = Client::new()
        .get(api.url("/metrics"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        answer.headers()["content-type"],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    let text = answer.text().await.expect("text");
    let mut parser = Command::new(cache_folder().join("schemathesis/bin/python"))
        .args(["-c", PARSE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`make setup` installs it");
    parser
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes())
        .expect("it reads");
    let parsed = parser.wait_with_output().expect("it ends");
    assert!(parsed.status.success(), "{text}");
    let samples: Vec<(String, Value, f64)> = serde_json::from_slice(&parsed.stdout).expect("JSON");
    let value = |name: &str, labels: Value| {
        let found = samples
            .iter()
            .find(|(one, of, _)| one == name && *of == labels);
        found
            .unwrap_or_else(|| panic!("{name} {labels} in\n{text}"))
            .2
    };
    assert_eq!(value("orchestrator_up", json!({})), 1.0);
    assert_eq!(value("orchestrator_ready", json!({})), 0.0);
    assert_eq!(value("orchestrator_running_runs", json!({})), 0.0);
    assert_eq!(value("orchestrator_schedule_file_problems", json!({})), 1.0);
    assert_eq!(
        value(
            "orchestrator_job_runs_total",
            json!({"job": "backup", "status": "succeeded"})
        ),
        1.0
    );
    assert_eq!(
        value(
            "orchestrator_job_last_status",
            json!({"job": "verify", "status": "succeeded"})
        ),
        1.0
    );
    let now = jiff::Timestamp::now().as_second() as f64;
    for (name, labels) in [
        (
            "orchestrator_job_last_success_timestamp_seconds",
            json!({"job": "backup"}),
        ),
        (
            "orchestrator_newest_backup_timestamp_seconds",
            json!({"storage": "main", "database": "source"}),
        ),
        (
            "orchestrator_last_proven_backup_timestamp_seconds",
            json!({"database": "source"}),
        ),
    ] {
        let time = value(name, labels);
        assert!((now - 600.0..=now + 1.0).contains(&time), "{name} {time}");
    }
    assert!(
        value(
            "orchestrator_job_last_success_duration_seconds",
            json!({"job": "backup"})
        ) > 0.0
    );
    assert!(
        value(
            "orchestrator_job_last_success_bytes",
            json!({"job": "backup"})
        ) > 100.0
    );
    let labels = json!({"schedule": "nightly", "job": "backup"});
    assert_eq!(
        value("orchestrator_schedule_missed_fires_total", labels.clone()),
        2.0
    );
    assert_eq!(
        value("orchestrator_schedule_next_fire_timestamp_seconds", labels),
        1_768_701_600.0
    );
    assert_eq!(
        value("orchestrator_storage_up", json!({"storage": "main"})),
        1.0
    );

    // The alerts and the page tell of metrics that there are.
    for page in ["docs/deploy/alerts.yml", "docs/http.md"] {
        let page = std::fs::read_to_string(repository().join(page)).expect(page);
        let words =
            page.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'));
        for name in words.filter(|word| word.starts_with("orchestrator_")) {
            let is_token = name == "orchestrator_";
            assert!(
                is_token || samples.iter().any(|(one, ..)| one == name),
                "{name} in\n{text}"
            );
        }
    }

    let config = api.project.read("orchestrator.toml") + "[daemon]\nmetrics = \"token\"\n";
    api.project.write("orchestrator.toml", &config);
    let Api {
        project,
        reader,
        runner,
        ..
    } = api;
    let closed = Api::over(project, reader, runner).await;
    let unasked = Client::new()
        .get(closed.url("/metrics"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(problem(unasked).await.0, 401);
    assert_eq!(
        closed
            .ask(Method::GET, "/metrics", &closed.reader, None)
            .await
            .status(),
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_server_agree() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let document = api.get("/api/v1/openapi.json").await;
    let operations = document["paths"].as_object().expect("paths").values();
    let mut names: Vec<String> = operations
        .flat_map(|path| path.as_object().expect("operations").values())
        .map(|operation| text(&operation["operationId"]))
        .collect();
    names.sort();
    let count = names.len();
    names.dedup();
    assert_eq!((count, names.len()), (14, 14), "{names:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let mut command =
        tokio::process::Command::new(cache_folder().join("schemathesis/bin/schemathesis"));
    command
        .current_dir(folder.path())
        .args(["--no-color"])
        .args([
            "run",
            &api.url("/api/v1/openapi.json"),
            "--url",
            &api.url("/api/v1"),
        ])
        .args(["--header", &format!("Authorization:Bearer {}", api.runner)])
        .args([
            "--checks",
            "all",
            "--max-examples",
            "25",
            "--generation-deterministic",
            "--continue-on-failure",
        ])
        // It never ends; the stream of a run does. The document itself is none of the operations that are tried.
        .args(["--exclude-path", "/events", "--request-timeout", "60"]);
    let output = command.output().await.expect("`make setup` installs it");
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("Operations:") && told.contains("12 selected / 13 total"),
        "{told}"
    );
}
