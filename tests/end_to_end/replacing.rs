//! Restores beside a database: to take its place, or to see whether the backup is any good.

use std::process::Stdio;
use std::time::Duration;

use end_to_end::{PostgresServer, Version, wait_for};

use crate::{back_up, project, start, statuses};

const DATABASES: &str = "SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_database WHERE datname ~ '^(target|source)'";

#[test]
fn the_restored_database_takes_the_place_of_one_that_is_in_use() {
    for version in [Version::V15, Version::V18] {
        let server = PostgresServer::start(version);
        server.create_example("source");
        server.psql("source", "SELECT lo_from_bytea(77, 'large')");
        let project = project(&server);
        back_up(&project);
        server.create_example("target");
        server.psql(
            "target",
            "DELETE FROM \"Appointment\"; CREATE TABLE newer ()",
        );
        let damaged = server.pg_dump("target");

        // Somebody works in it, and comes back as soon as he is thrown out.
        let mut worker = server
            .tool("psql")
            .args(["-X", "-d", "target", "-c", "SELECT pg_sleep(600)"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let swap = ["restore", "latest", "--to", "target", "--swap"];
        let production = ["--environment", "production"];
        project.run(swap.iter().chain(&production)).expect_code(4);
        let outcome = project
            .run(swap.iter().chain(&["--output", "json"]))
            .expect_code(0)
            .json();
        assert!(!worker.wait().expect("psql ends").success());
        assert_eq!(server.pg_dump("source"), server.pg_dump("target"));

        let result = &outcome["steps"][0]["result"];
        assert_eq!(result["compared"]["tables"], 6);
        assert_eq!(result["compared"]["large_objects"], 1);
        let kept_as = result["kept_as"].as_str().expect("a name");
        assert!(kept_as.starts_with("target_before_2"), "{kept_as}");
        assert_eq!(server.pg_dump(kept_as), damaged);
        assert_eq!(
            server.psql("postgres", DATABASES),
            format!("source target {kept_as}")
        );
        assert_eq!(
            statuses(&project, &server),
            ["succeeded", "refused", "succeeded"]
        );
    }
}

#[test]
fn the_replaced_database_takes_no_name_that_is_in_use() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    back_up(&project);
    server.create_example("target");
    let replaced = server.pg_dump("target");
    // Another swap of the same second would have left one of these.
    let names = "SELECT 'CREATE DATABASE ' || quote_ident('target_before_' || to_char(timezone('UTC', now()) + make_interval(secs => second), 'YYYYMMDD\"T\"HH24MISS\"Z\"')) FROM generate_series(0, 30) second";
    for statement in server.psql("postgres", names).lines() {
        server.psql("postgres", statement);
    }
    let swap = ["restore", "latest", "--to", "target", "--swap"];
    let outcome = project.run(swap.iter().chain(&["--output", "json"]));
    let outcome = outcome.expect_code(0).json();
    let kept_as = &outcome["steps"][0]["result"]["kept_as"];
    let kept_as = kept_as.as_str().expect("a name");
    assert!(kept_as.ends_with("Z_2"), "{kept_as}");
    assert!(server.pg_dump(kept_as) == replaced, "{kept_as}");
    assert!(server.pg_dump("target") == server.pg_dump("source"));
}

#[test]
fn there_has_to_be_something_to_take_the_place_of() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let project = project(&server);
    back_up(&project);
    let outcome = project
        .run(["restore", "latest", "--to", "target", "--swap"])
        .expect_code(1);
    assert!(
        outcome.stderr.contains("use --create"),
        "{}",
        outcome.stderr
    );
    server.create_database("target");
    let url = server.url("target").replace("//postgres:", "//deployer:");
    let password = url.split([':', '@']).nth(2).expect("a password");
    server.psql(
        "postgres",
        &format!("CREATE ROLE deployer LOGIN CREATEDB PASSWORD '{password}'"),
    );
    let outcome = project
        .run(["restore", "latest", "--to", &url, "--swap"])
        .expect_code(1);
    assert!(
        outcome.stderr.contains("does not own the database target"),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.psql("postgres", DATABASES), "source target");
    project
        .run([
            "restore", "latest", "--to", "target", "--swap", "--table", "x",
        ])
        .expect_code(2);
}

#[test]
fn a_killed_swap_leaves_the_database_and_no_other() {
    let server = PostgresServer::start(Version::V15);
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 700000) i",
    );
    let project = project(&server);
    back_up(&project);
    server.create_example("target");
    let before = server.pg_dump("target");
    let mut child = start(&project, &["restore", "latest", "--to", "target", "--swap"]);
    wait_for("a restore begins", || {
        server.psql("postgres", DATABASES).contains("_scratch_")
    });
    std::thread::sleep(Duration::from_millis(400));
    child.kill().expect("the program runs");
    child.wait().expect("the program ends");
    let outcome = project.run(["log", "list"]).expect_code(0);
    assert!(
        outcome.stderr.contains("target_scratch_"),
        "{}",
        outcome.stderr
    );
    assert_eq!(server.psql("postgres", DATABASES), "source target");
    assert_eq!(server.pg_dump("target"), before);
    project.run(["backup", "verify"]).expect_code(0);
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "interrupted", "succeeded"]
    );
}

#[test]
fn a_backup_is_tried_out_on_another_server() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.psql(
        "source",
        "CREATE ROLE app; ALTER TABLE \"User\" OWNER TO app",
    );
    let project = project(&server);
    back_up(&project);
    let other = PostgresServer::start(Version::V18);
    let scratch = other.url("anything");
    let verify = ["backup", "verify", "--deep", "--on", &scratch];
    let outcome = project
        .run(verify.iter().chain(&["--output", "json"]))
        .expect_code(0)
        .json();
    let compared = &outcome["steps"][1]["result"]["compared"];
    assert_eq!(compared["tables"], 6, "{outcome}");
    let count = "SELECT (SELECT count(*) FROM \"User\") + (SELECT count(*) FROM \"Doctor\")";
    let some: u64 = server.psql("source", count).parse().expect("a number");
    assert!(compared["rows"].as_u64() >= Some(some), "{outcome}");
    let databases = "SELECT count(*) FROM pg_database WHERE datname NOT LIKE 'template%'";
    assert_eq!(other.psql("postgres", databases), "1");

    // A constraint that writes: what comes back is not what was backed up, although every byte of the backup is right.
    server.psql(
        "source",
        "CREATE TABLE audit AS SELECT i AS id FROM generate_series(1, 5000) i;
         CREATE FUNCTION noted(id int) RETURNS boolean LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.audit VALUES (id); RETURN true; END $$;
         CREATE TABLE noting (id int CHECK (public.noted(id)));
         INSERT INTO noting VALUES (1), (2)",
    );
    back_up(&project);
    project.run(["backup", "verify"]).expect_code(0);
    let outcome = project
        .run(verify.iter().chain(&["--jobs", "1"]))
        .expect_code(1);
    assert!(
        outcome
            .stderr
            .contains("5002 rows on one side and 5004 on the other"),
        "{}",
        outcome.stderr
    );
    assert_eq!(other.psql("postgres", databases), "1");
    project.run(["backup", "verify", "--deep"]).expect_code(2);
    assert_eq!(
        statuses(&project, &server),
        ["failed", "succeeded", "succeeded", "succeeded", "succeeded"]
    );
}
