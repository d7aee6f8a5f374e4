//! The document that the daemon gives of itself, tried by others' program: while all is well, and while it is not.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::{PostgresServer, Version, cache_folder};
use serde_json::Value;

use super::Api;
use crate::text;

/// The first of the jobs by name, so that the document's own link leads to it; it can be cancelled.
const SLOW: &str = "[jobs.a-slow-one]\nsteps = [{ plugin = \"seed\", database = \"source\", sets = [\"slow\"] }]\n";

#[tokio::test(flavor = "multi_thread")]
async fn the_document_and_the_server_agree() {
    let mut server = PostgresServer::start(Version::V15);
    let api = Api::start(&server).await;
    api.project.write("seeds/slow.sql", "SELECT pg_sleep(1);\n");
    let open = api
        .project
        .read("orchestrator.toml")
        .replace("lease = \"3s\"\n", "lease = \"3s\"\ngrace = \"1s\"\n")
        + SLOW;
    api.project.write("orchestrator.toml", &open);
    let api = api.again().await;
    let document = api.get("/api/v1/openapi.json").await;
    let operations = operations(&document);
    assert_eq!(operations.len(), 14, "{operations:?}");

    // Each operation does what it is there for, and refuses what it should.
    let well = tried(&api, &document, &api.runner, 25, &[]).await;
    for operation in &operations {
        let seen = well.get(operation).cloned().unwrap_or_default();
        // Those that schemathesis does not ask: a stream that never ends, and the document itself.
        if ["follow_all", "show_document"].contains(&operation.as_str()) {
            continue;
        }
        let has = |class: u16| seen.iter().any(|status| status / 100 == class);
        assert!(has(2) && has(4), "{operation}: {seen:?}");
    }

    // Whoever may only read.
    let reads = tried(&api, &document, &api.reader, 5, &[]).await;
    assert!(!reads["run_job"].contains(&202) && reads["run_job"].contains(&403));
    assert!(reads["show_backup"].contains(&200), "{reads:?}");

    // While the log's database is away.
    server.stop("immediate");
    api.becomes(503, "not ready\n").await;
    let away = tried(&api, &document, &api.runner, 5, &[]).await;
    for operation in ["list_schedules", "list_backups", "list_runs", "show_health"] {
        assert!(away[operation].contains(&200), "{operation}: {away:?}");
    }
    server.start_again();
    api.becomes(200, "ready\n").await;

    // Without any token nobody is answered.
    let (closed, _) = open.split_once("[daemon.tokens.").expect("tokens");
    api.project.write("orchestrator.toml", closed);
    let api = api.again().await;
    // That a header is missing is told nobody whom no header would help.
    let but = ["--exclude-checks", "missing_required_header"];
    let closed = tried(&api, &document, &api.runner, 5, &but).await;
    let statuses: BTreeSet<u16> = closed.into_values().flatten().collect();
    assert!(statuses.contains(&403), "{statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|status| [400, 403, 405].contains(status)),
        "{statuses:?}"
    );
    // Whatever it was asked.
    let log = api.project.read("daemon.log");
    assert!(!log.contains("panicked"), "{log}");
    assert_eq!(api.daemon.stop(), 0);
}

fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    operations
        .map(|operation| text(&operation["operationId"]))
        .collect()
}

/// Has each operation asked, and each answer compared with the document. The statuses that were seen, by operation.
async fn tried(
    api: &Api,
    document: &Value,
    token: &str,
    examples: u32,
    options: &[&str],
) -> BTreeMap<String, BTreeSet<u16>> {
    let folder = tempfile::tempdir().expect("a folder");
    // The daemon without tokens shows it to nobody.
    let schema = folder.path().join("openapi.json");
    std::fs::write(&schema, document.to_string()).expect("written");
    let report = folder.path().join("report.har");
    let program = cache_folder().join("schemathesis/bin/schemathesis");
    let output = tokio::process::Command::new(program)
        .current_dir(folder.path())
        .args(["--no-color", "run"])
        .arg(&schema)
        .args(["--url", &api.url("/api/v1")])
        .args(["--header", &format!("Authorization:Bearer {token}")])
        .args(["--checks", "all"])
        .args(options)
        .args(["--max-examples", &examples.to_string()])
        .args(["--generation-deterministic", "--continue-on-failure"])
        .args(["--request-timeout", "60"])
        // It never ends; the stream of a run does.
        .args(["--exclude-path", "/events"])
        .args(["--report", "har", "--report-har-path"])
        .arg(&report)
        .output()
        .await
        .expect("`make setup` installs it");
    let told = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let report = std::fs::read_to_string(&report).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let mut seen: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for entry in report["log"]["entries"].as_array().expect("entries") {
        let (request, response) = (&entry["request"], &entry["response"]);
        let status = response["status"].as_u64().expect("a status");
        let method = text(&request["method"]).to_ascii_lowercase();
        let url = text(&request["url"]);
        let path = url.split_once("/api/v1").map_or("", |(_, path)| path);
        let path = path.split('?').next().unwrap_or_default();
        if let Some(operation) = operation(document, &method, path) {
            let status = u16::try_from(status).expect("three digits");
            seen.entry(operation).or_default().insert(status);
        }
    }
    seen
}

/// The operation that a request is for.
fn operation(document: &Value, method: &str, path: &str) -> Option<String> {
    let given: Vec<&str> = path.split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        let pairs = parts.iter().zip(&given);
        let mut same = pairs.map(|(part, given)| part.starts_with('{') || part == given);
        parts.len() == given.len() && same.all(|same| same)
    };
    let mut paths = document["paths"].as_object()?.iter();
    let (_, path) = paths.find(|(template, _)| fits(template))?;
    Some(text(path.get(method)?.get("operationId")?))
}
