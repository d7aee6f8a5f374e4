//! `/metrics`, as Prometheus reads it.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Version, cache_folder, repository};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{Api, problem};

/// A strict parser, of Prometheus' own project.
const PARSE: &str = "import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
print(json.dumps([[s.name, s.labels, s.value] for f in text_string_to_metric_families(sys.stdin.read()) for s in f.samples]))";

/// Longer than a scrape may take: Prometheus gives up after ten seconds.
const SCRAPE: Duration = Duration::from_secs(8);

/// What one scrape has told.
struct Scrape {
    text: String,
    samples: Vec<(String, Value, f64)>,
}

impl Scrape {
    async fn of(api: &Api) -> Self {
        let began = Instant::now();
        let answer = Client::new().get(api.url("/metrics")).send();
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()["content-type"],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        let text = answer.text().await.expect("text");
        assert!(began.elapsed() < SCRAPE, "{:?}", began.elapsed());
        let mut parser = Command::new(cache_folder().join("schemathesis/bin/python"))
            .args(["-c", PARSE])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`make setup` installs it");
        let mut pipe = parser.stdin.take().expect("a pipe");
        pipe.write_all(text.as_bytes()).expect("it reads");
        drop(pipe);
        let parsed = parser.wait_with_output().expect("it ends");
        assert!(parsed.status.success(), "{text}");
        let samples = serde_json::from_slice(&parsed.stdout).expect("JSON");
        Self { text, samples }
    }

    /// One that tells what is waited for; what is told is kept for some seconds.
    async fn when(api: &Api, what: &str, is_it: impl Fn(&Self) -> bool) -> Self {
        let began = Instant::now();
        loop {
            let scrape = Self::of(api).await;
            if is_it(&scrape) {
                return scrape;
            }
            let told = &scrape.text;
            assert!(began.elapsed() < Duration::from_secs(60), "{what}:\n{told}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    fn find(&self, name: &str, labels: &Value) -> Option<f64> {
        let mut samples = self.samples.iter();
        let found = samples.find(|(one, of, _)| one == name && of == labels);
        found.map(|found| found.2)
    }

    #[track_caller]
    fn value(&self, name: &str, labels: Value) -> f64 {
        let found = self.find(name, &labels);
        found.unwrap_or_else(|| panic!("{name} {labels} in\n{}", self.text))
    }
}

/// The time now, as metrics tell times.
fn now() -> f64 {
    jiff::Timestamp::now().as_second() as f64
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_what_prometheus_reads() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    // Two nights without a daemon; and a schedule whose first backup has still to come.
    api.daemon.kill();
    let config = api.project.read("orchestrator.toml");
    let other = "[jobs.other]\nsteps = [{ plugin = \"backup\", database = \"target\" }]\n";
    api.project.write("orchestrator.toml", &(config + other));
    let schedule = super::nightly().replace("\"nightly\"", "\"other\"");
    api.project.write("schedules/other.toml", &schedule);
    server.psql(
        "records",
        "UPDATE orchestrator.schedules SET since = since - interval '48 hours'",
    );
    let api = Api::over(api.project, api.reader, api.runner).await;
    end_to_end::wait_for("the missed fires", || {
        let ended = "SELECT count(*) FROM orchestrator.schedule_fires WHERE schedule = 'nightly' AND state = 'skipped'";
        server.psql("records", ended) == "1"
    });
    let outcome = api
        .project
        .run(["backup", "verify", "latest", "--deep", "--on", "target"]);
    outcome.expect_code(0);
    // What is read takes its time, and each scrape tells what is known by then.
    let scrape = Scrape::when(&api, "all that there is", |scrape| {
        let main = json!({ "storage": "main" });
        let is = |name, labels| scrape.find(name, &labels) == Some(1.0);
        is("orchestrator_log_database_up", json!({})) && is("orchestrator_storage_up", main)
    });
    let scrape = scrape.await;
    let (text, samples) = (&scrape.text, &scrape.samples);
    let value = |name: &str, labels: Value| scrape.value(name, labels);
    assert_eq!(value("orchestrator_up", json!({})), 1.0);
    assert_eq!(value("orchestrator_ready", json!({})), 1.0);
    assert_eq!(value("orchestrator_running_runs", json!({})), 0.0);
    assert_eq!(value("orchestrator_schedule_file_problems", json!({})), 1.0);
    // Those that have ended since the daemon began.
    for (job, count) in [("backup", 0.0), ("verify", 1.0)] {
        let labels = json!({"job": job, "status": "succeeded"});
        assert_eq!(value("orchestrator_job_runs_total", labels), count);
    }
    assert_eq!(value("orchestrator_log_database_up", json!({})), 1.0);
    for (database, is_there) in [("source", 1.0), ("target", 0.0)] {
        let labels = json!({"storage": "main", "database": database});
        assert_eq!(value("orchestrator_backup_exists", labels), is_there);
    }
    assert_eq!(
        value(
            "orchestrator_job_last_status",
            json!({"job": "verify", "status": "succeeded"})
        ),
        1.0
    );
    let now = now();
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
    let labels = json!({"schedule": "nightly", "job": "nightly"});
    assert_eq!(
        value("orchestrator_schedule_missed_fires_total", labels.clone()),
        2.0
    );
    let next = value("orchestrator_schedule_next_fire_timestamp_seconds", labels);
    assert!(
        (now + 9.0 * 3600.0..now + 14.0 * 3600.0).contains(&next) && next % 3600.0 == 0.0,
        "{next}"
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

    let config = api.project.read("orchestrator.toml");
    let config = config.replace("[daemon]\n", "[daemon]\nmetrics = \"token\"\n");
    api.project.write("orchestrator.toml", &config);
    let closed = api.again().await;
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
async fn a_long_history_is_told_of_quickly_and_other_machines_are() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    // A schedule of every minute, after some months; and what another machine has run.
    server.psql(
        "records",
        "INSERT INTO orchestrator.schedule_fires (schedule, fire, state, daemon, finished, passed_over, is_missed)
             SELECT 'nightly', date_trunc('hour', now()) - n * interval '1 minute', 'succeeded', 'd', now(), (n % 1000 = 7)::int, n % 1000 = 8
             FROM generate_series(1, 200000) AS n;
         INSERT INTO orchestrator.deployment_log (run_id, job, host, status, started, finished, facts, steps)
             SELECT gen_random_uuid(), job, 'other', status, now() - age, now() - age, facts, steps FROM (VALUES
                 ('weekly', 'failed', interval '3 hours', '{}'::jsonb, '[]'::jsonb),
                 ('weekly', 'succeeded', interval '2 hours', '{}', '[{\"result\": {\"bytes\": 77}}]'),
                 ('weekly', 'skipped', interval '1 hour', '{}', '[]'),
                 ('drill', 'succeeded', interval '5 hours', '{\"proven\": {\"database\": \"app\", \"backup\": \"2026-01-17T02-00-00Z-full-0000000a\", \"seconds\": 1}}', '[]'),
                 ('drill', 'failed', interval '4 hours', '{\"proven\": [{\"database\": \"app\", \"backup\": \"2026-01-16T02-00-00Z-full-0000000a\", \"seconds\": 1},
                     {\"database\": \"other\", \"backup\": \"2026-01-18T02-00-00Z-full-0000000a\", \"seconds\": 1}, \"odd\"]}', '[]')) AS t(job, status, age, facts, steps)",
    );
    let labels = json!({"schedule": "nightly", "job": "nightly"});
    let missed = "orchestrator_schedule_missed_fires_total";
    let scrape = Scrape::when(&api, "the missed fires", |scrape| {
        scrape.find(missed, &labels) == Some(400.0)
            && scrape
                .text
                .contains("orchestrator_last_proven_backup_timestamp_seconds{")
    })
    .await;
    assert!(scrape.value("orchestrator_schedule_last_fire_timestamp_seconds", labels) < now());
    let status = "orchestrator_job_last_status";
    assert_eq!(
        scrape.value(status, json!({"job": "weekly", "status": "succeeded"})),
        1.0
    );
    let failed = json!({"job": "weekly", "status": "failed"});
    assert_eq!(
        scrape.find(status, &failed),
        None,
        "one status for each job"
    );
    let bytes = "orchestrator_job_last_success_bytes";
    assert_eq!(scrape.value(bytes, json!({"job": "weekly"})), 77.0);
    for (database, begun) in [
        ("app", "2026-01-17T02:00:00Z"),
        ("other", "2026-01-18T02:00:00Z"),
    ] {
        let begun: jiff::Timestamp = begun.parse().expect("a time");
        assert_eq!(
            scrape.value(
                "orchestrator_last_proven_backup_timestamp_seconds",
                json!({"database": database})
            ),
            begun.as_second() as f64
        );
    }
    // Nothing of it was counted as a run of this machine.
    let counted = json!({"job": "drill", "status": "succeeded"});
    assert_eq!(scrape.value("orchestrator_job_runs_total", counted), 0.0);
    // The API tells the same, and is as quick.
    let began = Instant::now();
    for _ in 0..20 {
        let schedule = api.get("/api/v1/schedules/nightly").await;
        assert_eq!(schedule["missed"], 400, "{schedule}");
    }
    assert!(began.elapsed() < SCRAPE, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_told_while_the_database_is_away() {
    let mut server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let config = api.project.read("orchestrator.toml")
        + "[jobs.look]\nsteps = [{ plugin = \"verify\", storage = \"main\" }]\n";
    api.project.write("orchestrator.toml", &config);
    api.project.write(
        "schedules/often.toml",
        "cron = \"*/2 * * * * *\"\njob = \"look\"\n",
    );
    let often = json!({"schedule": "often", "job": "look"});
    let last = "orchestrator_schedule_last_fire_timestamp_seconds";
    let next = "orchestrator_schedule_next_fire_timestamp_seconds";
    let success = "orchestrator_job_last_success_timestamp_seconds";
    let look = json!({"job": "look"});
    let before = Scrape::when(&api, "a fire", |scrape| {
        scrape.find(last, &often).is_some() && scrape.find(success, &look).is_some()
    })
    .await;
    assert_eq!(before.value("orchestrator_log_database_up", json!({})), 1.0);
    assert!(before.value(next, often.clone()) > now() - 60.0);

    server.stop("immediate");
    let away = Scrape::when(&api, "the database is away", |scrape| {
        scrape.find("orchestrator_log_database_up", &json!({})) == Some(0.0)
            && scrape.find("orchestrator_ready", &json!({})) == Some(0.0)
            && scrape
                .find(next, &often)
                .is_some_and(|next| next < now() - 5.0)
    })
    .await;
    // The fire that nobody can answer for is overdue, and all else is as it was told last.
    assert_eq!(away.value("orchestrator_up", json!({})), 1.0);
    assert!(away.value(last, often.clone()) >= before.value(last, often.clone()));
    assert!(away.value(success, look.clone()) >= before.value(success, look));
    let storage = json!({"storage": "main"});
    assert_eq!(away.value("orchestrator_storage_up", storage), 1.0);
    let schedules = api.get("/api/v1/schedules").await;
    assert!(schedules["incomplete"].is_string(), "{schedules}");
    let due = |schedules: &Value| {
        let listed = schedules["schedules"].as_array().expect("schedules");
        let often = listed.iter().find(|one| one["name"] == "often");
        let due = crate::text(&often.expect("it")["due"]);
        due.parse::<jiff::Timestamp>().expect("a time")
    };
    assert!(due(&schedules) < jiff::Timestamp::now());

    server.start_again();
    let back = Scrape::when(&api, "the database is back", |scrape| {
        scrape.find("orchestrator_log_database_up", &json!({})) == Some(1.0)
            && scrape
                .find(next, &often)
                .is_some_and(|next| next > now() - 5.0)
    })
    .await;
    assert!(back.value(last, often.clone()) > away.value(last, often));
    let schedules = api.get("/api/v1/schedules").await;
    assert_eq!(schedules["incomplete"], Value::Null, "{schedules}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_hangs_holds_up_nothing_else() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    // It takes every connection, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = silent.local_addr().expect("its address");
    std::thread::spawn(move || {
        let mut taken = Vec::new();
        for connection in silent.incoming() {
            taken.push(connection);
        }
    });
    let config = api.project.read("orchestrator.toml")
        + &format!(
            "[storage.hangs]\nurl = \"s3://backups/team\"\nendpoint = \"http://{endpoint}\"\npath_style = true\naccess_key = \"any\"\nsecret_key = \"the-secret-of-s3\"\n"
        );
    api.project.write("orchestrator.toml", &config);
    let api = api.again().await;
    let [main, hangs] = ["main", "hangs"].map(|name| json!({ "storage": name }));
    let up = "orchestrator_storage_up";
    let listed = api.get("/api/v1/backups");
    let scraped = Scrape::when(&api, "it counts as away", |scrape| {
        scrape.find(up, &main) == Some(1.0) && scrape.find(up, &hangs) == Some(0.0)
    });
    let (listed, _) = tokio::join!(listed, scraped);
    assert_eq!(
        listed["backups"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );
    let problem = crate::text(&listed["problems"][0]);
    assert!(problem.starts_with("hangs: "), "{problem}");
}
