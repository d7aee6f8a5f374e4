//! Each wrong thing a person can hand over: a clear error, the right exit code, a closed record, nothing changed.

use std::fs;
use std::path::Path;

use end_to_end::{PASSWORD, PostgresServer, Project, Version};

use crate::{back_up, files, project, statuses};

#[test]
fn databases_that_cannot_be_reached() {
    let server = PostgresServer::start(Version::V15);
    let wrong_password = server.url("postgres").replace(PASSWORD, "a-wrong-password");
    let no_server = "postgres://postgres@127.0.0.1:1/postgres";
    let no_database = server.url("no_such_database");
    for (url, expected) in [
        (wrong_password.as_str(), "password authentication failed"),
        (no_server, "127.0.0.1:1"),
        (no_database.as_str(), "no_such_database"),
    ] {
        let config = format!(
            "environment = \"local\"\n[databases.app]\nurl = \"{url}\"\n[storage.main]\nurl = \"file:backups\"\n"
        );
        let project = Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config);
        let outcome = project.run(["run", "backup"]).expect_code(1);
        assert!(
            outcome.stderr.contains(expected),
            "{expected}: {}",
            outcome.stderr
        );
        assert!(outcome.stderr.contains("hint:"), "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("a-wrong-password") && !outcome.stderr.contains(PASSWORD));
        let log = project.read("DEPLOYMENT_LOG.md");
        assert_eq!(log.matches(" failed -->").count(), 1, "{log}");
        assert!(files(&project.path().join("backups")).is_empty());
        project.run(["check"]).expect_code(1);
    }
}

#[test]
fn a_typo_in_the_configuration() {
    let project = Project::new(
        env!("CARGO_BIN_EXE_orchestrator"),
        "environment = \"local\"\n[databases.app]\nulr = \"postgres://localhost/app\"\n",
    );
    let outcome = project.run(["run", "backup"]).expect_code(2);
    assert!(
        outcome.stderr.contains("orchestrator.toml:3") && outcome.stderr.contains("\"url\""),
        "{}",
        outcome.stderr
    );
}

#[test]
fn wrong_words_on_the_command_line() {
    let server = PostgresServer::start(Version::V15);
    server.create_database("source");
    let project = project(&server);
    project.run(["bakcup"]).expect_code(2);
    let outcome = project.run(["run", "bakcup"]).expect_code(2);
    assert!(outcome.stderr.contains("\"backup\""), "{}", outcome.stderr);
    let outcome = project
        .run([
            "run",
            "backup",
            "--param",
            "database=source",
            "--param",
            "compres=zstd",
        ])
        .expect_code(2);
    assert!(
        outcome.stderr.contains("\"compress\""),
        "{}",
        outcome.stderr
    );
    let outcome = project
        .run(["restore", "latest", "--to", "target"])
        .expect_code(1);
    assert!(outcome.stderr.contains("no backup"), "{}", outcome.stderr);
}

/// Changes one object of a backup.
type Damage = fn(&Path);

#[test]
fn a_damaged_backup_changes_nothing() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_database("target");
    let project = project(&server);
    let archive = back_up(&project);
    let empty = server.pg_dump("target");
    let damages: [(&str, Damage); 3] = [
        ("flipped", |file| {
            let mut bytes = fs::read(file).expect("the object");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).expect("the object");
        }),
        ("cut", |file| {
            let bytes = fs::read(file).expect("the object");
            fs::write(file, &bytes[..bytes.len() - 3]).expect("the object");
        }),
        ("missing", |file| fs::remove_file(file).expect("the object")),
    ];
    let data = files(&archive)
        .into_iter()
        .find(|file| file.to_string_lossy().ends_with(".dat.gz"))
        .expect("a table's data");
    for file in [data, archive.join("toc.dat")] {
        let whole = fs::read(&file).expect("the object");
        let name = file
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        for (what, damage) in damages {
            damage(&file);
            for arguments in [
                vec!["backup", "verify", "latest"],
                vec!["backup", "show", "--sql", "latest"],
                vec!["restore", "latest", "--to", "target"],
            ] {
                let outcome = project.run(&arguments).expect_code(1);
                assert!(
                    outcome.stderr.contains(&name),
                    "{what} {name}, {arguments:?}: {}",
                    outcome.stderr
                );
            }
            assert_eq!(server.pg_dump("target"), empty, "{what} {name}");
            fs::write(&file, &whole).expect("the object");
        }
    }
    project.run(["backup", "verify", "latest"]).expect_code(0);
    let statuses = statuses(&project, &server);
    assert_eq!(
        statuses.iter().filter(|status| *status == "failed").count(),
        12
    );
}

#[test]
fn a_target_that_is_not_empty_is_left_alone() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_database("target");
    server.psql("target", "CREATE TABLE precious AS SELECT 1 AS id");
    let project = project(&server);
    back_up(&project);
    let before = server.pg_dump("target");
    let outcome = project
        .run(["restore", "latest", "--to", "target"])
        .expect_code(1);
    assert!(
        outcome.stderr.contains("precious") && outcome.stderr.contains("--clean"),
        "{}",
        outcome.stderr
    );
    project
        .run(["restore", "latest", "--to", "target", "--create"])
        .expect_code(1);
    assert_eq!(server.pg_dump("target"), before);
    assert_eq!(
        statuses(&project, &server),
        ["failed", "failed", "succeeded"]
    );
}

#[test]
fn missing_roles_and_extensions_are_named_before_anything_changes() {
    let server = PostgresServer::start(Version::V15);
    let other = PostgresServer::start(Version::V15);
    server.create_database("source");
    server.psql("postgres", "CREATE ROLE accountant; CREATE ROLE auditor");
    server.psql(
        "source",
        "CREATE TABLE ledger (id int); ALTER TABLE ledger OWNER TO accountant; GRANT SELECT ON ledger TO auditor",
    );
    let project = project(&server);
    back_up(&project);
    other.create_database("target");
    let url = other.url("target");
    let outcome = project
        .run(["restore", "latest", "--to", &url])
        .expect_code(1);
    assert!(
        outcome.stderr.contains("accountant") && outcome.stderr.contains("auditor"),
        "{}",
        outcome.stderr
    );
    assert_eq!(
        other.psql(
            "target",
            "SELECT count(*) FROM pg_class WHERE relname = 'ledger'"
        ),
        "0"
    );
    project
        .run([
            "restore",
            "latest",
            "--to",
            &url,
            "--no-owner",
            "--no-privileges",
        ])
        .expect_code(0);
    assert_eq!(
        other.psql(
            "target",
            "SELECT relowner::regrole FROM pg_class WHERE relname = 'ledger'"
        ),
        "postgres"
    );
}

#[test]
fn a_class_that_is_not_covered_fails_the_backup_by_name() {
    let server = PostgresServer::start(Version::V15);
    server.create_database("source");
    server.psql(
        "source",
        // As a release that has types of another kind would have one.
        "CREATE TYPE \"New Thing\" AS ENUM ('a'); SET allow_system_table_mods = on;
         UPDATE pg_type SET typtype = 'z' WHERE typname = 'New Thing'",
    );
    let project = project(&server);
    let outcome = project
        .run(["backup", "create", "--database", "source"])
        .expect_code(1);
    let expected = "type of an unknown kind public.\"New Thing\"";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    assert!(files(&project.path().join("backups")).is_empty());
}
