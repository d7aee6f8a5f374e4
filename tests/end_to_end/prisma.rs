//! Against Prisma's own engine: each goes on where the other stopped, and both leave the same rows.

use end_to_end::{PostgresServer, Prisma, Project, Version};

use crate::migrating::write_example;
use crate::project;
use crate::round_trips::assert_same;

/// The example as a team has it that uses Prisma.
fn with_prisma(server: &PostgresServer) -> (Project, Prisma) {
    let project = project(server);
    server.create_database("source");
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &format!("{config}[migrations]\nfolder = \"prisma/migrations\"\n"),
    );
    write_example(&project, "prisma/migrations");
    let prisma = Prisma::new(&project, &server.url("source"));
    (project, prisma)
}

fn ours(project: &Project, arguments: &[&str]) -> end_to_end::Outcome {
    let mut all = vec!["migrate"];
    all.extend(arguments);
    all.extend(["--database", "source"]);
    project.run(all)
}

/// Everything of the history but what is another each time.
const ROWS: &str = "SELECT migration_name, checksum, finished_at IS NOT NULL, logs IS NULL, rolled_back_at IS NOT NULL, applied_steps_count, \
                    length(id), started_at <= coalesce(finished_at, now()) FROM _prisma_migrations ORDER BY started_at";

const NAMES: [&str; 4] = [
    "20251217083615_init_schema",
    "20251217095346_add_user_phone",
    "20251223120000_add_indexes",
    "20251223150000_add_user_password",
];

#[test]
fn each_takes_what_the_other_has_deployed_for_done() {
    let server = PostgresServer::start(Version::V15);
    let (project, prisma) = with_prisma(&server);
    ours(&project, &["deploy", "--to", NAMES[1]]).expect_code(0);
    let behind = prisma.migrate(&["status"]).expect_code(1);
    assert!(!behind.stdout.contains(NAMES[1]), "{}", behind.stdout);
    assert!(behind.stdout.contains(NAMES[2]), "{}", behind.stdout);
    prisma.migrate(&["deploy"]).expect_code(0);
    ours(&project, &["status"]).expect_code(0);
    ours(&project, &["deploy"]).expect_code(0);
    let rows = server.psql("source", ROWS);
    let ends: Vec<&str> = rows
        .lines()
        .filter_map(|row| Some(row.split_once('|')?.1.split_once('|')?.1))
        .collect();
    assert_eq!(ends, ["t|t|f|1|36|t"; 4], "rows are alike: {rows}");
    // What this program keeps for itself aside.
    let schema = || {
        server.pg_dump_with(
            "source",
            &["--schema-only", "--exclude-schema=orchestrator"],
        )
    };
    let mixed = schema();

    // All by ours, then all by Prisma.
    for deploy in ["ours", "prisma"] {
        server.drop_database("source");
        server.create_database("source");
        match deploy {
            "ours" => ours(&project, &["deploy"]).expect_code(0),
            _ => prisma.migrate(&["deploy"]).expect_code(0),
        };
        let up_to_date = prisma.migrate(&["status"]).expect_code(0);
        assert!(
            up_to_date.stdout.contains("up to date"),
            "{}",
            up_to_date.stdout
        );
        ours(&project, &["status"]).expect_code(0);
        assert_eq!(server.psql("source", ROWS), rows, "all by {deploy}");
        assert_same(
            &mixed,
            &schema(),
            &format!("all by {deploy}: the table of the history too"),
        );
    }
}

/// A failed migration is one for both, and both settle what the other has left.
#[test]
fn failures_and_their_resolution_are_the_same_for_both() {
    let server = PostgresServer::start(Version::V15);
    let (project, prisma) = with_prisma(&server);
    let [broken, manual] = ["20260101000000_broken", "20260102000000_manual"];
    let write = |name: &str, script: &str| {
        project.write(&format!("prisma/migrations/{name}/migration.sql"), script);
    };
    for fails in ["ours", "prisma"] {
        server.drop_database("source");
        server.create_database("source");
        write(broken, "SELECT 1 / 0;\n");
        match fails {
            "ours" => ours(&project, &["deploy"]).expect_code(1),
            _ => prisma.migrate(&["deploy"]).expect_code(1),
        };
        let failed = format!(
            "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{broken}' AND finished_at IS NULL \
             AND rolled_back_at IS NULL AND applied_steps_count = 0 AND logs LIKE '%division by zero%'"
        );
        assert_eq!(server.psql("source", &failed), "1", "{fails} failed");
        let refused = prisma.migrate(&["deploy"]).expect_code(1);
        assert!(refused.stderr.contains("P3009"), "{}", refused.stderr);
        let refused = ours(&project, &["deploy"]).expect_code(1);
        assert!(refused.stderr.contains("P3009"), "{}", refused.stderr);
        // The other one settles it.
        match fails {
            "ours" => prisma
                .migrate(&["resolve", "--rolled-back", broken])
                .expect_code(0),
            _ => ours(&project, &["resolve", "--rolled-back", broken]).expect_code(0),
        };
        write(broken, "SELECT 1;\n");
        match fails {
            "ours" => ours(&project, &["deploy"]).expect_code(0),
            _ => prisma.migrate(&["deploy"]).expect_code(0),
        };
        // What somebody has done by hand is declared as applied.
        write(manual, "CREATE TABLE manual (a int);\n");
        server.psql("source", "CREATE TABLE manual (a int)");
        match fails {
            "ours" => ours(&project, &["resolve", "--applied", manual]).expect_code(0),
            _ => prisma
                .migrate(&["resolve", "--applied", manual])
                .expect_code(0),
        };
        let declared = format!(
            "SELECT finished_at = started_at, applied_steps_count, logs = '' FROM _prisma_migrations WHERE migration_name = '{manual}'"
        );
        assert_eq!(server.psql("source", &declared), "t|0|t", "{fails}");
        prisma.migrate(&["status"]).expect_code(0);
        ours(&project, &["status"]).expect_code(0);
        // What both refuse.
        for (arguments, code) in [
            (["resolve", "--applied", manual], "P3008"),
            (["resolve", "--applied", "20270101000000_unknown"], "P3017"),
            (
                ["resolve", "--rolled-back", "20270101000000_unknown"],
                "P3011",
            ),
            (["resolve", "--rolled-back", manual], "P3012"),
        ] {
            let theirs = prisma.migrate(&arguments).expect_code(1);
            assert!(theirs.stderr.contains(code), "{}", theirs.stderr);
            let refused = ours(&project, &arguments).expect_code(1);
            assert!(refused.stderr.contains(code), "{}", refused.stderr);
        }
        std::fs::remove_dir_all(project.path().join("prisma/migrations").join(broken))
            .expect("it was there");
        std::fs::remove_dir_all(project.path().join("prisma/migrations").join(manual))
            .expect("it was there");
    }
}

/// A database that is in use already, a folder without a script, another database's migrations.
#[test]
fn both_refuse_the_same_with_the_same_codes() {
    let server = PostgresServer::start(Version::V15);
    let (project, prisma) = with_prisma(&server);
    let both = |code: &str| {
        let theirs = prisma.migrate(&["deploy"]).expect_code(1);
        assert!(theirs.stderr.contains(code), "{}", theirs.stderr);
        let refused = ours(&project, &["deploy"]).expect_code(1);
        assert!(refused.stderr.contains(code), "{}", refused.stderr);
    };
    server.psql("source", "CREATE TABLE there (a int)");
    both("P3005");
    server.psql("source", "DROP TABLE there");
    let empty = project
        .path()
        .join("prisma/migrations/20260101000000_empty");
    std::fs::create_dir(&empty).expect("a folder");
    both("P3015");
    std::fs::remove_dir(&empty).expect("it is empty");
    let lock = "prisma/migrations/migration_lock.toml";
    let right = project.read(lock);
    project.write(lock, "provider = \"mysql\"\n");
    both("P3019");
    project.write(lock, &right);
    prisma.migrate(&["deploy"]).expect_code(0);
    ours(&project, &["status"]).expect_code(0);
}
