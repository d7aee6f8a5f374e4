//! Restores that were cut, and restores that something stands in the way of: continued, begun anew, or gone on with.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Project, Version};

use crate::{back_up, project, statuses};

/// Some tables that take a second or two to load, indexes, and large objects.
fn fill(server: &PostgresServer, rows: u32) {
    server.create_example("source");
    server.psql(
        "source",
        &format!(
        "CREATE TABLE small AS SELECT i AS id FROM generate_series(1, 1000) i;
         CREATE TABLE big AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, {rows}) i;
         ALTER TABLE big ADD PRIMARY KEY (id);
         CREATE TABLE middle AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 100000) i;
         CREATE INDEX ON middle (text);
         CREATE FUNCTION slow(id int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_sleep(0.003); RETURN id; END $$;
         CREATE INDEX slowly ON small (slow(id));
         CREATE MATERIALIZED VIEW totals AS SELECT count(*) FROM big;
         SELECT count(lo_from_bytea(0, 'large ' || i::text::bytea)) FROM generate_series(1, 300) i"
        ),
    );
}

/// Kills a restore as soon as a query, asked in the target, says so.
fn restore_and_kill(project: &Project, server: &PostgresServer, options: &[&str], when: &str) {
    let mut child = project
        .command([
            "restore",
            "source/latest",
            "--to",
            "target",
            "--skip-verify",
        ])
        .args(options)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let began = Instant::now();
    while server.try_psql("target", when) != Ok("t".to_owned()) {
        if child.try_wait().expect("a child").is_some() {
            let output = child.wait_with_output().expect("its output");
            let stderr = String::from_utf8_lossy(&output.stderr);
            panic!("the restore ended before {when}: {stderr}");
        }
        assert!(began.elapsed() < Duration::from_secs(60), "never {when}");
    }
    child.kill().expect("the program runs");
    child.wait().expect("the program ends");
}

const DONE: &str = "SELECT count(*) FROM orchestrator_restore.done";

#[test]
fn a_cut_restore_is_continued_without_touching_what_is_done() {
    for (version, mode) in [(Version::V15, "--create"), (Version::V18, "--jobs=1")] {
        let server = PostgresServer::start(version);
        fill(&server, 300_000);
        let project = project(&server);
        back_up(&project);
        if mode != "--create" {
            server.create_database("target");
        }
        let resume = [
            "restore",
            "source/latest",
            "--to",
            "target",
            "--resume",
            "--jobs",
            "1",
        ];
        let file_of =
            |table: &str| server.psql("target", &format!("SELECT pg_relation_filenode('{table}')"));
        let options: &[&str] = match mode {
            "--create" => &["--create", "--jobs", "1"],
            _ => &["--jobs", "1"],
        };
        // The largest table is loaded first.
        restore_and_kill(&project, &server, options, "SELECT count(*) > 0 FROM big");
        let big = file_of("big");
        // While an index is built, which the server goes on with.
        let mut child = project
            .command(resume)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let building = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%CREATE INDEX slowly%' AND query NOT LIKE '%pg_stat_activity%'";
        while server.psql("target", building) != "t" {
            assert_eq!(child.try_wait().expect("a child"), None, "ended too early");
        }
        child.kill().expect("the program runs");
        child.wait().expect("the program ends");
        let middle = file_of("middle");
        let done: u64 = server.psql("target", DONE).parse().expect("a number");
        assert!(done > 20, "{done}");

        let outcome = project
            .run(resume.iter().chain(&["--output", "json"]))
            .expect_code(0)
            .json();
        assert!(outcome["steps"][0]["result"]["resumed"].as_u64() >= Some(done));
        assert_eq!((big, middle), (file_of("big"), file_of("middle")));
        assert_eq!(server.pg_dump("source"), server.pg_dump("target"));
        let outcome = project.run(resume).expect_code(1);
        assert!(
            outcome.stderr.contains("nothing to continue"),
            "{}",
            outcome.stderr
        );
        assert_eq!(
            statuses(&project, &server),
            [
                "failed",
                "succeeded",
                "interrupted",
                "interrupted",
                "succeeded"
            ]
        );
    }
}

#[test]
fn a_big_table_is_continued_in_the_middle() {
    let server = PostgresServer::start(Version::V15);
    fill(&server, 1_200_000);
    let project = project(&server);
    back_up(&project);
    server.create_database("target");
    let when = "SELECT count(*) >= 1 FROM orchestrator_restore.done WHERE piece >= 0";
    restore_and_kill(&project, &server, &["--jobs", "2"], when);
    let outcome = project
        .run(["restore", "source/latest", "--to", "target"])
        .expect_code(1);
    assert!(outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    let outcome = project
        .run([
            "restore",
            "source/latest",
            "--to",
            "target",
            "--resume",
            "--no-owner",
        ])
        .expect_code(1);
    assert!(
        outcome.stderr.contains("other options"),
        "{}",
        outcome.stderr
    );
    project
        .run([
            "restore",
            "source/latest",
            "--to",
            "target",
            "--resume",
            "--jobs",
            "2",
        ])
        .expect_code(0);
    let digest = "SELECT count(*), sum(hashtext(b::text)) FROM big b";
    assert_eq!(server.psql("source", digest), server.psql("target", digest));
    let without = ["--exclude-table-data=big"];
    assert_eq!(
        server.pg_dump_with("source", &without),
        server.pg_dump_with("target", &without)
    );
}

#[test]
fn a_half_database_is_replaced_when_the_same_command_runs_again() {
    let server = PostgresServer::start(Version::V15);
    fill(&server, 300_000);
    let project = project(&server);
    back_up(&project);
    restore_and_kill(
        &project,
        &server,
        &["--create", "--jobs", "1"],
        "SELECT true",
    );
    project
        .run([
            "restore",
            "source/latest",
            "--to",
            "target",
            "--create",
            "--jobs",
            "1",
        ])
        .expect_code(0);
    assert_eq!(server.pg_dump("source"), server.pg_dump("target"));
    // A whole one is not.
    project
        .run(["restore", "source/latest", "--to", "target", "--create"])
        .expect_code(1);
}

#[test]
fn what_can_be_restored_is_and_the_rest_follows() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.psql(
        "source",
        "CREATE TABLE other AS SELECT i AS id FROM generate_series(1, 5000) i; ALTER TABLE other ADD UNIQUE (id)",
    );
    let project = project(&server);
    let folder = back_up(&project);
    let dump = server.pg_dump("source");
    // One object is damaged, and one of the target's types is in the way.
    let manifest: serde_json::Value = serde_json::from_str(
        &fs::read_to_string(folder.join("manifest.json")).expect("a manifest"),
    )
    .expect("JSON");
    let name = manifest["objects"]
        .as_array()
        .expect("objects")
        .iter()
        .find(|object| object["table"]["name"] == "other")
        .and_then(|object| object["name"].as_str())
        .expect("the table's object");
    let object = folder.join(name);
    let whole = fs::read(&object).expect("an object");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x10;
    fs::write(&object, &damaged).expect("an object");

    server.create_database("target");
    let restore = ["restore", "latest", "--to", "target", "--jobs", "1"];
    let outcome = project.run(restore).expect_code(1);
    assert!(
        outcome.stderr.contains("nothing was changed"),
        "{}",
        outcome.stderr
    );
    let outcome = project
        .run(restore.iter().chain(&["--keep-going"]))
        .expect_code(1);
    assert!(
        outcome
            .stderr
            .contains("not everything could be restored: TABLE DATA public.other"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("--resume"), "{}", outcome.stderr);
    assert_eq!(server.psql("target", "SELECT count(*) FROM other"), "0");
    let without = [
        "--exclude-table-data=other",
        "--exclude-schema=orchestrator_restore",
    ];
    assert_eq!(
        server.pg_dump_with("source", &["--exclude-table-data=other"]),
        server.pg_dump_with("target", &without)
    );

    fs::write(&object, &whole).expect("an object");
    project
        .run(restore.iter().chain(&["--resume"]))
        .expect_code(0);
    assert_eq!(dump, server.pg_dump("target"));
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "failed", "failed", "succeeded"]
    );
}
