//! Who is answered, and what is not asked well.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use end_to_end::{PostgresServer, Version};
use reqwest::{Client, Method, StatusCode};
use serde_json::json;

use super::{Api, problem};

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_who_should_not_be() {
    let mut server = PostgresServer::start(Version::V15);
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
    assert_eq!(ready.status(), 200);
    assert_eq!(ready.text().await.expect("text"), "ready\n");

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
    let address = api.address.clone();
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

    // Metrics are for this machine, as long as there is no name by which others come.
    let config = api.project.read("orchestrator.toml");
    let metrics = |host: &'static str| {
        let asked = client.get(api.url("/metrics")).header("host", host);
        async { asked.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(metrics("localhost").await, 200);
    let named = config.replacen("[daemon]\n", "[daemon]\nhosts = [\"db.example\"]\n", 1);
    api.project.write("orchestrator.toml", &named);
    api.daemon.signal("HUP");
    let began = std::time::Instant::now();
    while metrics("db.example").await != 401 {
        assert!(began.elapsed() < Duration::from_secs(30), "still open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(metrics("localhost").await, 401);

    // Without tokens the API is closed, and health is not.
    let (config, _) = config.split_once("[daemon.").expect("tokens");
    api.project.write("orchestrator.toml", config);
    let closed = api.again().await;
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
    // Without the log's database no schedule fires; what is asked for is answered all the same.
    server.stop("fast");
    closed.becomes(503, "not ready\n").await;
    let told = closed.project.read("daemon.log");
    assert!(
        !told.contains("hunter2") && told.contains("weekly.toml:1: cron"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_gone_opens_nothing_whatever_else_the_file_says() {
    let server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    let config = api.project.read("orchestrator.toml");
    let public = config.replace("127.0.0.1:0", "0.0.0.0:0");
    api.project.write("orchestrator.toml", &public);
    let api = api.again().await;
    let runs = "/api/v1/runs";
    let status = async |path: &str, token: &str| {
        let answer = api.ask(Method::GET, path, token, None).await;
        answer.status().as_u16()
    };
    let becomes = async |path: &str, token: &str, expected: u16| {
        let began = std::time::Instant::now();
        while status(path, token).await != expected {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{path} {expected}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let unasked = async || {
        let answer = Client::new().get(api.url("/metrics")).send().await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(
        (status(runs, &api.runner).await, unasked().await),
        (200, 401)
    );

    // Another address in the file is one from the next start on: the one that there is stays as closed as it was.
    let (before, tokens) = public.split_once("[daemon.tokens.").expect("tokens");
    let inward = public.replace("0.0.0.0:0", "127.0.0.1:0");
    api.project.write("orchestrator.toml", &inward);
    api.daemon.signal("HUP");
    end_to_end::wait_for("the warning", || {
        api.project
            .read("daemon.log")
            .contains("[daemon] listen has changed")
    });
    assert_eq!(
        (status(runs, &api.runner).await, unasked().await),
        (200, 401)
    );

    // One is taken out, while something else is wrong.
    let (reader, _) = tokens.split_once("[daemon.tokens.").expect("two");
    let (gone, kept) = (&api.runner, &api.reader);
    let one = format!("{before}nonsense = 1\n[daemon.tokens.{reader}");
    api.project.write("orchestrator.toml", &one);
    api.daemon.signal("HUP");
    becomes(runs, gone, 401).await;
    assert_eq!(status(runs, kept).await, 200);
    // All of them, where the daemon would refuse to listen without any.
    api.project.write("orchestrator.toml", before);
    api.daemon.signal("HUP");
    becomes(runs, kept, 403).await;
    assert_eq!(unasked().await, 403);
    // Half a file says nothing: who writes one has not taken out anything.
    api.project.write("orchestrator.toml", &public);
    api.daemon.signal("HUP");
    becomes(runs, gone, 200).await;
    api.project.write("orchestrator.toml", "[daemon");
    api.daemon.signal("HUP");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(status(runs, gone).await, 200);
}
