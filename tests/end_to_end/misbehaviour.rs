//! Files that are no plugins, and plugins that do what they should not: contained, named, recorded, and nothing harmed.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use builder::Builder;
use end_to_end::{Outcome, PostgresServer, Project, Version, repository};

use crate::{files, project, statuses};

/// The plugin of tests/plugins/misbehave, built once.
fn misbehave() -> &'static builder::Plugin {
    static PLUGIN: OnceLock<builder::Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_orchestrator"));
        let builder = Builder {
            target_folder: program
                .parent()
                .and_then(|folder| folder.parent())
                .map(|folder| folder.join("plugins")),
            locked: true,
        };
        let built = builder.build(&[repository().join("tests/plugins/misbehave")]);
        built.unwrap_or_else(|error| panic!("{error}")).remove(0)
    })
}

struct Stage {
    server: PostgresServer,
    project: Project,
}

impl Stage {
    /// A project with this file as the plugin `misbehave`, granted what it asks for.
    fn with(component: &[u8], grants: &str) -> Self {
        use std::fmt::Write;
        let server = PostgresServer::start(Version::V15);
        server.create_database("source");
        let project = project(&server);
        std::fs::write(project.path().join("plugin.wasm"), component).expect("the plugin's file");
        let mut config = project.read("orchestrator.toml");
        write!(
            config,
            "[databases.secret]\nurl = \"{}\"\n[plugins.misbehave]\nfile = \"plugin.wasm\"\nsha256 = \"{}\"\n{grants}\
             [jobs.harm]\nsteps = [{{ plugin = \"misbehave\", database = \"source\", storage = \"main\" }}]\n",
            server.url("postgres"),
            sha256(component),
        )
        .expect("a text");
        project.write("orchestrator.toml", &config);
        Self { server, project }
    }

    fn run(&self, how: &str) -> Outcome {
        self.project
            .run(["run", "harm", "--param", &format!("how={how}")])
    }
}

const GRANTS: &str = "[plugins.misbehave.grants.databases.source]\naccess = \"read\"\n\
                      [plugins.misbehave.grants.storage.main]\nrights = [\"read\", \"write\"]\n";

fn sha256(bytes: &[u8]) -> String {
    use std::io::Write;
    let mut child = std::process::Command::new("sha256sum")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("sha256sum runs");
    child
        .stdin
        .take()
        .expect("its input")
        .write_all(bytes)
        .expect("its input");
    let output = child.wait_with_output().expect("sha256sum ends");
    String::from_utf8_lossy(&output.stdout)
        .chars()
        .take(64)
        .collect()
}

#[test]
fn each_way_to_misbehave_is_contained() {
    let stage = Stage::with(&misbehave().component, GRANTS);
    let cases = [
        ("trap", "trapped"),
        ("loop", "deadline"),
        ("memory", "64 MiB of memory"),
        ("half-backup", "trapped"),
        ("write", "read-only transaction"),
        ("read-write", "read-write mode"),
        ("commit", "cannot run COMMIT"),
        ("program", "COPY ... TO STDOUT"),
        ("other-binding", "granted"),
        ("maintenance", "admin"),
        ("handles", "handles"),
    ];
    for (how, expected) in cases {
        let began = Instant::now();
        let outcome = stage.run(how).expect_code(1);
        assert!(
            outcome.stderr.contains(expected),
            "{how}: {}",
            outcome.stderr
        );
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{how} took {:?}",
            began.elapsed()
        );
    }
    assert!(
        files(&stage.project.path().join("backups")).is_empty(),
        "half a backup is removed"
    );
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(stage.server.psql("source", tables), "0");
    let statuses = statuses(&stage.project, &stage.server);
    assert_eq!(statuses, ["failed"; 11]);
}

#[test]
fn floods_are_cut_and_escapes_removed() {
    let stage = Stage::with(&misbehave().component, GRANTS);
    let outcome = stage.run("log-flood").expect_code(3);
    assert!(
        outcome.stderr.len() < 400_000,
        "{} bytes of log",
        outcome.stderr.len()
    );
    let outcome = stage.run("escapes").expect_code(3);
    for text in [
        &outcome.stdout,
        &outcome.stderr,
        &stage.project.read("DEPLOYMENT_LOG.md"),
    ] {
        assert!(
            !text.contains("\u{1b}[2J"),
            "an escape sequence reaches the terminal"
        );
    }
    let run = outcome
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("report: "))
        .expect("a report")
        .to_owned();
    let report = std::fs::read_to_string(run).expect("the report");
    assert!(
        !report.contains("<script>") && !report.contains('\u{1b}'),
        "{report}"
    );
}

#[test]
fn what_is_not_granted_is_refused_before_anything_runs() {
    let grants = GRANTS.replace("\"read\", \"write\"", "\"read\"");
    let stage = Stage::with(&misbehave().component, &grants);
    let outcome = stage.run("half-backup").expect_code(4);
    assert!(
        outcome.stderr.contains("asks for read, write") && outcome.stderr.contains("grants read"),
        "{}",
        outcome.stderr
    );
    assert_eq!(statuses(&stage.project, &stage.server), ["refused"]);
}

#[test]
fn a_plugin_that_was_exchanged_is_refused() {
    let stage = Stage::with(&misbehave().component, GRANTS);
    let mut other = misbehave().component.clone();
    other.extend_from_slice(&[0, 2, 1, b'x']);
    std::fs::write(stage.project.path().join("plugin.wasm"), other).expect("the plugin's file");
    let outcome = stage.run("trap").expect_code(4);
    assert!(outcome.stderr.contains("pins"), "{}", outcome.stderr);
}

#[test]
fn files_that_are_no_plugins() {
    let good = &misbehave().component;
    let text = b"#!/bin/sh\necho no\n".to_vec();
    let core = b"\0asm\x01\0\0\0".to_vec();
    let cut = good[..good.len() / 2].to_vec();
    let needle = br#""contract":"0.1.0""#;
    let at = good
        .windows(needle.len())
        .position(|window| window == needle)
        .expect("the manifest");
    let mut later = good.clone();
    later[at..at + needle.len()].copy_from_slice(br#""contract":"0.9.0""#);
    for (file, expected) in [
        (text, "not WebAssembly"),
        (core, "core WebAssembly module"),
        (cut, "not valid WebAssembly"),
        (later, "contract 0.9.0"),
    ] {
        let stage = Stage::with(&file, GRANTS);
        let outcome = stage.run("trap").expect_code(2);
        assert!(
            outcome.stderr.contains(expected),
            "{expected}: {}",
            outcome.stderr
        );
        assert_eq!(statuses(&stage.project, &stage.server), ["failed"]);
    }
}
