//! Disks that are full: under the storage, under the journal, under the log, under the target. A clear error, nothing half left
//! behind, and a next run that succeeds once there is space.

use std::path::Path;

use end_to_end::{Outcome, PostgresServer, Project, SmallDisk, Version};

use crate::{files, project, statuses};

const CREATE: [&str; 4] = ["backup", "create", "--database", "source"];

/// A project with something else in its configuration.
fn project_with(server: &PostgresServer, from: &str, to: &str) -> Project {
    let project = project(server);
    let config = project.read("orchestrator.toml");
    assert!(config.contains(from), "{config}");
    project.write("orchestrator.toml", &config.replace(from, to));
    project
}

fn stored_on(server: &PostgresServer, disk: &SmallDisk) -> Project {
    let url = format!("url = \"file:{}/backups\"", disk.path().display());
    project_with(server, "url = \"file:backups\"", &url)
}

/// It failed for want of space, and says what to do.
fn assert_full(outcome: &Outcome, named: &Path) {
    assert_eq!(outcome.code, 1, "{}\n{}", outcome.stdout, outcome.stderr);
    for said in [
        "No space left on device",
        "hint: ",
        "free some space",
        &named.display().to_string(),
    ] {
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
}

fn fill(server: &PostgresServer) {
    server.create_example("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, 300000) i",
    );
}

#[test]
fn a_full_storage_ends_a_backup_and_keeps_nothing_of_it() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let disk = SmallDisk::mount(8 * 1024);
    let project = stored_on(&server, &disk);
    let outcome = project.run(CREATE);
    eprintln!("{}", outcome.stderr);
    assert_full(&outcome, disk.path());
    assert!(files(disk.path()).is_empty(), "nothing half is left");
    disk.resize(64 * 1024);
    project.run(CREATE).expect_code(0);
    project.run(["backup", "verify"]).expect_code(0);
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "succeeded", "failed"]
    );
}

#[test]
fn a_storage_that_is_full_at_any_object_keeps_nothing() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let disk = SmallDisk::mount(1024);
    let project = stored_on(&server, &disk);
    let mut failed = 0;
    for pages in 0.. {
        disk.leave(8 * pages);
        let outcome = project.run(CREATE);
        let left = files(&disk.path().join("backups"));
        if outcome.code == 0 {
            project.run(["backup", "verify"]).expect_code(0);
            break;
        }
        assert_full(&outcome, disk.path());
        assert!(left.is_empty(), "with {pages} times 8 KiB free: {left:?}");
        failed += 1;
        assert!(failed < 50, "it never fits");
    }
    eprintln!("{failed} times full");
    assert!(
        failed > 3,
        "full at the first objects, at later ones, at the last"
    );
    let statuses = statuses(&project, &server);
    assert_eq!(statuses[..2], ["succeeded", "succeeded"]);
    assert_eq!(statuses[2..], vec!["failed"; failed]);
}

#[test]
fn a_full_journal_keeps_a_run_from_beginning_and_is_mended_when_there_is_space() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let disk = SmallDisk::mount(1024);
    let state = format!("[log]\nstate = \"{}/state\"", disk.path().display());
    let project = project_with(&server, "[log]", &state);
    project.run(CREATE).expect_code(0);
    let (mut refused, mut torn) = (0, 0);
    for free in [0, 0, 0, 0, 0, 0, 4, 8] {
        disk.leave(free);
        let before = files(&project.path().join("backups"));
        let outcome = project.run(CREATE);
        eprintln!("{free} KiB free: {} {}", outcome.code, outcome.stderr);
        let after = files(&project.path().join("backups"));
        if outcome.code != 0 {
            assert_full(&outcome, disk.path());
            refused += usize::from(before == after);
            torn += usize::from(before != after);
        }
        disk.free_all();
        // Whatever the journal could not take, the next start settles.
        project.run(["backup", "verify"]).expect_code(0);
        for status in statuses(&project, &server) {
            assert_ne!(status, "running");
        }
        let manifests = |file: &&std::path::PathBuf| file.ends_with("manifest.json");
        let left = files(&project.path().join("backups"));
        let listed = project
            .run(["backup", "list", "--output", "json"])
            .expect_code(0)
            .json();
        assert_eq!(
            left.iter().filter(manifests).count(),
            listed["backups"].as_array().map_or(0, Vec::len)
        );
        assert_eq!(
            left.iter()
                .map(|file| file.parent())
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            left.iter().filter(manifests).count(),
            "no folder without a manifest"
        );
    }
    eprintln!("{refused} refused, {torn} closed later");
    assert!(
        refused > 0,
        "a journal without space keeps runs from beginning"
    );
    project.run(CREATE).expect_code(0);
}

#[test]
fn a_full_log_is_told_and_written_later() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let disk = SmallDisk::mount(256);
    let places = format!(
        "[log]\nmarkdown = \"{0}/DEPLOYMENT_LOG.md\"\nreports = \"{0}/reports\"",
        disk.path().display()
    );
    let project = project_with(&server, "[log]", &places);
    disk.leave(0);
    let outcome = project.run(CREATE);
    eprintln!("{} {}", outcome.code, outcome.stderr);
    // The backup is there and recorded: what is missing is a copy of the record.
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    for said in [
        "No space left on device",
        "DEPLOYMENT_LOG.md",
        "free some space",
    ] {
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
    disk.free_all();
    project.run(["backup", "verify"]).expect_code(0);
    let written = std::fs::read_to_string(disk.path().join("DEPLOYMENT_LOG.md")).expect("the log");
    assert_eq!(written.matches("succeeded -->").count(), 2, "{written}");
    assert_eq!(files(&disk.path().join("reports")).len(), 2);
}

/// So many runs of January 2025, as entries of the log: the newest first. Half a KiB each.
fn entries(count: u64) -> (Vec<String>, String) {
    let mut log = "# Deployment log\n\n".to_owned();
    let mut runs = Vec::new();
    for number in (0..count).rev() {
        let began = 1_736_121_600_000 + number * 60_000;
        let (high, low) = (began >> 16, began & 0xffff);
        let run = format!("{high:08x}-{low:04x}-7000-8000-{number:012x}");
        let filler = "a warning ".repeat(40);
        log += &format!(
            "<!-- orchestrator run {run} succeeded -->\n## 2025-01-06 - Backup: app\n**Warning:** {filler}\n<!-- orchestrator end -->\n\n"
        );
        runs.push(run);
    }
    (runs, log)
}

#[test]
fn a_disk_that_is_full_while_old_entries_are_moved_loses_and_doubles_none() {
    let (runs, log) = entries(1_250);
    // Full within the file of the month; full within the log, when the month has its entries already.
    for (free, is_moved) in [(64, false), (400, true)] {
        let server = PostgresServer::start(Version::V15);
        server.create_example("source");
        let disk = SmallDisk::mount(4 * 1024);
        let place = format!(
            "[log]\nmarkdown = \"{}/DEPLOYMENT_LOG.md\"",
            disk.path().display()
        );
        let project = project_with(&server, "[log]", &place);
        std::fs::write(disk.path().join("DEPLOYMENT_LOG.md"), &log).expect("the log");
        let month = disk.path().join("DEPLOYMENT_LOG-2025-01.md");
        disk.leave(free);
        let outcome = project.run(CREATE).expect_code(0);
        assert!(
            outcome.stderr.contains("No space left on device"),
            "{}",
            outcome.stderr
        );
        assert_eq!(month.exists(), is_moved, "{free} KiB free");
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(read(&disk.path().join("DEPLOYMENT_LOG.md")), log);
        disk.free_all();
        let left = files(disk.path());
        assert_eq!(left.len(), 1 + usize::from(is_moved), "{left:?}");
        project.run(["backup", "verify"]).expect_code(0);
        let whole = read(&disk.path().join("DEPLOYMENT_LOG.md")) + &read(&month);
        for run in &runs {
            let mark = format!("<!-- orchestrator run {run} succeeded -->");
            assert_eq!(whole.matches(&mark).count(), 1, "{run}, {free} KiB free");
        }
        let marks = whole.matches("<!-- orchestrator run ").count();
        assert_eq!(marks, runs.len() + 2, "{free} KiB free");
        assert!(whole.matches("<!-- orchestrator end -->").count() == marks && month.exists());
    }
}

#[test]
fn a_target_that_runs_full_is_as_empty_as_before() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let disk = SmallDisk::mount(28 * 1024);
    disk.give_to_server();
    server.psql(
        "postgres",
        &format!(
            "CREATE TABLESPACE tiny LOCATION '{}'",
            disk.path().display()
        ),
    );
    server.psql("postgres", "CREATE DATABASE target TABLESPACE tiny");
    let project = project(&server);
    project.run(CREATE).expect_code(0);
    let restore = ["restore", "latest", "--to", "target"];
    let outcome = project.run(restore);
    eprintln!("{}", outcome.stderr);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    for said in [
        "No space left on device",
        "53100",
        "hint: ",
        "removed again",
    ] {
        assert!(outcome.stderr.contains(said), "{said}: {}", outcome.stderr);
    }
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.psql("target", tables), "0");
    disk.resize(256 * 1024);
    project.run(restore).expect_code(0);
    assert_eq!(server.psql("target", "SELECT count(*) FROM big"), "300000");
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "failed", "succeeded"]
    );
}
