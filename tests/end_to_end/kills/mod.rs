//! kill -9 at random moments of backups, restores and deployments: whatever was under way, the next start closes it, nothing half is left,
//! every listed backup is whole, and the next run succeeds.
//!
//! 20 runs are killed, or as many of backups and of restores each as `ORCHESTRATOR_TEST_KILLS` says. `ORCHESTRATOR_TEST_SEED` repeats the
//! moments of a failure, which prints its seed.

mod deployments;
mod moments;
mod place;

use std::collections::BTreeSet;

use end_to_end::{PostgresServer, Project, Version, wait_for};
use serde_json::Value;

use self::moments::{Moments, kill_after, kills};
use self::place::Place;
use crate::{project, statuses, text};

/// A table of two parts of an upload, small ones beside it, and keys and indexes to build.
fn fill(server: &PostgresServer) {
    server.create_example("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, 300000) i;
         ALTER TABLE big ADD PRIMARY KEY (id); CREATE INDEX ON big (text);
         CREATE ROLE owner_of_small; CREATE TABLE small AS SELECT i FROM generate_series(1, 1000) i; ALTER TABLE small OWNER TO owner_of_small",
    );
}

/// What must be as it was in the end: databases and roles, and no sessions but this one.
fn on_the_server(server: &PostgresServer) -> String {
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    wait_for("the end of the program's sessions", || {
        server.psql("postgres", sessions) == "0"
    });
    server.psql(
        "postgres",
        "SELECT 'database ' || datname FROM pg_database UNION ALL SELECT 'role ' || rolname FROM pg_roles ORDER BY 1",
    )
}

/// Starts the program once, which closes what was killed. The newest run, if it is another one than before.
fn newest_after_start(project: &Project, known: &mut BTreeSet<String>) -> Option<Value> {
    let outcome = project
        .run(["log", "list", "-n", "100000", "--output", "json"])
        .expect_code(0);
    let runs = outcome.json()["runs"].as_array().expect("runs").clone();
    for run in &runs {
        let status = text(&run["status"]);
        assert_ne!(status, "running", "every run is closed: {run}");
    }
    let new: Vec<&Value> = runs
        .iter()
        .filter(|run| known.insert(text(&run["run_id"])))
        .collect();
    assert!(new.len() <= 1, "one run was started: {new:?}");
    let run = new.first().map(|run| (*run).clone())?;
    match run["status"].as_str() {
        Some("interrupted") => assert!(
            outcome.stderr.contains("was interrupted"),
            "{}",
            outcome.stderr
        ),
        // The last thing that it did was to close its record.
        Some("succeeded") => {}
        other => panic!("a run that was killed is {other:?}"),
    }
    Some(run)
}

fn know_all(project: &Project, known: &mut BTreeSet<String>) {
    let listed = project
        .run(["log", "list", "-n", "100000", "--output", "json"])
        .expect_code(0)
        .json();
    let runs = listed["runs"].as_array().expect("runs");
    known.extend(runs.iter().map(|run| text(&run["run_id"])));
}

/// The prefixes of all backups, each of which verifies.
fn verified_backups(project: &Project) -> BTreeSet<String> {
    let listed = project
        .run(["backup", "list", "--output", "json"])
        .expect_code(0)
        .json();
    let mut prefixes = BTreeSet::new();
    for backup in listed["backups"].as_array().expect("backups") {
        let id = text(&backup["id"]);
        project.run(["backup", "verify", &id]).expect_code(0);
        prefixes.insert(format!("source/{id}"));
    }
    prefixes
}

fn killed_backups(place: &Place, kills: usize) {
    const CREATE: [&str; 5] = ["backup", "create", "--database", "source", "--quiet"];
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let project = place.project(&server);
    // The first run compiles the plugin.
    project.run(CREATE).expect_code(0);
    let mut moments = Moments::of(|| {
        project.run(CREATE).expect_code(0);
    });
    let before = on_the_server(&server);
    let mut known = BTreeSet::new();
    know_all(&project, &mut known);
    // Those that met a run: before its start is recorded there is nothing to close.
    let mut interrupted = 0;
    for attempt in 0.. {
        if interrupted == kills {
            break;
        }
        assert!(
            attempt < 4 * kills + 20,
            "too few kills meet a run: {interrupted}"
        );
        let moment = moments.next();
        kill_after(&project, &CREATE, moment);
        let run = newest_after_start(&project, &mut known);
        let status = run.map_or("not begun".to_owned(), |run| text(&run["status"]));
        interrupted += usize::from(status == "interrupted");
        eprintln!("kill {interrupted} after {moment:?}: {status}");

        let backups = verified_backups(&project);
        assert_eq!(
            place.prefixes(&project),
            (backups.clone(), 0),
            "nothing half is left after {moment:?}"
        );
        project.run(CREATE).expect_code(0);
        for prefix in backups {
            let id = prefix.split_once('/').expect("an id").1;
            project
                .run(["backup", "delete", id, "--yes"])
                .expect_code(0);
        }
        know_all(&project, &mut known);
    }
    assert_eq!(verified_backups(&project).len(), 1);
    assert_eq!(on_the_server(&server), before);
    let statuses = statuses(&project, &server);
    let counted = statuses.iter().filter(|status| *status == "interrupted");
    assert_eq!(counted.count(), interrupted, "in all places of the log");
}

#[test]
fn killed_backups_leave_nothing_half_in_a_folder() {
    killed_backups(&Place::Folder, kills().div_ceil(2));
}

#[test]
fn killed_backups_leave_nothing_half_in_a_bucket() {
    killed_backups(&Place::bucket(), kills() / 2);
}

/// What tells one state of the source from another.
fn fingerprint(server: &PostgresServer, database: &str) -> String {
    let rows = server.psql(
        database,
        "SELECT count(*), sum(hashtextextended(big::text, 0)) FROM big UNION ALL SELECT count(*), sum(hashtextextended(u::text, 0)) FROM \"User\" u",
    );
    let schema = server.pg_dump_with(
        database,
        &["--schema-only", "--exclude-schema=orchestrator"],
    );
    format!("{rows}\n{schema}")
}

#[test]
fn killed_restores_are_told_of_and_the_next_one_succeeds() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let project = project(&server);
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
    let restore = |way: &'static str| ["restore", "latest", "--to", "target", way, "--quiet"];
    let before = on_the_server(&server);
    let expected = fingerprint(&server, "source");
    let mut known = BTreeSet::new();

    project.run(restore("--create")).expect_code(0);
    let drop = || server.psql("postgres", "DROP DATABASE IF EXISTS target");
    drop();
    let mut moments = Moments::of(|| {
        project.run(restore("--create")).expect_code(0);
    });
    // Those that met a run: before its start is recorded there is nothing to close.
    let mut interrupted = 0;
    for attempt in 0.. {
        if interrupted == kills() {
            break;
        }
        assert!(
            attempt < 4 * kills() + 20,
            "too few kills meet a run: {interrupted}"
        );
        let way = ["--create", "--clean", "--swap"][attempt % 3];
        if way == "--create" {
            drop();
        }
        know_all(&project, &mut known);
        let moment = moments.next();
        kill_after(&project, &restore(way), moment);
        on_the_server(&server);
        let run = newest_after_start(&project, &mut known);
        let status = run
            .as_ref()
            .map_or("not begun".to_owned(), |run| text(&run["status"]));
        let left = on_the_server(&server);
        assert!(!left.contains("_scratch_"), "after {moment:?}: {left}");
        let exists = left.contains("database target");
        // Half of it, or not yet begun, or all of it.
        let account = "SELECT to_regclass('orchestrator_restore.restore') IS NOT NULL";
        let half = exists && server.psql("target", account) == "t";
        eprintln!(
            "kill {interrupted} of {way} after {moment:?}: {status}, there: {exists}, half: {half}"
        );
        if status == "interrupted" {
            interrupted += 1;
            let run = text(&run.expect("a run")["run_id"]);
            let shown = project.run(["log", "show", &run]).expect_code(0).stdout;
            let told = shown.contains("a restore into target was cut");
            let begun = shown.contains("| 1 | restore");
            // All of it was there already, and only the run not closed yet.
            let ended = shown.contains("| 1 | restore 0.1.0 | succeeded |");
            assert_eq!(told, begun && !ended && way != "--swap", "{shown}");
        }
        let next = match (half, way) {
            (true, _) if attempt % 2 == 0 => Some("--resume"),
            (true, _) | (false, "--clean" | "--swap") => Some(way),
            (false, _) if exists => None,
            (false, _) => Some(way),
        };
        if let Some(next) = next {
            project.run(restore(next)).expect_code(0);
        }
        assert!(
            fingerprint(&server, "target") == expected,
            "the target is whole again after {moment:?} and {next:?}"
        );
        let kept = "SELECT format('DROP DATABASE %I', datname) FROM pg_database WHERE datname LIKE 'target\\_before\\_%'";
        for drop in server.psql("postgres", kept).lines() {
            server.psql("postgres", drop);
        }
    }
    drop();
    assert_eq!(on_the_server(&server), before);
    let statuses = statuses(&project, &server);
    let counted = statuses.iter().filter(|status| *status == "interrupted");
    assert_eq!(counted.count(), interrupted, "in all places of the log");
}
