//! Against real servers: a database that is away, restored, in another encoding, of an older layout, or missing rights.

use serde_json::json;

use super::super::*;
use super::server::Server;
use super::{assert_agreement, log, new_run, whole_run};

#[tokio::test]
async fn a_run_is_the_same_in_all_places() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (log, client) = (log(folder.path()), server.client("postgres").await);
    let mut running = new_run();
    let guard = log.start(running.clone()).unwrap();
    assert_eq!(
        log.attach(&client).await.unwrap(),
        Attached {
            replayed: 1,
            ..Attached::default()
        }
    );
    running = log.show(&running.run_id.to_string(), None).await.unwrap();
    assert_agreement(&log, &client, std::slice::from_ref(&running)).await;

    running.close(Status::Succeeded, None, 0);
    let closed = guard.finish(running).unwrap().record;
    log.publish(&client, closed.run_id).await.unwrap();
    assert_agreement(&log, &client, std::slice::from_ref(&closed)).await;

    let failed = whole_run(&log);
    log.attach(&client).await.unwrap();
    assert_agreement(&log, &client, &[closed, failed.clone()]).await;
    assert_eq!(
        log.attach(&client).await.unwrap(),
        Attached::default(),
        "nothing is left to say"
    );

    let columns = "SELECT change, migrations::text, backup, downtime_seconds::text, rollback_plan, verification::text, error_message, plugin_digests[1] \
                   FROM orchestrator.deployment_log WHERE status = 'failed'";
    let row = client.query_one(columns, &[]).await.unwrap();
    let row: Vec<String> = (0..row.len()).map(|column| row.get(column)).collect();
    let digest = format!("backup 0.1.0 {}", "ab".repeat(32));
    assert_eq!(
        row,
        [
            "added reviews; indexed them: é ✅",
            "{20260117120000_add_review_model}",
            "b1",
            "0.25",
            "drop them",
            r#"{"SELECT 1; -- Returns 1"}"#,
            "relation exists",
            &digest
        ]
    );

    let other = DeploymentLog::open(
        LogPaths {
            state: folder.path().join("other"),
            markdown: folder.path().join("other.md"),
            reports: folder.path().join("other"),
        },
        Redactor::default(),
    )
    .unwrap();
    assert_eq!(
        other.list(5, Some(&client)).await.unwrap(),
        log.list(5, None).await.unwrap()
    );
    assert_eq!(
        other
            .show(&failed.run_id.to_string()[24..], Some(&client))
            .await
            .unwrap(),
        failed
    );
    assert!(matches!(
        other
            .show(&failed.run_id.to_string()[..1], Some(&client))
            .await,
        Err(LogError::AmbiguousRun { count: 2, .. })
    ));
    assert!(matches!(
        other.show("%", Some(&client)).await,
        Err(LogError::UnknownRun(_))
    ));
}

#[tokio::test]
async fn a_database_that_was_away_gets_everything_later() {
    let folder = tempfile::tempdir().unwrap();
    let runs = {
        let log = log(folder.path());
        vec![whole_run(&log), whole_run(&log)]
    };
    let server = Server::start();
    let client = server.client("postgres").await;
    let log = log(folder.path());
    assert_eq!(log.attach(&client).await.unwrap().replayed, 2);
    assert_agreement(&log, &client, &runs).await;
}

#[tokio::test]
async fn a_restore_over_the_table_loses_no_row() {
    let (server, here, there) = (
        Server::start(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let (ours, theirs) = (log(here.path()), log(there.path()));
    let client = server.client("postgres").await;
    let before = whole_run(&ours);
    let backup = ours.start(new_run()).unwrap();
    let foreign = theirs.start(new_run()).unwrap();
    ours.attach(&client).await.unwrap();
    theirs.attach(&client).await.unwrap();
    // The backup: as it was while two runs were under way.
    client
        .batch_execute("CREATE TABLE kept AS SELECT * FROM orchestrator.deployment_log")
        .await
        .unwrap();
    let taken = now();
    let finish = |log: &DeploymentLog, guard: RunGuard| {
        let history = log.journal.read().unwrap();
        let known = history.run(guard.run_id()).unwrap();
        let mut record = known.record.whole().into_owned();
        record.close(Status::Succeeded, None, 0);
        guard.finish(record).unwrap().record
    };
    let backup = finish(&ours, backup);
    let since = whole_run(&theirs);
    theirs.attach(&client).await.unwrap();
    ours.publish(&client, backup.run_id).await.unwrap();

    // The other machine's runs are here only in the table, and the restore takes them away.
    assert_eq!(ours.hold(&client).await.unwrap(), 2);
    client
        .batch_execute("DROP SCHEMA orchestrator CASCADE; CREATE SCHEMA orchestrator; ALTER TABLE kept SET SCHEMA orchestrator; ALTER TABLE orchestrator.kept RENAME TO deployment_log; ALTER TABLE orchestrator.deployment_log ADD PRIMARY KEY (run_id)")
        .await
        .unwrap();
    assert_eq!(
        ours.attach(&client).await.unwrap().replayed,
        2,
        "the backup run's end, and the other machine's run"
    );
    assert_eq!(ours.settle_restored(&client, taken).await.unwrap(), 1);
    let settled = ours
        .show(&foreign.run_id().to_string(), None)
        .await
        .unwrap();
    assert_eq!(settled.status, Status::Interrupted);
    assert_agreement(
        &ours,
        &client,
        &[before.clone(), backup.clone(), settled, since.clone()],
    )
    .await;

    // The machine that ran it knows better.
    let foreign = finish(&theirs, foreign);
    theirs.attach(&client).await.unwrap();
    ours.attach(&client).await.unwrap();
    assert_agreement(
        &ours,
        &client,
        &[
            before.clone(),
            backup.clone(),
            foreign.clone(),
            since.clone(),
        ],
    )
    .await;
    assert_agreement(&theirs, &client, &[before, backup, foreign, since]).await;
}

#[tokio::test]
async fn a_table_of_an_older_layout_is_upgraded() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (log, client) = (log(folder.path()), server.client("postgres").await);
    let old = "CREATE SCHEMA orchestrator; CREATE TABLE orchestrator.deployment_log (run_id uuid PRIMARY KEY, job text, started timestamptz, status text);
               INSERT INTO orchestrator.deployment_log VALUES ('0198c0de-0000-7000-8000-000000000001', 'backup', '2025-08-19 02:00+00', 'succeeded'),
               ('0198c0de-0000-7000-8000-000000000002', 'backup', '2025-08-19 03:00+00', 'teleported')";
    client.batch_execute(old).await.unwrap();
    let ours = whole_run(&log);
    assert_eq!(
        log.attach(&client).await.unwrap(),
        Attached {
            replayed: 1,
            imported: 1,
            warnings: vec![]
        }
    );
    assert_eq!(log.list(9, None).await.unwrap().len(), 2);
    assert_eq!(log.list(9, None).await.unwrap()[0], ours);
    let comment = "SELECT obj_description('orchestrator.deployment_log'::regclass), col_description('orchestrator.deployment_log'::regclass, 1)";
    let comments = client.query_one(comment, &[]).await.unwrap();
    assert!(
        comments.get::<_, &str>(0).contains("layout 1")
            && comments.get::<_, &str>(1).contains("UUIDv7")
    );
}

#[tokio::test]
async fn several_processes_make_the_table_at_once() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..6 {
        let (log, client) = (
            log(&folder.path().join((number % 3).to_string())),
            server.client("postgres").await,
        );
        tasks.spawn(async move {
            let record = whole_run(&log);
            log.attach(&client).await.unwrap();
            record
        });
    }
    let runs = tasks.join_all().await;
    let client = server.client("postgres").await;
    for number in 0..3 {
        let log = log(&folder.path().join(number.to_string()));
        log.attach(&client).await.unwrap();
        assert_agreement(&log, &client, &runs).await;
    }
}

#[tokio::test]
async fn missing_rights_are_an_error_with_a_hint_and_lose_nothing() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (log, owner) = (log(folder.path()), server.client("postgres").await);
    owner.batch_execute("CREATE ROLE app LOGIN").await.unwrap();
    let run = whole_run(&log);
    let app = server.client("app").await;
    let error = log.attach(&app).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "make or upgrade orchestrator.deployment_log: permission denied for database postgres (SQLSTATE 42501)"
    );
    assert!(error.hint().unwrap().contains("grant CREATE"));
    app.query_one("SELECT 1", &[])
        .await
        .expect("the session is not left in a failed transaction");

    log.attach(&owner).await.unwrap();
    let next = whole_run(&log);
    let rights = "GRANT USAGE ON SCHEMA orchestrator TO app; GRANT SELECT, INSERT, UPDATE ON orchestrator.deployment_log TO app";
    owner.batch_execute(rights).await.unwrap();
    assert_eq!(
        log.attach(&app).await.unwrap().replayed,
        1,
        "these rights are enough"
    );
    assert_agreement(&log, &owner, &[run, next]).await;
}

#[tokio::test]
async fn a_database_in_latin1_gets_question_marks_rather_than_nothing() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let owner = server.client("postgres").await;
    owner.batch_execute("CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0").await.unwrap();
    let (log, client) = (
        log(folder.path()),
        server.database("postgres", "latin").await,
    );
    whole_run(&log);
    log.attach(&client).await.unwrap();
    let change: String = client
        .query_one("SELECT change FROM orchestrator.deployment_log", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(change, "added reviews; indexed them: ? ?");
}

#[tokio::test]
async fn what_compaction_dropped_stays_in_the_table_and_survives_a_restore() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let (mut log, client) = (log(folder.path()), server.client("postgres").await);
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(whole_run(&log));
    }
    log.attach(&client).await.unwrap();
    (log.journal.compact_from, log.journal.kept_runs) = (1, 2);
    runs.push(whole_run(&log));
    assert_eq!(log.list(9, None).await.unwrap().len(), 2);
    assert_eq!(
        log.attach(&client).await.unwrap().imported,
        0,
        "not taken back"
    );
    assert_eq!(log.list(9, Some(&client)).await.unwrap().len(), 6);

    (log.journal.compact_from, log.journal.kept_runs) = (8 << 20, 5_000);
    assert_eq!(log.hold(&client).await.unwrap(), 4);
    client
        .batch_execute("DROP SCHEMA orchestrator CASCADE")
        .await
        .unwrap();
    assert_eq!(log.attach(&client).await.unwrap().replayed, 6);
    assert_agreement(&log, &client, &runs).await;
}

#[tokio::test]
async fn a_machine_that_joins_a_long_log_takes_the_newest_runs() {
    let (server, here, there) = (
        Server::start(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let client = server.client("postgres").await;
    let (mut ours, theirs) = (log(here.path()), log(there.path()));
    let runs: Vec<RunRecord> = (0..12).map(|_| whole_run(&theirs)).collect();
    theirs.attach(&client).await.unwrap();
    ours.journal.kept_runs = 5;
    assert_eq!(ours.attach(&client).await.unwrap().imported, 5);
    let listed = ours.list(99, None).await.unwrap();
    let newest = runs.iter().rev().take(5).map(|run| run.run_id);
    assert!(listed.iter().map(|run| run.run_id).eq(newest), "{listed:?}");
    // Its own go there, and nothing older comes back.
    whole_run(&ours);
    let again = ours.attach(&client).await.unwrap();
    assert_eq!((again.replayed, again.imported), (1, 0));
    assert_eq!(ours.list(99, Some(&client)).await.unwrap().len(), 13);
}

#[tokio::test]
async fn what_other_machines_have_proven_is_known() {
    let (server, here, there) = (
        Server::start(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let client = server.client("postgres").await;
    let (ours, theirs) = (log(here.path()), log(there.path()));
    assert!(
        ours.proofs(Some(&client)).await.unwrap().is_empty(),
        "no table yet"
    );
    let drill = |backups: &[(&str, String)]| {
        let mut record = new_run();
        let guard = theirs.start(record.clone()).unwrap();
        for (database, backup) in backups {
            let fact = json!({ "backup": backup, "database": database, "seconds": 2.5 });
            record.facts.set("proven", fact);
        }
        record.close(Status::Failed, None, 1);
        guard.finish(record).unwrap();
    };
    let of_day = |day: u8| format!("2026-01-{day:02}T02-00-00Z-full-1f2e3d4c");
    (1..=25).for_each(|day| drill(&[("app", of_day(day))]));
    drill(&[("app", of_day(3)), ("shop", of_day(9)), ("app", of_day(24))]);
    drill(&[]);
    theirs.attach(&client).await.unwrap();
    let odd = "INSERT INTO orchestrator.deployment_log (run_id, finished, facts) VALUES \
               (gen_random_uuid(), now(), '{\"proven\": \"odd\"}'), (gen_random_uuid(), now(), '{\"proven\": [1, null]}')";
    client.batch_execute(odd).await.unwrap();

    assert!(ours.proofs(None).await.unwrap().is_empty());
    let proofs = ours.proofs(Some(&client)).await.unwrap();
    assert_eq!(proofs, theirs.proven().unwrap());
    assert_eq!(proofs, theirs.proofs(Some(&client)).await.unwrap());
    let known: Vec<(&str, String)> = proofs
        .iter()
        .map(|proven| (&*proven.database, proven.backup.clone()))
        .collect();
    let app = (6..=25).rev().map(|day| ("app", of_day(day)));
    assert_eq!(known, app.chain([("shop", of_day(9))]).collect::<Vec<_>>());
    assert_eq!(
        proofs[1].run, proofs[20].run,
        "the last proof of the 24th's"
    );

    // A database of the same name in another storage has proofs of its own.
    let mut record = new_run();
    let guard = theirs.start(record.clone()).unwrap();
    let fact =
        json!({ "backup": of_day(1), "database": "app", "storage": "offsite", "seconds": 2.5 });
    record.facts.set("proven", fact);
    record.close(Status::Succeeded, None, 0);
    guard.finish(record).unwrap();
    theirs.attach(&client).await.unwrap();
    let proofs = ours.proofs(Some(&client)).await.unwrap();
    assert_eq!(proofs, theirs.proven().unwrap());
    assert_eq!(proofs.len(), 22);
    assert_eq!(proofs[20].storage.as_deref(), Some("offsite"));

    let explained = "SET enable_seqscan = off; EXPLAIN SELECT FROM orchestrator.deployment_log WHERE facts ? 'proven' AND finished IS NOT NULL";
    let plan = client.simple_query(explained).await.unwrap();
    assert!(
        format!("{plan:?}").contains("deployment_log_proven_idx"),
        "{plan:?}"
    );
}

#[tokio::test]
async fn a_journal_that_forgets_knows_what_is_proven() {
    let (server, folder) = (Server::start(), tempfile::tempdir().unwrap());
    let client = server.client("postgres").await;
    let mut ours = log(folder.path());
    (ours.journal.compact_from, ours.journal.kept_runs) = (20_000, 5);
    let mut record = new_run();
    record.job = "drill".into();
    let guard = ours.start(record.clone()).unwrap();
    let fact = json!({ "backup": "b1", "database": "app", "seconds": 2.5 });
    record.facts.set("proven", fact);
    record.close(Status::Succeeded, None, 0);
    let drill = guard.finish(record).unwrap().record;
    for _ in 0..60 {
        whole_run(&ours);
        ours.attach(&client).await.unwrap();
    }
    let history = ours.journal.read().unwrap();
    assert!(history.horizon.is_some() && history.runs().count() < 40);
    assert!(history.run(drill.run_id).is_some());
    assert_eq!(
        ours.proven().unwrap(),
        ours.proofs(Some(&client)).await.unwrap()
    );
    assert_eq!(ours.proven().unwrap()[0].backup, "b1");
    // Nothing is told twice because of it.
    assert_eq!(ours.attach(&client).await.unwrap(), Attached::default());
}
