//! kill -9 at random moments of a deployment: the history tells the truth, and the next one goes on where this one was cut.

use std::collections::BTreeSet;

use end_to_end::{PostgresServer, Project, Version};

use super::{know_all, newest_after_start, on_the_server};
use crate::kills::moments::{Moments, kill_after, kills};
use crate::{project, text};

/// Migrations of one transaction each; and one, in their middle, that cannot be in one.
const WHOLE: [u32; 6] = [1, 2, 3, 5, 6, 7];
const APART: u32 = 4;

const ROWS: u32 = 20_000;

fn write_migrations(project: &Project) {
    for number in WHOLE {
        project.write(
            &format!("migrations/2026010{number}000000_whole/migration.sql"),
            &format!(
                "CREATE TABLE t{number} (a int);\nINSERT INTO t{number} SELECT generate_series(1, {ROWS});\nSELECT pg_sleep(0.02);\n\
                 CREATE INDEX ON t{number} (a);\n"
            ),
        );
    }
    project.write(
        &format!("migrations/2026010{APART}000000_apart/migration.sql"),
        &format!(
            "CREATE TABLE apart AS SELECT generate_series(1, {ROWS}) AS a;\nCREATE INDEX CONCURRENTLY first ON apart (a);\n\
             INSERT INTO apart VALUES (0);\nBEGIN;\nINSERT INTO apart VALUES (-1);\nINSERT INTO apart VALUES (-2);\nCOMMIT;\n\
             CREATE UNIQUE INDEX CONCURRENTLY second ON apart (a);\nDROP INDEX CONCURRENTLY first;\n"
        ),
    );
}

/// Each finished row has its tables, and nothing is there without a row.
fn assert_history_is_true(server: &PostgresServer) {
    let has_history = "SELECT to_regclass('_prisma_migrations') IS NOT NULL";
    let has_history = server.psql("source", has_history) == "t";
    for number in WHOLE {
        let finished = has_history
            && server.psql(
                "source",
                &format!("SELECT count(*) FROM _prisma_migrations WHERE migration_name LIKE '2026010{number}%' AND finished_at IS NOT NULL"),
            ) == "1";
        let unfinished = has_history
            && server.psql(
                "source",
                &format!("SELECT count(*) FROM _prisma_migrations WHERE migration_name LIKE '2026010{number}%' AND finished_at IS NULL"),
            ) != "0";
        assert!(!unfinished, "{number}: a transaction is there or is not");
        let there = format!("SELECT to_regclass('t{number}') IS NOT NULL");
        assert_eq!(server.psql("source", &there) == "t", finished, "{number}");
        if finished {
            let rows = server.psql("source", &format!("SELECT count(*) FROM t{number}"));
            assert_eq!(rows, ROWS.to_string(), "{number}");
        }
    }
}

fn assert_all_is_there(server: &PostgresServer) {
    assert_history_is_true(server);
    let applied = "SELECT count(DISTINCT migration_name), count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL";
    assert_eq!(server.psql("source", applied), "7|7");
    let apart = "SELECT count(*), min(a), (SELECT string_agg(c.relname, ' ') FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                 WHERE i.indrelid = 'apart'::regclass AND i.indisvalid), (SELECT count(*) FROM orchestrator.migration_progress) FROM apart";
    assert_eq!(
        server.psql("source", apart),
        format!("{}|-2|second|0", ROWS + 3)
    );
}

#[test]
fn killed_deployments_go_on_where_they_were_cut() {
    const DEPLOY: [&str; 5] = ["migrate", "deploy", "--database", "source", "--quiet"];
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    write_migrations(&project);
    let fresh = || {
        server.psql("postgres", "DROP DATABASE IF EXISTS source");
        server.create_database("source");
    };
    // The first run compiles the plugin.
    fresh();
    project.run(DEPLOY).expect_code(0);
    fresh();
    let mut moments = Moments::of(|| {
        project.run(DEPLOY).expect_code(0);
    });
    assert_all_is_there(&server);
    let mut known = BTreeSet::new();
    know_all(&project, &mut known);
    let mut interrupted = 0;
    for attempt in 0.. {
        if interrupted == kills() {
            break;
        }
        assert!(
            attempt < 4 * kills() + 20,
            "too few kills meet a run: {interrupted}"
        );
        fresh();
        let moment = moments.next();
        kill_after(&project, &DEPLOY, moment);
        // The server ends what it was told to do before it looks for who told it.
        on_the_server(&server);
        let run = newest_after_start(&project, &mut known);
        let status = run.map_or("not begun".to_owned(), |run| text(&run["status"]));
        interrupted += usize::from(status == "interrupted");
        assert_history_is_true(&server);
        let stand = project.run(["migrate", "status", "--database", "source"]);
        eprintln!(
            "kill {interrupted} after {moment:?}: {status}, {:?}",
            stand.code
        );
        if stand.code == 1 {
            let name = format!("2026010{APART}000000_apart");
            let refused = project.run(DEPLOY).expect_code(1);
            assert!(refused.stderr.contains("P3009"), "{}", refused.stderr);
            project
                .run([
                    "migrate",
                    "resolve",
                    "--database",
                    "source",
                    "--rolled-back",
                    &name,
                ])
                .expect_code(0);
        }
        project.run(DEPLOY).expect_code(0);
        assert_all_is_there(&server);
        know_all(&project, &mut known);
    }
}
