//! The daemon's HTTP: what it answers, to whom, and whether its own document is true.

mod access;
mod alerts;
mod document;
mod events;
mod metrics;
mod runs;

use std::process::{Child, Stdio};
use std::time::Duration;

use end_to_end::{PostgresServer, Project};
use reqwest::{Client, Method, Response};
use serde_json::Value;

use crate::daemon::Running;
use crate::{back_up, project, text};

/// A daemon, and a token of each access.
struct Api {
    project: Project,
    daemon: Running,
    /// `127.0.0.1:PORT`
    address: String,
    reader: String,
    runner: String,
}

impl Api {
    /// With one backup of an example in `source`, a schedule, and a file of another one that nobody can read.
    async fn start(server: &PostgresServer) -> Self {
        server.create_example("source");
        server.create_database("target");
        let project = project(server);
        back_up(&project);
        let more = "[jobs.nightly]\ndescription = \"every night\"\nsteps = [{ plugin = \"backup\", database = \"source\", storage = \"main\" }, { plugin = \"verify\", storage = \"main\" }]\n\
            [daemon]\nlisten = \"127.0.0.1:0\"\nlease = \"3s\"\n";
        let mut config = project.read("orchestrator.toml") + more;
        let [reader, runner] = ["read", "run"].map(|access| {
            let made = [
                "daemon", "token", access, "--access", access, "--output", "json",
            ];
            let made = project.run(made).expect_code(0).json();
            config.push_str(made["configuration"].as_str().expect("TOML"));
            text(&made["token"])
        });
        project.write("orchestrator.toml", &config);
        project.write("schedules/nightly.toml", &nightly());
        project.write(
            "schedules/weekly.toml",
            "cron = \"password=hunter2\"\njob = \"nightly\"\n",
        );
        Self::over(project, reader, runner).await
    }

    async fn over(project: Project, reader: String, runner: String) -> Self {
        let (daemon, address) = Running::begin_answering(&project);
        let api = Self {
            project,
            daemon,
            address,
            reader,
            runner,
        };
        api.becomes(200, "ready\n").await;
        api
    }

    /// The daemon, started again after a change of its configuration.
    async fn again(self) -> Self {
        assert_eq!(self.daemon.stop(), 0);
        Self::over(self.project, self.reader, self.runner).await
    }

    /// Waits until it answers so whether it is ready.
    async fn becomes(&self, status: u16, told: &str) {
        let began = std::time::Instant::now();
        loop {
            let answer = Client::new().get(self.url("/readyz")).send();
            let answer = answer.await.expect("an answer");
            let now = (answer.status(), answer.text().await.expect("text"));
            if now.0 == status {
                return assert_eq!(now.1, told);
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{now:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
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

/// A session that holds a table, so that a backup of `source` waits.
struct Lock<'a> {
    holder: Child,
    server: &'a PostgresServer,
}

impl<'a> Lock<'a> {
    fn of_users(server: &'a PostgresServer) -> Self {
        let holder = server
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
        Self { holder, server }
    }

    fn release(mut self) {
        // A session that sleeps does not notice that its client has gone.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = '\"User\"'::regclass AND granted AND mode = 'AccessExclusiveLock'";
        self.server.psql("source", end);
        self.holder.wait().expect("psql has ended");
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        // Released already, where the test went well.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A schedule that is due in some twelve hours, and was some twelve hours ago: never while a test runs.
fn nightly() -> String {
    let hour = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .hour();
    format!(
        "cron = \"0 {} * * *\"\ntime_zone = \"UTC\"\njob = \"nightly\"\nmissed = \"skip\"\n",
        (hour + 12) % 24
    )
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
