//! `backup create --reuse`: a backup that is as good as a new one would be is taken in its place, and no other.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use end_to_end::{PostgresServer, Project, Version};
use serde_json::Value;

use crate::migrating::{example, migrate};
use crate::{back_up, back_up_with, project, text};

/// The id of a backup that `--reuse` leads to, and whether it was there before.
fn reused(project: &Project) -> (String, bool) {
    let flags = [
        "backup",
        "create",
        "--database",
        "source",
        "--reuse",
        "--output",
        "json",
    ];
    let outcome = project.run(flags).expect_code(0);
    // Why not, for when it fails.
    eprint!("{}", outcome.stderr);
    let result = &outcome.json()["steps"][0]["result"];
    (text(&result["id"]), result["reused"] == Value::Bool(true))
}

/// Backups of one second are in no order.
fn let_a_second_pass() {
    std::thread::sleep(Duration::from_millis(1_100));
}

fn write(server: &PostgresServer) {
    let_a_second_pass();
    server.psql("source", "UPDATE \"User\" SET name = name WHERE id = 1");
}

#[test]
fn a_backup_is_used_again_while_nothing_is_written() {
    // Which writes what it finds out.
    let server = PostgresServer::start_with(Version::V15, &[("autovacuum", "off")]);
    let project = example(&server);
    // As it is by default: the log lies in the database itself, and each run writes there.
    let config = project
        .read("orchestrator.toml")
        .replace("database = \"records\"", "database = \"source\"");
    project.write("orchestrator.toml", &config);
    project.run(migrate(["deploy"])).expect_code(0);
    for row in [
        "\"User\" (name, email, role) VALUES ('Alice', 'alice@example.com', 'PATIENT')",
        "\"File\" (name, url, mime) VALUES ('x', 'y', 'z')",
    ] {
        server.psql("source", &format!("INSERT INTO {row}"));
    }
    let (first, was_there) = reused(&project);
    assert!(!was_there, "there is none yet");
    // The server's own bookkeeping moves the position of its log.
    server.psql("source", "CHECKPOINT");
    server.psql("source", "SELECT count(*) FROM \"User\"");
    server.psql("source", "BEGIN; DELETE FROM \"User\"; ROLLBACK");
    assert_eq!(reused(&project), (first.clone(), true));
    assert_eq!(reused(&project), (first.clone(), true));
    let looked = project.run([
        "run",
        "pre-migrate",
        "--param",
        "database=source",
        "--param",
        "reuse=true",
        "--output",
        "json",
    ]);
    assert_eq!(text(&looked.json()["backup"]), first, "{}", looked.stderr);

    write(&server);
    let (second, was_there) = reused(&project);
    assert!(!was_there && second != first);
    assert_eq!(reused(&project), (second.clone(), true));

    // Open when the backup was taken, and committed since.
    let mut open = server.tool("psql");
    let mut open = open
        .args(["-XAtq", "-d", "source"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("psql starts");
    let mut session = open.stdin.take().expect("its input");
    let begin = b"BEGIN; DELETE FROM \"File\"; SELECT 'begun';\n";
    session.write_all(begin).expect("it listens");
    let mut answer = [0; 5];
    let output = open.stdout.as_mut().expect("its output");
    output.read_exact(&mut answer).expect("it answers");
    write(&server);
    let (third, was_there) = reused(&project);
    assert!(!was_there);
    assert_eq!(reused(&project), (third.clone(), true));
    session.write_all(b"COMMIT;\n").expect("it listens");
    drop(session);
    open.wait().expect("psql ends");
    let_a_second_pass();
    let (fourth, was_there) = reused(&project);
    assert!(!was_there && fourth != third);

    // A part of it is not all of it.
    write(&server);
    back_up_with(&project, &["--schema-only"]);
    let_a_second_pass();
    assert!(!reused(&project).1);
    // Nor is what is damaged of any use.
    write(&server);
    let (newest, _) = reused(&project);
    let_a_second_pass();
    let manifest = format!("backups/source/{newest}/manifest.json");
    let damaged = project
        .read(&manifest)
        .replace("\"rows\": 1", "\"rows\": 2");
    project.write(&manifest, &damaged);
    assert!(!reused(&project).1);
}

#[test]
fn a_backup_of_another_server_is_not_used_again() {
    let [first, second] = [Version::V15, Version::V18].map(PostgresServer::start);
    for server in [&first, &second] {
        server.create_example("source");
    }
    let project = project(&first);
    back_up(&project);
    let config = project
        .read("orchestrator.toml")
        .replace(&first.url("source"), &second.url("source"));
    project.write("orchestrator.toml", &config);
    assert!(!reused(&project).1);
    let failed = project
        .run(["backup", "create", "--reuse", "--table", "x"])
        .expect_code(2);
    assert!(failed.stderr.contains("--table"), "{}", failed.stderr);
}
