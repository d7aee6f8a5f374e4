//! Runs that are asked for, watched, cancelled and listed.

use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Receiver, Version};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, Lock, problem};
use crate::text;

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
    let time = |index: usize| text(&schedule["next"][index]).parse::<Timestamp>();
    let [next, after] = [0, 1].map(|index| time(index).expect("a time"));
    assert_eq!(after.duration_since(next), SignedDuration::from_hours(24));
    let due = next.duration_since(Timestamp::now());
    assert!((9..14).contains(&due.as_hours()), "{next}");
    // Nothing secret is answered.
    let schedules = api.get("/api/v1/schedules").await.to_string();
    assert!(
        !schedules.contains("hunter2") && schedules.contains("[redacted]"),
        "{schedules}"
    );
    assert_eq!(api.get("/api/v1/health").await["ready"], true);
}

/// Asks for a run of a job; its id.
async fn begun(api: &Api, job: &str, body: Value) -> String {
    let path = format!("/api/v1/jobs/{job}/runs");
    let answer = api.ask(Method::POST, &path, &api.runner, Some(body)).await;
    assert_eq!(answer.status(), 202);
    text(&answer.json::<Value>().await.expect("JSON")["run"])
}

/// A run, once its events have ended with how it did.
async fn ended(api: &Api, run: &str) -> Value {
    let path = format!("/api/v1/runs/{run}");
    let events = format!("{path}/events");
    let events = api.ask(Method::GET, &events, &api.reader, None).await;
    let events = events.text().await.expect("their end");
    let shown = api.get(&path).await;
    let status = text(&shown["summary"]["status"]);
    assert!(
        events.contains(&format!("\"status\":\"{status}\"")),
        "{status}: {events}"
    );
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_and_rules_hold() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    // A backup waits for the lock.
    let lock = Lock::of_users(&server);
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
    assert_eq!(ended(&api, &run).await["summary"]["status"], "cancelled");
    let gone = api.ask(Method::POST, &cancel, &api.runner, None).await;
    assert_eq!(gone.status(), 404);
    lock.release();

    // What is deleted is for the configuration to say.
    let prune = json!({"parameters": {"keep_last": 1}});
    let shown = ended(&api, &begun(&api, "prune", prune).await).await;
    assert_eq!(shown["summary"]["status"], "refused", "{shown}");
    let error = text(&shown["summary"]["error"]["message"]);
    assert!(
        error.contains("its parameter keep_last cannot be given by the API"),
        "{error}"
    );

    // What production refuses stays refused: no request carries consent.
    let config = api
        .project
        .read("orchestrator.toml")
        .replacen("\"local\"", "\"production\"", 1)
        + "[jobs.replace]\nsteps = [{ plugin = \"restore\", storage = \"main\", backup = \"source/latest\", database = \"target\", mode = \"clean\" }]\n";
    api.project.write("orchestrator.toml", &config);
    let api = api.again().await;
    let replace = json!({"parameters": {}});
    let shown = ended(&api, &begun(&api, "replace", replace).await).await;
    assert_eq!(shown["summary"]["status"], "refused", "{shown}");
    assert_eq!(shown["summary"]["error"]["kind"], "refused", "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_for_its_turn_can_be_cancelled_and_somebody_is_told() {
    let server = PostgresServer::start(Version::V15);
    let receiver = Receiver::start();
    let api = Api::start(&server).await;
    let notify = format!(
        "[notify.ops]\nkind = \"webhook\"\nurl = \"{}\"\n",
        receiver.url()
    );
    let config = api.project.read("orchestrator.toml").replace(
        "lease = \"3s\"\n",
        "lease = \"3s\"\ngrace = \"1s\"\nmax_concurrent_jobs = 1\n",
    );
    api.project.write("orchestrator.toml", &(config + &notify));
    let api = api.again().await;
    let lock = Lock::of_users(&server);
    let ask = async |body: Value| {
        let path = "/api/v1/jobs/nightly/runs";
        api.ask(Method::POST, path, &api.runner, Some(body)).await
    };
    let unknown = problem(ask(json!({"notify": ["opps"]})).await).await;
    assert_eq!(
        unknown,
        (404, "there is no notify target named \"opps\"".to_owned())
    );
    let begin = async |body: Value| {
        let answer = ask(body).await;
        assert_eq!(answer.status(), 202);
        text(&answer.json::<Value>().await.expect("JSON")["run"])
    };
    let first = begin(json!({})).await;
    let second = begin(json!({"notify": ["ops"]})).await;
    end_to_end::wait_for("the first one has its turn", || {
        server.psql(
            "source",
            "SELECT count(*) FROM pg_locks WHERE relation = '\"User\"'::regclass AND NOT granted",
        ) == "1"
    });
    let cancel = format!("/api/v1/runs/{second}/cancel");
    let cancelled = api.ask(Method::POST, &cancel, &api.runner, None).await;
    assert_eq!(cancelled.status(), 202);
    let events = format!("/api/v1/runs/{second}/events");
    let events = api.ask(Method::GET, &events, &api.reader, None).await;
    let told = events.text().await.expect("its end");
    assert!(told.contains("\"status\":\"cancelled\""), "{told}");
    let running = api.get("/api/v1/running").await;
    let running = running.as_array().expect("a list");
    assert_eq!(running.len(), 1, "the other one goes on");
    assert_eq!(running[0]["run"], json!(first));
    end_to_end::wait_for("the notice", || !receiver.notices().is_empty());
    let notice = receiver.notices().remove(0);
    assert_eq!(
        (&notice["run"], &notice["kind"]),
        (&json!(second), &json!("failed")),
        "{notice}"
    );
    lock.release();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_told_of_before_the_database_of_the_log_has_answered() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    // It takes connections, and says nothing more.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let config = api.project.read("orchestrator.toml");
    let records = server.url("records");
    let hanging = format!("postgresql://nobody@127.0.0.1:{port}/records");
    assert!(config.contains(&records));
    api.project
        .write("orchestrator.toml", &config.replace(&records, &hanging));
    // The daemon reads it again by itself.
    let began = Instant::now();
    while api.get("/api/v1/health").await["ready"] == json!(true) {
        assert!(began.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let began = Instant::now();
    let answer = api
        .ask(Method::POST, "/api/v1/jobs/nightly/runs", &api.runner, None)
        .await;
    assert_eq!(answer.status(), 202);
    assert!(began.elapsed() < Duration::from_secs(5));
    let run = text(&answer.json::<Value>().await.expect("JSON")["run"]);
    let running = api.get("/api/v1/running").await;
    assert_eq!(running[0]["run"], json!(run));
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_backup_is_in_a_storage_that_is_away_is_not_known() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let config = api.project.read("orchestrator.toml")
        + "[storage.away]\nurl = \"s3://backups/team\"\nendpoint = \"http://127.0.0.1:1\"\npath_style = true\naccess_key = \"any\"\nsecret_key = \"the-secret-of-s3\"\n";
    api.project.write("orchestrator.toml", &config);
    let api = api.again().await;
    let listed = api.get("/api/v1/backups?storage=main").await;
    let id = text(&listed["backups"][0]["id"]);
    for (storage, expected) in [("main", 200), ("away", 503)] {
        let path = format!("/api/v1/backups/{storage}/source/{id}");
        let answer = api.ask(Method::GET, &path, &api.reader, None).await;
        assert_eq!(answer.status().as_u16(), expected, "{storage}");
    }
}
