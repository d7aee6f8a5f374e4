//! Encrypted backups: nothing readable in the storage, and a way back with `age` and pg_restore alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::{PostgresServer, Project, Version};
use serde_json::Value;

use crate::{back_up, files, statuses};

pub(crate) struct Keys {
    pub identity: PathBuf,
    pub recipient: String,
}

/// As people make them.
pub(crate) fn keygen(folder: &Path, name: &str) -> Keys {
    let identity = folder.join(name);
    let made = Command::new("age-keygen")
        .arg("-o")
        .arg(&identity)
        .output()
        .expect("age-keygen");
    assert!(made.status.success(), "{made:?}");
    let public = Command::new("age-keygen")
        .arg("-y")
        .arg(&identity)
        .output()
        .expect("age-keygen");
    let recipient = String::from_utf8(public.stdout)
        .expect("text")
        .trim()
        .to_owned();
    Keys {
        identity,
        recipient,
    }
}

pub(crate) fn age_encrypt(keys: &Keys, from: &Path, to: &Path) {
    let done = Command::new("age")
        .args(["--encrypt", "--recipient", &keys.recipient, "--output"])
        .arg(to)
        .arg(from)
        .output()
        .expect("age");
    assert!(done.status.success(), "{}: {done:?}", from.display());
}

fn age_decrypt(keys: &Keys, from: &Path, to: &Path) {
    let done = Command::new("age")
        .arg("--decrypt")
        .arg("--identity")
        .arg(&keys.identity)
        .arg("--output")
        .arg(to)
        .arg(from)
        .output()
        .expect("age");
    assert!(done.status.success(), "{}: {done:?}", from.display());
}

/// A project that encrypts for two recipients, and holds no identity itself: it can write backups and not read them.
pub(crate) fn writer(server: &PostgresServer, keys: &[&Keys]) -> Project {
    server.create_database("records");
    let recipients: Vec<&str> = keys.iter().map(|keys| keys.recipient.as_str()).collect();
    let config = format!(
        "environment = \"local\"\n[databases.source]\nurl = \"{}\"\n[databases.target]\nurl = \"{}\"\n[databases.records]\nurl = \"{}\"\n[log]\ndatabase = \"records\"\n[storage.main]\nurl = \"file:backups\"\nage_recipients = {recipients:?}\n",
        server.url("source"),
        server.url("target"),
        server.url("records"),
    );
    Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config)
}

fn hex_of(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_object_is_encrypted_and_comes_back_by_this_program_and_by_age_alone() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.psql(
        "source",
        "SELECT lo_from_bytea(4711, 'a large object in plain sight')",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, theirs) = (
        keygen(folder.path(), "ours.txt"),
        keygen(folder.path(), "theirs.txt"),
    );
    let project = writer(&server, &[&ours, &theirs]);
    let before = server.pg_dump("source");

    let backup = back_up(&project);
    for file in files(&backup) {
        let bytes = fs::read(&file).expect("an object");
        assert!(
            file.to_string_lossy().ends_with(".age"),
            "{}",
            file.display()
        );
        assert!(
            bytes.starts_with(b"age-encryption.org/v1\n"),
            "{}",
            file.display()
        );
    }

    // Without an identity the backup is listed, and what is in it stays hidden.
    let listed = project
        .run(["backup", "list", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(listed["backups"][0]["encrypted"], Value::Bool(true));
    assert!(listed["backups"][0].get("rows").is_none());
    for (arguments, code) in [
        (&["backup", "verify"][..], 1),
        (&["backup", "show"], 2),
        (&["restore", "latest", "--to", "target", "--create"], 1),
    ] {
        let refused = project.run(arguments).expect_code(code);
        assert!(
            refused.stderr.contains("no identity is known")
                && refused.stderr.contains("--identity"),
            "{}",
            refused.stderr
        );
    }
    let stranger = keygen(folder.path(), "stranger.txt");
    let refused = project
        .run([
            "backup",
            "verify",
            "--identity",
            &stranger.identity.to_string_lossy(),
        ])
        .expect_code(1);
    assert!(
        refused.stderr.contains("not encrypted for the identity"),
        "{}",
        refused.stderr
    );

    // Either recipient can.
    for keys in [&ours, &theirs] {
        let identity = keys.identity.to_string_lossy();
        project
            .run(["backup", "verify", "--identity", &identity])
            .expect_code(0);
        let shown = project
            .run(["backup", "show", "--identity", &identity])
            .expect_code(0);
        assert!(shown.stdout.contains("public.User"), "{}", shown.stdout);
        let script = project
            .run(["backup", "show", "--sql", "--identity", &identity])
            .expect_code(0);
        let plain = hex_of("a large object in plain sight");
        assert!(script.stdout.contains(&plain), "{}", script.stdout);
    }
    let identity = ours.identity.to_string_lossy().into_owned();
    project
        .run([
            "restore",
            "latest",
            "--to",
            "target",
            "--create",
            "--identity",
            &identity,
        ])
        .expect_code(0);
    assert_eq!(before, server.pg_dump("target"));

    // By its address alone, with the identity in the environment.
    server.psql("postgres", "DROP DATABASE target");
    let mut bare = Project::without_config(env!("CARGO_BIN_EXE_orchestrator"));
    bare.set("ORCHESTRATOR_AGE_IDENTITY_FILE", &identity);
    bare.run([
        "restore",
        &backup.to_string_lossy(),
        "--to",
        &server.url("target"),
        "--create",
    ])
    .expect_code(0);
    assert_eq!(
        before,
        server.pg_dump_with("target", &["--exclude-schema=orchestrator"])
    );

    // Without this program.
    let plain = folder.path().join("plain");
    fs::create_dir(&plain).expect("a folder");
    for file in files(&backup) {
        let name = file.file_stem().expect("a name");
        age_decrypt(&theirs, &file, &plain.join(name));
    }
    server.psql("postgres", "CREATE DATABASE stock TEMPLATE template0");
    server.pg_restore(&plain, "stock", &["-j2"]);
    assert_eq!(before, server.pg_dump("stock"));

    // The secret half is nowhere.
    let secret = fs::read_to_string(&ours.identity).expect("an identity");
    let secret = secret
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-"))
        .expect("a key");
    for file in files(project.path()) {
        let text = String::from_utf8_lossy(&fs::read(&file).expect("a file")).into_owned();
        assert!(!text.contains(secret), "{}", file.display());
    }
    assert!(!statuses(&project, &server).contains(&"running".to_owned()));
}

#[test]
fn a_flipped_byte_in_an_encrypted_backup_is_found_before_anything_changes() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let folder = tempfile::tempdir().expect("a folder");
    let keys = keygen(folder.path(), "key.txt");
    let project = writer(&server, &[&keys]);
    let backup = back_up(&project);
    let identity = keys.identity.to_string_lossy().into_owned();
    let victims: Vec<PathBuf> = files(&backup);
    for victim in [
        victims.iter().find(|file| file.ends_with("toc.dat.age")),
        victims
            .iter()
            .find(|file| file.ends_with("manifest.json.age")),
        victims
            .iter()
            .find(|file| file.to_string_lossy().ends_with(".dat.gz.age")),
    ] {
        let victim = victim.expect("an object");
        let whole = fs::read(victim).expect("an object");
        let mut flipped = whole.clone();
        let last = flipped.len() - 20;
        flipped[last] ^= 1;
        fs::write(victim, flipped).expect("writing");
        for arguments in [
            &["backup", "verify", "--identity", &identity][..],
            &[
                "restore",
                "latest",
                "--to",
                "target",
                "--create",
                "--identity",
                &identity,
            ],
        ] {
            let outcome = project.run(arguments).expect_code(1);
            assert!(
                outcome
                    .stderr
                    .contains(&*victim.file_name().expect("a name").to_string_lossy()),
                "{}",
                outcome.stderr
            );
        }
        assert!(
            server.try_psql("target", "SELECT 1").is_err(),
            "the database was created"
        );
        fs::write(victim, whole).expect("writing");
    }
}

#[test]
fn keys_that_cannot_serve_are_refused_with_the_configuration() {
    let server = PostgresServer::start(Version::V15);
    server.create_database("source");
    let folder = tempfile::tempdir().expect("a folder");
    let keys = keygen(folder.path(), "key.txt");
    let secret = fs::read_to_string(&keys.identity).expect("an identity");
    let secret = secret
        .lines()
        .find(|line| line.starts_with("AGE-SECRET-KEY-"))
        .expect("a key")
        .to_owned();
    for (recipient, expected) in [
        ("age1nobody", "no recipient of age"),
        (secret.as_str(), "which is secret"),
    ] {
        let wrong = Keys {
            identity: keys.identity.clone(),
            recipient: recipient.to_owned(),
        };
        let outcome = writer(&PostgresServer::start(Version::V15), &[&wrong])
            .run(["backup", "create"])
            .expect_code(2);
        assert!(
            outcome.stderr.contains(expected) && !outcome.stderr.contains(&secret),
            "{}",
            outcome.stderr
        );
    }
    let nobody = folder.path().join("empty.txt");
    fs::write(&nobody, "# nothing\n").expect("writing");
    let outcome = writer(&server, &[&keys])
        .run(["backup", "list", "--identity", &nobody.to_string_lossy()])
        .expect_code(2);
    assert!(
        outcome.stderr.contains("holds no identity"),
        "{}",
        outcome.stderr
    );
}
