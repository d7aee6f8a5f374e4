//! `backup show`: what a backup holds, by class, and as SQL that stock psql runs. That the SQL is what pg_restore prints is
//! `round_trips`.

use std::io::Write;
use std::process::Stdio;

use end_to_end::{PostgresServer, Version};
use serde_json::Value;

use crate::round_trips::assert_same;
use crate::{back_up, back_up_with, project, text};

/// Runs a script by stock psql.
fn run_script(server: &PostgresServer, database: &str, script: &str) {
    let mut psql = server
        .tool("psql")
        .args(["-Xq", "-vON_ERROR_STOP=1", "-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql runs");
    let mut input = psql.stdin.take().expect("its input");
    // What psql refuses, it says itself.
    let _ = input.write_all(script.as_bytes());
    drop(input);
    let output = psql.wait_with_output().expect("psql ends");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_classes_of_a_backup_are_counted() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    server.create_example("source");
    server.psql(
        "source",
        "SELECT lo_from_bytea(4711, decode(repeat('00ff', 1000), 'hex')), lo_create(4712); CREATE VIEW seen AS SELECT 1 AS one",
    );
    back_up(&project);
    let shown = project
        .run(["backup", "show", "--output", "json"])
        .expect_code(0)
        .json();
    let classes = shown["contents"].as_array().expect("classes");
    let class = |name: &str| {
        let mut found = classes.iter().filter(|class| text(&class["class"]) == name);
        found.next().expect(name)
    };
    let count = |name: &str| class(name)["count"].as_u64();
    let tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
         WHERE relkind = 'r' AND nspname !~ '^pg_|information_schema'";
    let tables: u64 = server.psql("source", tables).parse().expect("a number");
    assert_eq!(count("TABLE"), Some(tables));
    assert_eq!(count("TABLE DATA"), Some(tables));
    assert_eq!(count("VIEW"), Some(1));
    assert_eq!(count("BLOB"), Some(2));
    let rows = shown["totals"]["plain_bytes"].as_u64();
    assert_eq!(class("TABLE DATA")["plain_bytes"].as_u64(), rows);
    let (view, stored) = (class("VIEW"), class("BLOBS")["bytes"].as_u64());
    assert!(view["plain_bytes"].as_u64() > Some(20) && view["bytes"].is_null());
    assert!(stored > Some(0) && class("BLOBS")["plain_bytes"] == Value::Null);

    let shown = project.run(["backup", "show"]).expect_code(0).stdout;
    let line = |start: &str| {
        shown
            .lines()
            .find(|line| line.trim_start().starts_with(start))
    };
    let heading = line("CLASS").expect("a heading");
    let columns: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(columns, ["CLASS", "COUNT", "PLAIN", "STORED"]);
    assert!(line("FK CONSTRAINT").is_some(), "{shown}");
}

#[test]
fn the_script_of_a_backup_is_run_by_psql() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    server.create_example("source");
    server.psql(
        "source",
        "SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex'))",
    );
    back_up_with(&project, &["--compress", "zstd"]);
    let script = |options: &[&str]| {
        let mut arguments = vec!["backup", "show", "--sql"];
        arguments.extend(options);
        project.run(arguments).expect_code(0).stdout
    };
    for database in ["whole", "parts"] {
        server.psql(
            "postgres",
            &format!("CREATE DATABASE {database} TEMPLATE template0"),
        );
    }
    run_script(&server, "whole", &script(&[]));
    assert_same(
        &server.pg_dump("source"),
        &server.pg_dump("whole"),
        "the script",
    );
    run_script(&server, "parts", &script(&["--schema-only"]));
    assert_same(
        &server.pg_dump_with("source", &["--schema-only"]),
        &server.pg_dump_with("parts", &["--schema-only"]),
        "the script of the schema",
    );
    // The keys are there already, and the tables come in the order of the archive.
    let data = script(&["--data-only"]);
    let data = format!("SET session_replication_role = replica;\n{data}");
    run_script(&server, "parts", &data);
    assert_same(
        &server.pg_dump("source"),
        &server.pg_dump("parts"),
        "the scripts of the schema and of the data",
    );
    // `| head`
    let mut child = project
        .command(["backup", "show", "--sql"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );

    let outcome = project
        .run(["backup", "show", "--schema-only"])
        .expect_code(2);
    assert!(outcome.stderr.contains("--sql"), "{}", outcome.stderr);
    let outcome = project
        .run(["backup", "show", "--sql", "--output", "json"])
        .expect_code(2);
    assert!(outcome.stderr.contains("no JSON"), "{}", outcome.stderr);
}
