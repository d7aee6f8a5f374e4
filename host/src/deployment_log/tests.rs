//! The log as a whole: processes that die between two writes, files that cannot be written, secrets.

mod database;
mod months;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio_postgres::Client;

use super::table;
use super::*;
use server::Server;

/// Set for the child of a test that kills one: the folder of its log.
const CHILD: &str = "DEPLOYMENT_LOG_TEST_CHILD";

fn log(folder: &Path) -> DeploymentLog {
    let paths = LogPaths {
        state: folder.join("state"),
        markdown: folder.join("DEPLOYMENT_LOG.md"),
        reports: folder.join("reports"),
    };
    DeploymentLog::open(paths, Redactor::default()).unwrap()
}

/// What `DEPLOYMENT_LOG.md` shows.
fn entries(log: &DeploymentLog) -> BTreeMap<Uuid, String> {
    markdown::shown(&markdown::read(&log.paths.markdown).unwrap())
}

fn new_run() -> RunRecord {
    let mut record = RunRecord::new("backup", Trigger::Schedule, "nightly", "production");
    record.database = Some("app".into());
    record
}

fn step() -> StepRecord {
    StepRecord {
        plugin: "backup".into(),
        version: "0.1.0".into(),
        sha256: "ab".repeat(32),
        parameters: json!({}),
        started: now(),
        finished: Some(now()),
        status: Status::Succeeded,
        result: None,
        error: None,
    }
}

/// This test in a process of its own, to be killed.
fn child(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg(format!(
            "{}::{test}",
            module_path!().split_once("::").unwrap().1
        ))
        .env(CHILD, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A run from start to end, with something in every field.
fn whole_run(log: &DeploymentLog) -> RunRecord {
    let mut record = new_run();
    let run = log.start(record.clone()).unwrap();
    let step = StepRecord {
        parameters: json!({ "database": "app", "ratio": 0.5 }),
        result: Some(json!({ "id": "b1", "bytes": u64::MAX })),
        ..step()
    };
    run.step(0, &step).unwrap();
    record.steps.push(step);
    record
        .facts
        .set("change", json!(["added reviews", "indexed them: é ✅"]));
    record.facts.set(
        "migrations",
        json!([{ "name": "20260117120000_add_review_model" }]),
    );
    record.facts.set("backup", json!({ "id": "b1" }));
    record.facts.set("downtime", json!(0.25));
    record.facts.set("rollback-plan", json!("drop them"));
    record.facts.set(
        "verification",
        json!([{ "sql": "SELECT 1", "result": 1, "ok": true }]),
    );
    record.facts.set("tables", json!({ "public.User": 5 }));
    record.warnings.push("no globals".into());
    let error = ErrorRecord {
        kind: "database".into(),
        message: "relation exists".into(),
        sqlstate: Some("42P07".into()),
        detail: None,
        hint: Some("resolve it".into()),
    };
    record.close(Status::Failed, Some(error), 1);
    run.finish(record).unwrap().record
}

/// The three places say the same of every run, and hold exactly these.
async fn assert_agreement(log: &DeploymentLog, client: &Client, expected: &[RunRecord]) {
    let journal = log.list(1_000, None).await.unwrap();
    let mut expected = expected.to_vec();
    expected.sort_by_key(|record| std::cmp::Reverse(record.run_id));
    assert_eq!(journal, expected, "journal");
    assert_eq!(
        table::newest(client, 1_000).await.unwrap(),
        expected,
        "table"
    );
    let entries = entries(log);
    let shown: Vec<(Uuid, String)> = entries.into_iter().rev().collect();
    let known: Vec<(Uuid, String)> = expected
        .iter()
        .map(|record| (record.run_id, record.status.to_string()))
        .collect();
    assert_eq!(shown, known, "DEPLOYMENT_LOG.md");
    for record in expected.iter().filter(|record| record.status.is_closed()) {
        assert_eq!(
            fs::read_to_string(log.report_path(record.run_id)).unwrap(),
            report::report(record)
        );
    }
}

#[test]
fn a_killed_process_is_found_and_its_draft_with_it() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let run = log(Path::new(&folder)).start(new_run()).unwrap();
        let step = StepRecord {
            status: Status::Running,
            finished: None,
            ..step()
        };
        run.step(0, &step).unwrap();
        run.fact("change", json!("half of it")).unwrap();
        run.warning("slow disk").unwrap();
        run.draft("main", "s3://key:secret@bucket", "app/b1/")
            .unwrap();
        run.scratch("app", "postgresql://u@h:5432/postgres", "app_scratch_1")
            .unwrap();
        run.role("app", "postgresql://u@h:5432/app", "orchestrator_run_1")
            .unwrap();
        println!("run {}", run.run_id());
        std::thread::sleep(Duration::from_secs(600));
    }
    let folder = tempfile::tempdir().unwrap();
    let ours = log(folder.path());
    let alive = ours.start(new_run()).unwrap();
    let mut child = child(
        "a_killed_process_is_found_and_its_draft_with_it",
        folder.path(),
    );
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let run: Uuid = lines
        .find_map(|line| {
            line.unwrap()
                .split_once("run ")
                .and_then(|(_, run)| run.trim().parse().ok())
        })
        .unwrap();
    assert!(ours.interrupted().unwrap().is_empty(), "both live");
    child.kill().unwrap();
    child.wait().unwrap();

    let mut dead = ours.interrupted().unwrap();
    assert!(
        ours.interrupted().unwrap().is_empty(),
        "another process does not find it while this one has it"
    );
    let dead = dead.pop().unwrap();
    assert_eq!(dead.record.run_id, run);
    let draft = Draft {
        run,
        storage: "main".into(),
        location: "s3://key:[redacted]@bucket".into(),
        prefix: "app/b1/".into(),
        removed: false,
    };
    assert_eq!(dead.drafts, std::slice::from_ref(&draft));
    assert_eq!(dead.scratches[0].name, "app_scratch_1");
    assert_eq!(dead.roles[0].name, "orchestrator_run_1");
    let written = ours
        .close_interrupted(
            dead,
            vec!["could not remove the half backup app/b1/".into()],
        )
        .unwrap();
    assert_eq!(written.warnings, Vec::<String>::new());
    assert_eq!(written.record.status, Status::Interrupted);
    assert_eq!(written.record.steps[0].status, Status::Interrupted);
    assert_eq!(written.record.warnings.len(), 2);
    assert_eq!(written.record.facts.change().as_deref(), Some("half of it"));
    assert_eq!(
        ours.leftover_drafts().unwrap(),
        [(draft, written.record.finished.unwrap())]
    );
    ours.draft_removed(run, "app/b1/").unwrap();
    assert!(ours.leftover_drafts().unwrap()[0].0.removed);
    assert_eq!(ours.leftover_scratches().unwrap().len(), 1);
    assert_eq!(ours.leftover_roles().unwrap().len(), 1);
    ours.draft_closed(run, "app/b1/").unwrap();
    ours.scratch_closed(run, "app_scratch_1").unwrap();
    assert!(ours.leftover_drafts().unwrap().is_empty());
    assert!(ours.leftover_scratches().unwrap().is_empty());
    ours.role_closed(run, "orchestrator_run_1").unwrap();
    assert!(ours.leftover_roles().unwrap().is_empty());
    assert!(ours.interrupted().unwrap().is_empty());
    assert_eq!(
        fs::read_dir(folder.path().join("state/runs"))
            .unwrap()
            .count(),
        1,
        "the lock of the living"
    );
    drop(alive);
    assert_eq!(
        ours.interrupted().unwrap().len(),
        1,
        "dropped without finish"
    );
}

#[tokio::test]
async fn processes_killed_at_any_moment_leave_three_places_that_agree() {
    if let Some(folder) = std::env::var_os(CHILD) {
        let ours = log(Path::new(&folder));
        println!("ready");
        loop {
            whole_run(&ours);
        }
    }
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let client = server.client("postgres").await;
    for round in 0..12_u64 {
        let mut child = child(
            "processes_killed_at_any_moment_leave_three_places_that_agree",
            folder.path(),
        );
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("ready")));
        std::thread::sleep(Duration::from_millis(round * 7 % 60));
        child.kill().unwrap();
        child.wait().unwrap();

        let ours = log(folder.path());
        for dead in ours.interrupted().unwrap() {
            ours.close_interrupted(dead, Vec::new()).unwrap();
        }
        ours.attach(&client).await.unwrap();
        let runs = ours.list(10_000, None).await.unwrap();
        assert!(runs.iter().all(|run| run.status.is_closed()));
        assert_agreement(&ours, &client, &runs).await;
    }
}

#[tokio::test]
async fn whatever_a_killed_process_did_not_write_is_written_at_the_next_start() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let client = server.client("postgres").await;
    let first = log(folder.path());
    let mut closed = new_run();
    let path = folder.path();
    // Killed between the journal and DEPLOYMENT_LOG.md, at the start and at the end.
    let guard = first.start(closed.clone()).unwrap();
    fs::remove_file(path.join("DEPLOYMENT_LOG.md")).unwrap();
    let second = log(path);
    assert_eq!(entries(&second)[&closed.run_id], "running");
    closed = first.show(&closed.run_id.to_string(), None).await.unwrap();
    closed.close(Status::Succeeded, None, 0);
    first
        .journal
        .append(vec![Event::Finished {
            record: Box::new(closed.clone()),
        }])
        .unwrap();
    drop(guard);
    assert!(
        second.interrupted().unwrap().is_empty(),
        "its end is in the journal"
    );
    let third = log(path);
    third.attach(&client).await.unwrap();
    assert_agreement(&third, &client, &[closed]).await;
    assert_eq!(
        fs::read_dir(path.join("state/runs")).unwrap().count(),
        0,
        "its lock is swept"
    );
}

#[tokio::test]
async fn what_cannot_be_written_beside_the_journal_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let ours = log(folder.path());
    fs::write(folder.path().join("reports"), "in the way").unwrap();
    let mut record = new_run();
    let guard = ours.start(record.clone()).unwrap();
    record.close(Status::Succeeded, None, 0);
    let written = guard.finish(record).unwrap();
    assert_eq!(written.warnings.len(), 1, "{:?}", written.warnings);
    fs::remove_file(folder.path().join("reports")).unwrap();
    let again = log(folder.path());
    assert_eq!(entries(&again)[&written.record.run_id], "succeeded");
    assert!(again.report_path(written.record.run_id).exists());
}

#[test]
fn a_run_that_could_not_be_closed_is_closed_later() {
    let folder = tempfile::tempdir().unwrap();
    let ours = log(folder.path());
    let mut record = new_run();
    let guard = ours.start(record.clone()).unwrap();
    record.close(Status::Succeeded, None, 0);
    // In the way of the next writer, as a full disk is.
    let lock = folder.path().join("state/journal.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let unclosed = guard.finish(record.clone()).unwrap_err();
    // It is not dead while somebody tries: no start takes it for that.
    fs::remove_dir(&lock).unwrap();
    assert!(log(folder.path()).interrupted().unwrap().is_empty());
    let run = unclosed.guard.finish(record).unwrap().record.run_id;
    assert_eq!(entries(&ours)[&run], "succeeded");
    assert_eq!(
        fs::read_dir(folder.path().join("state/runs"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_run_that_could_not_begin_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ours = log(folder.path());
    fs::create_dir(folder.path().join("state/journal.lock")).unwrap();
    assert!(ours.start(new_run()).is_err());
    assert_eq!(
        fs::read_dir(folder.path().join("state/runs"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_run_is_closed_once_and_by_its_own_record() {
    let folder = tempfile::tempdir().unwrap();
    let ours = log(folder.path());
    let record = new_run();
    let guard = ours.start(record.clone()).unwrap();
    assert!(matches!(
        ours.start(record.clone()),
        Err(LogError::AlreadyStarted(_))
    ));
    let unclosed = guard.finish(record).unwrap_err();
    assert!(matches!(unclosed.error, LogError::NotClosed(_)));
}

#[test]
fn secrets_reach_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let ours = log(folder.path());
    ours.redactor().register("s3cr3t-word");
    let mut record = new_run();
    let guard = ours.start(record.clone()).unwrap();
    guard
        .step(
            0,
            &StepRecord {
                parameters: json!({ "url": "postgres://app:s3cr3t-word@db/app" }),
                ..step()
            },
        )
        .unwrap();
    guard.warning("the password is s3cr3t-word").unwrap();
    guard.fact("change", json!("s3cr3t-word")).unwrap();
    record.warnings.push("s3cr3t-word".into());
    record.close(
        Status::Failed,
        Some(ErrorRecord {
            message: "login with s3cr3t-word".into(),
            ..Default::default()
        }),
        1,
    );
    let run = guard.finish(record).unwrap().record.run_id;
    for file in [
        folder.path().join("state/journal.jsonl"),
        folder.path().join("DEPLOYMENT_LOG.md"),
        ours.report_path(run),
    ] {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.contains("redacted") && !text.contains("s3cr3t"),
            "{}: {text}",
            file.display()
        );
    }
}
