//! The ways to restore: parts, plans, over what is there, and over the database that holds the log.

use std::time::Duration;

use end_to_end::{PostgresServer, Project, Version};

use crate::{back_up, project, statuses};

#[test]
fn parts_of_a_backup() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    back_up(&project);
    let users = "SELECT count(*) FROM \"User\"";

    server.create_database("target");
    project
        .run(["restore", "latest", "--to", "target", "--schema-only"])
        .expect_code(0);
    assert_eq!(server.psql("target", users), "0");
    assert_eq!(
        server.pg_dump_with("source", &["--schema-only"]),
        server.pg_dump_with("target", &["--schema-only"])
    );
    project
        .run(["restore", "latest", "--to", "target", "--data-only"])
        .expect_code(0);
    assert_eq!(server.pg_dump("source"), server.pg_dump("target"));

    server.psql("postgres", "DROP DATABASE target");
    server.create_database("target");
    project
        .run([
            "restore",
            "latest",
            "--to",
            "target",
            "--table",
            "\"Doctor\"",
        ])
        .expect_code(0);
    assert_eq!(
        server.psql("target", "SELECT count(*) FROM \"Doctor\""),
        "4"
    );
    assert_eq!(
        server.psql(
            "target",
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ),
        "1"
    );
}

#[test]
fn a_backup_of_some_tables() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    let create = |options: &[&str]| {
        let mut arguments = vec!["backup", "create", "--database", "source"];
        arguments.extend(options);
        project.run(arguments)
    };
    let restored = |options: &[&str]| {
        server.create_database("target");
        project
            .run(["restore", "source/latest", "--to", "target"])
            .expect_code(0);
        let dump = server.pg_dump_with("target", options);
        let tables = "SELECT count(*), sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %s', oid::regclass), false, true, '')))[1]::text::int)
             FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
        let tables_and_rows = server.psql("target", tables);
        server.psql("postgres", "DROP DATABASE target");
        (dump, tables_and_rows)
    };
    create(&[
        "--exclude-table-data",
        "\"Appointment\"",
        "--exclude-table-data",
        "\"RefreshToken\"",
    ])
    .expect_code(0);
    let stock = [
        "--exclude-table-data=\"Appointment\"",
        "--exclude-table-data=\"RefreshToken\"",
    ];
    let (dump, tables_and_rows) = restored(&stock);
    assert_eq!(server.pg_dump_with("source", &stock), dump);
    assert_eq!(tables_and_rows, "6|16");
    create(&["-t", "\"Doctor\""]).expect_code(0);
    let (dump, tables_and_rows) = restored(&[]);
    assert_eq!(server.pg_dump_with("source", &["-t", "\"Doctor\""]), dump);
    assert_eq!(tables_and_rows, "1|4");

    let shown = project
        .run(["backup", "show", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(shown["filters"]["tables"][0], "\"Doctor\"");
    // Nobody wanted what is not there, and that is worth a word.
    let outcome = create(&["--exclude-table", "nothing"]).expect_code(3);
    assert!(
        outcome.stdout.contains("no table fits nothing"),
        "{}",
        outcome.stdout
    );
    let outcome = create(&["--table", "nothing"]).expect_code(1);
    assert!(
        outcome.stderr.contains("no table fits nothing"),
        "{}",
        outcome.stderr
    );
    let outcome = create(&["--table", "\"Doctor"]).expect_code(1);
    assert!(outcome.stderr.contains("not closed"), "{}", outcome.stderr);
    statuses(&project, &server);
}

#[test]
fn the_newest_backup_before_a_time() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    let now = || {
        server.psql("postgres", "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')")
    };
    let before_all = now();
    std::thread::sleep(Duration::from_millis(1100));
    back_up(&project);
    let dump = server.pg_dump("source");
    std::thread::sleep(Duration::from_millis(1100));
    let between = now();
    std::thread::sleep(Duration::from_millis(1100));
    server.psql("source", "DELETE FROM \"Appointment\"");
    back_up(&project);

    let restore = |selector: &str, at: &str| {
        project.run([
            "restore", selector, "--at", at, "--to", "target", "--create",
        ])
    };
    restore("latest", &between).expect_code(0);
    assert_eq!(dump, server.pg_dump("target"));
    server.psql("postgres", "DROP DATABASE target");
    restore("source/latest", "2999-01-01 00:00+02").expect_code(0);
    assert_eq!(
        server.psql("target", "SELECT count(*) FROM \"Appointment\""),
        "0"
    );
    server.psql("postgres", "DROP DATABASE target");
    let outcome = restore("latest", &before_all).expect_code(1);
    assert!(outcome.stderr.contains("from before"), "{}", outcome.stderr);
    restore("latest", "last tuesday").expect_code(2);
    restore("0a1b2c3d", &between).expect_code(2);
}

#[test]
fn a_dry_run_changes_nothing_and_leaves_no_record() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_database("target");
    let project = project(&server);
    back_up(&project);
    let before = server.pg_dump("target");
    let outcome = project
        .run([
            "restore",
            "latest",
            "--to",
            "target",
            "--dry-run",
            "--output",
            "json",
        ])
        .expect_code(0);
    assert!(outcome.stdout.contains("Doctor"), "{}", outcome.stdout);
    assert_eq!(server.pg_dump("target"), before);
    assert_eq!(statuses(&project, &server), ["succeeded"]);
}

#[test]
fn clean_replaces_what_is_there_with_the_environments_consent() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    back_up(&project);
    server.create_example("target");
    server.psql(
        "target",
        "DELETE FROM \"Appointment\"; UPDATE \"User\" SET name = 'somebody'",
    );
    let damaged = server.pg_dump("target");

    let production = ["--environment", "production"];
    let clean = ["restore", "latest", "--to", "target", "--clean"];
    let outcome = project.run(clean.iter().chain(&production)).expect_code(4);
    assert!(
        outcome.stderr.contains("--confirm target"),
        "{}",
        outcome.stderr
    );
    project
        .run(
            clean
                .iter()
                .chain(&production)
                .chain(&["--confirm", "source"]),
        )
        .expect_code(4);
    assert_eq!(server.pg_dump("target"), damaged);
    project
        .run(
            clean
                .iter()
                .chain(&production)
                .chain(&["--confirm", "target"]),
        )
        .expect_code(0);
    assert_eq!(server.pg_dump("source"), server.pg_dump("target"));
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "refused", "refused", "succeeded"]
    );
}

/// The usual case of one database: the log lives in what is restored.
#[test]
fn the_log_survives_a_restore_over_the_database_that_holds_it() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("app");
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"{}\"\n[log]\ndatabase = \"app\"\n",
        server.url("app")
    );
    let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
    let count = || server.psql("app", "SELECT count(*) FROM orchestrator.deployment_log");
    project.run(["run", "backup"]).expect_code(0);
    project.run(["run", "verify"]).expect_code(0);
    let without_log = ["--exclude-schema=orchestrator"];
    let before = server.pg_dump_with("app", &without_log);
    project
        .run(["restore", "latest", "--to", "app", "--clean"])
        .expect_code(0);
    assert_eq!(count(), "3");
    assert_eq!(server.pg_dump_with("app", &without_log), before);

    server.psql("postgres", "DROP DATABASE app WITH (FORCE)");
    project
        .run(["restore", "latest", "--to", "app", "--create"])
        .expect_code(0);
    assert_eq!(count(), "4");
    assert_eq!(
        server.psql(
            "app",
            "SELECT string_agg(status, ' ' ORDER BY run_id) FROM orchestrator.deployment_log"
        ),
        "succeeded succeeded succeeded succeeded"
    );

    // A new machine: the journal of the old one is gone, and the backup brings the log as it was then.
    let other = PostgresServer::start(Version::V15);
    let config = config.replace(&server.url("app"), &other.url("app"));
    let elsewhere = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
    let location = project.path().join("backups");
    let location = location.to_str().expect("a path");
    elsewhere
        .run(["restore", location, "--to", "app", "--create"])
        .expect_code(0);
    let rows = other.psql(
        "app",
        "SELECT status FROM orchestrator.deployment_log ORDER BY run_id",
    );
    assert_eq!(rows, "interrupted\nsucceeded");
}
