//! `orchestrator migrate`: the example's migrations, failures, and what the history says of them.

use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Project, Version, repository, wait_for};
use serde_json::Value;

use crate::{project, start, text};

/// A project whose migrations are the example's.
pub fn example(server: &PostgresServer) -> Project {
    let project = project(server);
    server.create_database("source");
    write_example(&project, "migrations");
    project
}

/// The example's migrations, in a folder of the project.
pub fn write_example(project: &Project, folder: &str) {
    let from = repository().join("migrations");
    for entry in std::fs::read_dir(&from).expect("the example's migrations") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let read = |file: &std::path::Path| std::fs::read_to_string(file).expect("UTF-8");
        match path.is_dir() {
            true => project.write(
                &format!("{folder}/{name}/migration.sql"),
                &read(&path.join("migration.sql")),
            ),
            false => project.write(&format!("{folder}/{name}"), &read(&path)),
        }
    }
}

pub fn migrate<const N: usize>(arguments: [&str; N]) -> Vec<String> {
    let all = ["migrate"].into_iter().chain(arguments);
    let mut all: Vec<String> = all.map(str::to_owned).collect();
    if arguments.first() != Some(&"new") {
        all.extend(["--database".to_owned(), "source".to_owned()]);
    }
    all
}

const TABLES: &str = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'";
const ALL: &str = "Appointment Doctor File Queue RefreshToken User _prisma_migrations";

/// Scenarios 1 and 2: all at once, and one at a time.
#[test]
fn a_fresh_database_gets_all_six_tables() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    let status = project
        .run(migrate(["status", "--output", "json"]))
        .expect_code(6);
    assert_eq!(status.json()["pending"].as_array().map(Vec::len), Some(4));
    project.run(migrate(["deploy"])).expect_code(0);
    assert_eq!(server.psql("source", TABLES), ALL);
    project.run(migrate(["status"])).expect_code(0);
    let again = project
        .run(migrate(["deploy", "--output", "json"]))
        .expect_code(0);
    let applied = &again.json()["steps"][0]["result"]["applied"];
    assert_eq!(applied.as_array().map(Vec::len), Some(0));
    let history = "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL AND applied_steps_count = 1 AND logs IS NULL \
         AND rolled_back_at IS NULL AND started_at <= finished_at";
    assert_eq!(server.psql("source", history), "4");

    server.drop_database("source");
    server.create_database("source");
    let one = migrate(["deploy", "--to", "20251217095346_add_user_phone"]);
    project.run(one).expect_code(0);
    let columns = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'User' AND column_name IN ('phone', 'password')";
    assert_eq!(server.psql("source", columns), "1");
    project.run(migrate(["deploy"])).expect_code(0);
    assert_eq!(server.psql("source", columns), "2");
}

/// What fails is rolled back, told with its place, and blocks until somebody has settled it.
#[test]
fn a_migration_that_fails_leaves_nothing_but_its_row() {
    let server = PostgresServer::start(Version::V18);
    let project = example(&server);
    let name = "20260101000000_broken";
    let file = format!("migrations/{name}/migration.sql");
    project.write(&file, "CREATE TABLE half (a int);\n\nSELECT 1 / 0;\n");
    let failed = project.run(migrate(["deploy"])).expect_code(1);
    for expected in ["P3018", "line 3", "division by zero", "--rolled-back"] {
        assert!(failed.stderr.contains(expected), "{}", failed.stderr);
    }
    assert_eq!(server.psql("source", TABLES), ALL);
    let row = format!(
        "SELECT finished_at IS NULL, applied_steps_count, logs LIKE '%division by zero%' FROM _prisma_migrations \
         WHERE migration_name = '{name}'"
    );
    assert_eq!(server.psql("source", &row), "t|0|t");
    let blocked = project.run(migrate(["deploy"])).expect_code(1);
    assert!(blocked.stderr.contains("P3009"), "{}", blocked.stderr);
    project.run(migrate(["status"])).expect_code(1);
    project.write(&file, "CREATE TABLE half (a int);\n");
    project
        .run(migrate(["resolve", "--rolled-back", name]))
        .expect_code(0);
    project.run(migrate(["deploy"])).expect_code(0);
    assert_eq!(server.psql("source", "SELECT count(*) FROM half"), "0");
    let rows = format!("SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{name}'");
    assert_eq!(server.psql("source", &rows), "2");
}

/// Statements that cannot be in a transaction run one by one, and another attempt goes on at the one that failed.
#[test]
fn statement_by_statement_goes_on_where_it_failed() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    let name = "20260101000000_apart";
    let file = format!("migrations/{name}/migration.sql");
    let begin = "CREATE TABLE apart (a int);\nINSERT INTO apart VALUES (1), (1);\n";
    project.write(
        &file,
        &format!("{begin}CREATE UNIQUE INDEX CONCURRENTLY one ON apart (a);\n"),
    );
    let failed = project.run(migrate(["deploy"])).expect_code(1);
    assert!(failed.stderr.contains("line 3"), "{}", failed.stderr);
    // Half an index is of no use.
    assert_eq!(
        server.psql(
            "source",
            "SELECT count(*) FROM pg_index WHERE NOT indisvalid"
        ),
        "0"
    );
    project.write(
        &file,
        &format!("{begin}CREATE INDEX CONCURRENTLY one ON apart (a);\n"),
    );
    project
        .run(migrate(["resolve", "--rolled-back", name]))
        .expect_code(0);
    project.run(migrate(["deploy"])).expect_code(0);
    assert_eq!(server.psql("source", "SELECT count(*) FROM apart"), "2");
    assert_eq!(
        server.psql(
            "source",
            "SELECT count(*) FROM orchestrator.migration_progress"
        ),
        "0"
    );
}

/// One waits for the other, and nothing is applied twice.
#[test]
fn two_deployments_at_once_are_one_after_the_other() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.write(
        "migrations/20260101000000_slow/migration.sql",
        "SELECT pg_sleep(3);\n",
    );
    let first = start(&project, &["migrate", "deploy", "--database", "source"]);
    wait_for("the first deployment's lock", || {
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND granted";
        server.psql("source", held) == "1"
    });
    let impatient = project
        .run(migrate(["deploy", "--lock-wait", "0"]))
        .expect_code(1);
    for expected in ["P1002", "process", "orchestrator"] {
        assert!(impatient.stderr.contains(expected), "{}", impatient.stderr);
    }
    project
        .run(migrate(["deploy", "--lock-wait", "60"]))
        .expect_code(0);
    assert!(first.wait_with_output().expect("it ends").status.success());
    let rows = "SELECT count(*), count(DISTINCT migration_name) FROM _prisma_migrations";
    assert_eq!(server.psql("source", rows), "5|5");
}

/// Ends the session that runs a statement.
fn cut(server: &PostgresServer, statement: &str) {
    let cut = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'source' AND query LIKE '{statement}%' AND state = 'active'"
    );
    wait_for("the statement", || server.psql("postgres", &cut) == "1");
}

#[test]
fn a_lost_connection_leaves_what_the_history_says() {
    let server = PostgresServer::start(Version::V18);
    let project = example(&server);
    let [whole, apart] = ["20260101000000_whole", "20260102000000_apart"];
    let write = |name: &str, script: &str| {
        project.write(&format!("migrations/{name}/migration.sql"), script);
    };
    write(whole, "CREATE TABLE whole (a int);\nSELECT pg_sleep(60);\n");
    let deployment = start(&project, &["migrate", "deploy", "--database", "source"]);
    cut(&server, "SELECT pg_sleep");
    let output = deployment.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("terminating connection"), "{told}");
    assert_eq!(server.psql("source", TABLES), ALL);
    // Nothing of it is there, so there is nothing to settle.
    project.run(migrate(["status"])).expect_code(6);
    write(whole, "CREATE TABLE whole (a int);\n");
    write(
        apart,
        "CREATE TABLE apart (a int);\nCREATE INDEX CONCURRENTLY i ON apart (a);\nSELECT pg_sleep(60);\n",
    );
    let deployment = start(&project, &["migrate", "deploy", "--database", "source"]);
    cut(&server, "SELECT pg_sleep");
    let output = deployment.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    let refused = project.run(migrate(["deploy"])).expect_code(1);
    for expected in ["P3009", "terminating connection"] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    write(
        apart,
        "CREATE TABLE apart (a int);\nCREATE INDEX CONCURRENTLY i ON apart (a);\nSELECT 1;\n",
    );
    project
        .run(migrate(["resolve", "--rolled-back", apart]))
        .expect_code(0);
    project.run(migrate(["deploy"])).expect_code(0);
    project.run(migrate(["status"])).expect_code(0);
}

/// A dry run tries all of them, one after another, and writes nothing.
#[test]
fn a_dry_run_finds_what_would_fail_and_writes_nothing() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    let dry = || project.run(migrate(["deploy", "--dry-run", "--output", "json"]));
    let tried = dry().expect_code(0).json();
    let would = &tried["steps"][0]["result"]["would_apply"];
    assert_eq!(would.as_array().map(Vec::len), Some(4), "{would}");
    project.write(
        "migrations/20260101000000_broken/migration.sql",
        "ALTER TABLE \"User\" ADD COLUMN new int;\nALTER TABLE \"User\" ADD COLUMN phone text;\n",
    );
    let failed = dry().expect_code(1);
    for expected in [
        "20260101000000_broken/migration.sql, line 2",
        "already exists",
    ] {
        assert!(failed.stderr.contains(expected), "{}", failed.stderr);
    }
    project.write(
        "migrations/20251231000000_apart/migration.sql",
        "CREATE INDEX CONCURRENTLY i ON \"User\" (name);\n",
    );
    let stopped = dry().expect_code(3);
    let would = &stopped.json()["steps"][0]["result"]["would_apply"];
    assert!(would[3]["not_tried"].is_null(), "{would}");
    for untried in [&would[4], &would[5]] {
        let why = text(&untried["not_tried"]);
        assert!(why.contains("CREATE INDEX CONCURRENTLY (line 1)"), "{why}");
    }
    let nothing = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.psql("source", nothing), "0");
    let rows = server.psql(
        "records",
        "SELECT count(*) FROM pg_class WHERE relname = 'deployment_log'",
    );
    assert_eq!(rows, "0", "not even a record");
    // What others see of it is locked.
    project
        .run(migrate(["deploy", "--to", "20251217083615_init_schema"]))
        .expect_code(0);
    let stopped = dry().expect_code(3);
    let would = &stopped.json()["steps"][0]["result"]["would_apply"];
    assert_eq!(text(&would[0]["locks"][0]["relation"]), "public.\"User\"");
    assert_eq!(text(&would[0]["locks"][0]["lock"]), "AccessExclusive");
}

/// How long others could not use a table, against the longest time that another session waited for it.
#[tokio::test]
async fn downtime_is_measured_to_fifty_milliseconds() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.run(migrate(["deploy"])).expect_code(0);
    project.write(
        "migrations/20260101000000_slow/migration.sql",
        "CREATE TABLE fresh (a int);\nALTER TABLE \"User\" ADD COLUMN slow int;\nSELECT pg_sleep(1.5);\n",
    );
    let (client, connection) =
        tokio_postgres::connect(&server.url("source"), tokio_postgres::NoTls)
            .await
            .expect("a connection");
    tokio::spawn(connection);
    let deployment = start(
        &project,
        &[
            "migrate",
            "deploy",
            "--database",
            "source",
            "--output",
            "json",
        ],
    );
    let deployment = tokio::task::spawn_blocking(|| deployment.wait_with_output());
    let mut longest = Duration::ZERO;
    while !deployment.is_finished() {
        let asked = Instant::now();
        client
            .simple_query("SELECT FROM \"User\" LIMIT 0")
            .await
            .expect("it waits and reads");
        longest = longest.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let output = deployment.await.expect("a thread").expect("an end");
    assert!(output.status.success(), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let applied = &document["steps"][0]["result"]["applied"][0];
    let locks = applied["locks"].as_array().expect("locks");
    // Nobody can wait for a table that nobody sees yet.
    assert_eq!(locks.len(), 1, "{locks:?}");
    assert_eq!(text(&locks[0]["relation"]), "public.\"User\"");
    assert_eq!(text(&locks[0]["lock"]), "AccessExclusive");
    let blocked = locks[0]["reads_blocked_ms"].as_u64().expect("a number");
    assert_eq!(applied["downtime_ms"].as_u64(), Some(blocked));
    let waited = u64::try_from(longest.as_millis()).expect("milliseconds");
    assert!(waited >= 1_500, "{waited} ms");
    assert!(
        blocked.abs_diff(waited) <= 50,
        "{blocked} ms told, {waited} ms waited"
    );
}
