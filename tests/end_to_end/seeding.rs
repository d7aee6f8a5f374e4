//! `orchestrator seed`: the example's rows, once and again, and what is not meant for an environment.

use end_to_end::{PostgresServer, Project, Version, repository};
use serde_json::Value;

use crate::migrating::{example, migrate};
use crate::text;

/// The example's migrations applied, and its seeds beside them.
fn migrated(server: &PostgresServer) -> Project {
    let project = example(server);
    let seeds = repository().join("seeds/qconnect.sql");
    let seeds = std::fs::read_to_string(seeds).expect("the example's seeds");
    project.write("seeds/qconnect.sql", &seeds);
    project.run(migrate(["deploy"])).expect_code(0);
    project
}

fn seed(project: &Project, arguments: &[&str]) -> end_to_end::Outcome {
    let fixed = ["seed", "--database", "source", "--output", "json"];
    project.run(fixed.iter().chain(arguments))
}

const ROWS: &str = "SELECT (SELECT count(*) FROM \"User\"), (SELECT count(*) FROM \"Doctor\"), (SELECT count(*) FROM \"Queue\"), \
                    (SELECT count(*) FROM \"Appointment\"), (SELECT count(*) FROM \"File\")";

/// Which transactions have written the rows, and where the sequences are.
const WRITTEN: &str = "SELECT (SELECT string_agg(xmin::text, ',' ORDER BY id) FROM \"User\"), (SELECT string_agg(xmin::text, ',' ORDER BY id) FROM \"Doctor\"), \
                       (SELECT string_agg(xmin::text, ',' ORDER BY id) FROM \"Queue\"), (SELECT string_agg(xmin::text, ',' ORDER BY id) FROM \"Appointment\"), \
                       (SELECT string_agg(xmin::text, ',' ORDER BY id) FROM \"File\")";

/// Scenario 3.
#[test]
fn seeding_twice_gives_five_users_and_not_ten() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    let looked = seed(&project, &["--dry-run"]).expect_code(0).json();
    let would = &looked["steps"][0]["result"]["sets"][0]["tables"];
    assert_eq!(would["User"]["inserted"], 5, "{looked}");
    assert_eq!(server.psql("source", ROWS), "0|0|0|0|0");

    let first = seed(&project, &[]).expect_code(0).json();
    let summary = text(&first["steps"][0]["result"]["summary"]);
    for expected in [
        "User: 5 inserted",
        "Doctor: 4 inserted",
        "Queue: 4 inserted",
        "Appointment: 4 inserted",
        "File: 3 inserted",
    ] {
        assert!(summary.contains(expected), "{summary}");
    }
    assert_eq!(server.psql("source", ROWS), "5|4|4|4|3");
    assert!(
        project
            .read("DEPLOYMENT_LOG.md")
            .contains("**Change:** Seeded qconnect")
    );

    let written = server.psql("source", WRITTEN);
    let second = seed(&project, &["qconnect"]).expect_code(0).json();
    assert_eq!(
        text(&second["steps"][0]["result"]["summary"]),
        "nothing to change"
    );
    assert_eq!(server.psql("source", WRITTEN), written);

    server.psql(
        "source",
        "UPDATE \"User\" SET name = 'Somebody' WHERE email = 'alice@example.com'",
    );
    let third = seed(&project, &[]).expect_code(0).json();
    assert_eq!(
        text(&third["steps"][0]["result"]["summary"]),
        "User: 1 updated"
    );
    let job = project
        .run(["run", "seed", "--param", "database=source"])
        .expect_code(0);
    assert!(job.stdout.contains("nothing to change"), "{}", job.stdout);
}

/// Scenario 4.
#[test]
fn a_reset_drops_migrates_and_seeds() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    seed(&project, &[]).expect_code(0);
    server.psql(
        "source",
        "CREATE TABLE mine (a int); DELETE FROM \"User\" WHERE id = 2",
    );
    project.run(migrate(["reset", "--yes"])).expect_code(0);
    assert_eq!(server.psql("source", ROWS), "5|4|4|4|3");
    assert_eq!(
        server.psql("source", "SELECT to_regclass('mine') IS NULL"),
        "t"
    );
    project
        .run(migrate(["reset", "--yes", "--skip-seed"]))
        .expect_code(0);
    assert_eq!(server.psql("source", ROWS), "0|0|0|0|0");
}

#[test]
fn production_gets_what_is_meant_for_it() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    project.write(
        "seeds/20_plans.sql",
        "-- description: What every customer sees\n-- production: true\nCREATE TABLE IF NOT EXISTS plan (name text PRIMARY KEY);\n\
         COPY plan FROM stdin;\nfree\npaid\n\\.\n",
    );
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &config.replace("\"local\"", "\"production\""),
    );
    let listed = seed(&project, &["--list"]).expect_code(0).json();
    let meant: Vec<(String, bool)> = listed["sets"]
        .as_array()
        .expect("sets")
        .iter()
        .map(|set| (text(&set["name"]), set["is_meant"] == Value::Bool(true)))
        .collect();
    assert_eq!(
        meant,
        [("plans".to_owned(), true), ("qconnect".to_owned(), false)]
    );
    let refused = seed(&project, &["qconnect"]).expect_code(1);
    assert!(
        refused
            .stderr
            .contains("not meant for a production database"),
        "{}",
        refused.stderr
    );
    seed(&project, &[]).expect_code(0);
    assert_eq!(server.psql("source", ROWS), "0|0|0|0|0");
    assert_eq!(server.psql("source", "SELECT count(*) FROM plan"), "2");

    // The database says so itself: whoever believes otherwise is held to it.
    project.write("orchestrator.toml", &config);
    let mark = ["mark", "production", "--database", "source"];
    project.run(mark).expect_code(0);
    seed(&project, &["qconnect"]).expect_code(1);
    let lie = [
        "run",
        "seed",
        "--param",
        "database=source",
        "--param",
        "environment=local",
    ];
    let refused = project.run(lie).expect_code(2);
    assert!(
        refused.stderr.contains("nobody's to set"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_set_is_written_whole_or_not_at_all() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    project.write("seeds/a.sql", "CREATE TABLE a (x int);\n");
    project.write(
        "seeds/b.sql",
        "CREATE TABLE b (x int);\nINSERT INTO b VALUES ('no');\n",
    );
    let failed = seed(&project, &["a", "b"]).expect_code(1);
    assert!(
        failed.stderr.contains("writing the set b, line 2"),
        "{}",
        failed.stderr
    );
    assert_eq!(
        server.psql(
            "source",
            "SELECT to_regclass('a') IS NOT NULL, to_regclass('b') IS NOT NULL"
        ),
        "t|f"
    );
    for (text, expected) in [
        (
            "INSERT INTO a VALUES (1); COMMIT; DROP TABLE a;",
            "COMMIT cannot be in the transaction",
        ),
        ("\\copy a from 'x'", "is a command of psql"),
        ("-- production: maybe\n", "not true or false"),
    ] {
        project.write("seeds/b.sql", text);
        let failed = seed(&project, &["b"]).expect_code(1);
        assert!(
            failed.stderr.contains("b.sql: ") && failed.stderr.contains(expected),
            "{}",
            failed.stderr
        );
    }
    project.write("seeds/b.sql", "SELECT 1;");
    project.write("seeds/1_b.sql", "SELECT 1;");
    let failed = seed(&project, &[]).expect_code(1);
    assert!(
        failed.stderr.contains("two files declare a set named b"),
        "{}",
        failed.stderr
    );
    std::fs::remove_file(project.path().join("seeds/1_b.sql")).expect("removed");
    let failed = seed(&project, &["c"]).expect_code(1);
    assert!(
        failed.stderr.contains("there are: a, b, qconnect"),
        "{}",
        failed.stderr
    );
    let failed = seed(&project, &["--seeds", "nowhere"]).expect_code(1);
    assert!(failed.stderr.contains("[seeds]"), "{}", failed.stderr);
}
