//! Backups and restores where the server is not a quiet primary: a standby, a pooler in between, a restart on the way.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use end_to_end::{PgBouncer, PostgresServer, Project, Version, wait_for};

use crate::round_trips::{assert_same, rows_sorted};
use crate::{SLOW_BACKUP, back_up_with, files, project, start, statuses};

/// One table that takes seconds to copy.
const BIG: &str = "CREATE TABLE big AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, 2000000) i";

/// The exit code and stderr.
fn end(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().expect("the program ends");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8 on stderr");
    (output.status.code(), stderr)
}

fn wait_for_bytes(backups: &Path) {
    wait_for("a backup begins", || !files(backups).is_empty());
}

/// The same configuration with another address of `source`.
fn readdress(project: &Project, server: &PostgresServer, address: &str) {
    let url = format!("url = \"{}\"", server.url("source"));
    let config = project.read("orchestrator.toml");
    assert!(config.contains(&url));
    project.write("orchestrator.toml", &config.replace(&url, address));
}

fn standby(version: Version) {
    let primary = PostgresServer::start(version);
    primary.create_example("source");
    primary.psql(
        "source",
        &format!("{BIG}; SELECT lo_from_bytea(4711, 'large')"),
    );
    let standby = primary.standby(&[]);
    let project = project(&primary);
    readdress(
        &project,
        &primary,
        &format!("url = \"{}\"", standby.url("source")),
    );
    assert_eq!(standby.psql("source", "SELECT pg_is_in_recovery()"), "t");
    back_up_with(&project, &["--jobs", "3"]);
    project
        .run(["restore", "latest", "--to", "target", "--create"])
        .expect_code(0);
    assert_same(
        &rows_sorted(&primary.pg_dump("source")),
        &rows_sorted(&primary.pg_dump("target")),
        "a backup of the standby",
    );
    let shown = project
        .run(["backup", "show", "--output", "json"])
        .expect_code(0)
        .json();
    let position = shown["snapshot"]["lsn"]
        .as_str()
        .expect("a position")
        .to_owned();
    assert_eq!(
        primary.psql(
            "postgres",
            &format!("SELECT pg_current_wal_lsn() >= '{position}'")
        ),
        "t"
    );
}

#[test]
fn a_hot_standby_is_backed_up_on_15() {
    standby(Version::V15);
}

#[test]
fn a_hot_standby_is_backed_up_on_18() {
    standby(Version::V18);
}

/// What the primary does to rows or tables that a standby's backup still reads ends that backup, and nothing else.
#[test]
fn a_conflict_with_recovery_says_what_to_do() {
    let primary = PostgresServer::start(Version::V15);
    primary.create_database("source");
    primary.psql("source", BIG);
    let standby = primary.standby(&[("max_standby_streaming_delay", "200ms")]);
    let project = project(&primary);
    readdress(
        &project,
        &primary,
        &format!("url = \"{}\"", standby.url("source")),
    );
    let conflicts = [
        ("rows", "DELETE FROM big WHERE id % 2 = 0; VACUUM big"),
        ("a lock", "TRUNCATE big"),
    ];
    for (what, sql) in conflicts {
        let child = start(&project, &SLOW_BACKUP);
        wait_for_bytes(&project.path().join("backups"));
        for statement in sql.split("; ") {
            primary.psql("source", statement);
        }
        let (code, stderr) = end(child);
        assert_eq!(code, Some(1), "{what}: {stderr}");
        for expected in [
            "conflict with recovery",
            "max_standby_streaming_delay",
            "hot_standby_feedback",
        ] {
            assert!(stderr.contains(expected), "{what}: {expected} in {stderr}");
        }
        assert!(files(&project.path().join("backups")).is_empty(), "{what}");
        standby.catch_up_with(&primary);
    }
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
    assert_eq!(
        statuses(&project, &primary),
        ["succeeded", "failed", "failed"]
    );
}

#[test]
fn a_pooler_that_changes_sessions_is_named_and_gone_around() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    let direct = server.url("source");
    let create = ["backup", "create", "--database", "source", "--jobs", "3"];
    for pool_mode in ["transaction", "statement"] {
        let pooler = PgBouncer::start(&server, pool_mode);
        let config = project.read("orchestrator.toml");
        let pooled = format!("url = \"{}\"", pooler.url("source"));
        readdress(&project, &server, &pooled);
        let outcome = project.run(create).expect_code(1);
        assert!(outcome.stderr.contains("pooler"), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("`direct_url`"),
            "{}",
            outcome.stderr
        );
        assert!(files(&project.path().join("backups")).is_empty());

        let with_direct = format!("{pooled}\ndirect_url = \"{direct}\"");
        let text = project.read("orchestrator.toml");
        project.write("orchestrator.toml", &text.replace(&pooled, &with_direct));
        project.run(create).expect_code(0);
        // A restore would leave its settings to the next client.
        let to = pooler.url("target");
        server.create_database("target");
        let outcome = project
            .run(["restore", "latest", "--to", &to])
            .expect_code(1);
        assert!(
            outcome.stderr.contains("`direct_url`"),
            "{}",
            outcome.stderr
        );
        project
            .run(["restore", "latest", "--to", "target"])
            .expect_code(0);
        assert_eq!(server.pg_dump("source"), server.pg_dump("target"));
        // The pooler keeps sessions.
        server.psql("postgres", "DROP DATABASE target WITH (FORCE)");
        project.write("orchestrator.toml", &config);
        std::fs::remove_dir_all(project.path().join("backups")).expect("the backups");
    }
}

#[test]
fn a_pooler_that_keeps_sessions_does_no_harm() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.psql("source", BIG);
    let project = project(&server);
    let pooler = PgBouncer::start(&server, "session");
    readdress(
        &project,
        &server,
        &format!("url = \"{}\"", pooler.url("source")),
    );
    back_up_with(&project, &["--jobs", "3"]);
    server.create_database("target");
    project
        .run(["restore", "latest", "--to", &pooler.url("target")])
        .expect_code(0);
    assert_same(
        &rows_sorted(&server.pg_dump("source")),
        &rows_sorted(&server.pg_dump("target")),
        "by way of a pooler",
    );
}

/// pg_dump switches off what an administrator has set against forgotten sessions; so does this program.
fn timeouts(version: Version) {
    let server = PostgresServer::start(version);
    let project = project(&server);
    server.create_example("source");
    server.psql("source", BIG);
    server.create_database("target");
    let mut settings = vec![
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "idle_session_timeout",
    ];
    if version.major() >= 17 {
        settings.push("transaction_timeout");
    }
    let before = server.pg_dump("source");
    for setting in &settings {
        server.psql(
            "postgres",
            &format!("ALTER ROLE postgres SET {setting} = '1s'"),
        );
    }
    let tired = server.try_psql("source", "SELECT pg_sleep(2)");
    assert!(tired.is_err_and(|message| message.contains("timeout")));
    project.run(SLOW_BACKUP).expect_code(0);
    back_up_with(&project, &["--jobs", "3"]);
    project
        .run(["restore", "latest", "--to", "target", "--jobs", "3"])
        .expect_code(0);
    assert_same(
        &rows_sorted(&before),
        &rows_sorted(&server.pg_dump("target")),
        "under timeouts",
    );
}

#[test]
fn timeouts_of_the_database_end_nothing_on_15() {
    timeouts(Version::V15);
}

#[test]
fn timeouts_of_the_database_end_nothing_on_18() {
    timeouts(Version::V18);
}

/// Both kinds of stops: sessions are told in the one, and find out in the other.
fn restarts(version: Version) {
    let mut server = PostgresServer::start(version);
    server.create_database("source");
    server.psql("source", BIG);
    let project = project(&server);
    let backups = project.path().join("backups");
    for mode in ["fast", "immediate"] {
        let child = start(&project, &SLOW_BACKUP);
        wait_for_bytes(&backups);
        server.restart(mode);
        let (code, stderr) = end(child);
        assert_eq!(code, Some(1), "{mode}: {stderr}");
        assert!(stderr.contains("server"), "{mode}: {stderr}");
        assert!(stderr.contains("again"), "{mode}: {stderr}");
        assert!(files(&backups).is_empty(), "{mode}");
    }
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
    let exists = "SELECT count(*) FROM pg_database WHERE datname = 'target'";
    for mode in ["fast", "immediate"] {
        let child = start(
            &project,
            &[
                "restore",
                "latest",
                "--to",
                "target",
                "--create",
                "--skip-verify",
            ],
        );
        wait_for("a restore begins", || {
            server.psql("postgres", exists) == "1"
        });
        std::thread::sleep(Duration::from_millis(300));
        server.restart(mode);
        let (code, stderr) = end(child);
        assert_eq!(code, Some(1), "{mode}: {stderr}");
        assert!(stderr.contains("server"), "{mode}: {stderr}");
        assert_eq!(server.psql("postgres", exists), "0", "{mode}: {stderr}");
    }
    project
        .run(["restore", "latest", "--to", "target", "--create"])
        .expect_code(0);
    assert_same(
        &rows_sorted(&server.pg_dump("source")),
        &rows_sorted(&server.pg_dump("target")),
        "after restarts",
    );
    assert_eq!(
        statuses(&project, &server),
        [
            "succeeded",
            "failed",
            "failed",
            "succeeded",
            "failed",
            "failed"
        ]
    );
}

#[test]
fn a_restart_ends_a_run_in_good_order_on_15() {
    restarts(Version::V15);
}

#[test]
fn a_restart_ends_a_run_in_good_order_on_18() {
    restarts(Version::V18);
}

/// Each reader has the next small table at hand, unless the operator allows less.
#[test]
fn few_transfers_are_enough() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    server.create_example("source");
    let config = project.read("orchestrator.toml");
    for transfers in 1..=3 {
        let limited = format!("{config}\n[limits]\ntransfers = {transfers}\n");
        project.write("orchestrator.toml", &limited);
        let create = ["backup", "create", "--database", "source", "--jobs", "3"];
        project.run(create).expect_code(0);
        project.write("orchestrator.toml", &config);
        project.run(["backup", "verify"]).expect_code(0);
    }
}
