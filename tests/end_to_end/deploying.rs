//! `run pre-migrate` and `run deploy`: a backup before each change, the way back, and what an environment allows.

use end_to_end::{Outcome, PostgresServer, Project, Version};

use crate::migrating::{example, migrate};
use crate::{start, text};

const BROKEN: &str = "20260102000000_broken";

/// Says of the project that it is production.
fn in_production(project: &Project) {
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &config.replace("environment = \"local\"", "environment = \"production\""),
    );
}

fn run_job(project: &Project, job: &str, flags: &[&str]) -> Outcome {
    let mut arguments = vec!["run", job, "--param", "database=source"];
    arguments.extend(flags);
    project.run(arguments)
}

/// Applied migrations, by the history.
fn applied(server: &PostgresServer) -> String {
    server.psql(
        "source",
        "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL",
    )
}

#[test]
fn a_deployment_to_production_is_one_command() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    in_production(&project);
    let refused = project.run(migrate(["deploy"])).expect_code(4);
    for expected in ["orchestrator run deploy", "--after-backup"] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    // Before there is any backup: a dry run makes none, and looks at none.
    let dry = ["--dry-run", "--output", "json"];
    let dry = run_job(&project, "deploy", &dry).expect_code(0).json();
    let steps = dry["steps"].as_array().expect("steps");
    let verify = steps.iter().find(|step| step["plugin"] == "verify");
    assert!(
        text(&verify.expect("a step")["result"]["skipped"]).contains("makes no backup"),
        "{dry}"
    );
    assert_eq!(applied_or_none(&server), "none");
    let looked = run_job(&project, "pre-migrate", &["--output", "json"]).expect_code(0);
    let looked = looked.json();
    assert_eq!(looked["pending"].as_array().map(Vec::len), Some(4));
    let backup = text(&looked["backup"]);
    assert!(backup.contains("pre-migrate"), "{backup}");
    let plan = text(&looked["rollback_plan"]);
    assert_eq!(
        plan,
        format!(
            "orchestrator restore source/{backup} --storage main --to source --swap --confirm source"
        )
    );
    assert_eq!(applied_or_none(&server), "none");

    let deployed = run_job(&project, "deploy", &["--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(applied(&server), "4");
    assert_eq!(text(&deployed["environment"]), "production");
    let result = &deployed["steps"][3]["result"];
    assert_eq!(
        result["verified"].as_array().map(Vec::len),
        Some(4),
        "{result}"
    );
    assert!(
        result["afterwards"]["waiting_for_locks"].is_u64(),
        "{result}"
    );

    let log = project.read("DEPLOYMENT_LOG.md");
    for expected in [
        "**Change:** The first schema: users, doctors, queues",
        "**Migration:** 20251217083615_init_schema, 20251217095346_add_user_phone",
        "**Downtime:** ",
        "**Rollback Plan:** ALTER TABLE \"User\" DROP COLUMN \"password\"; Drop the four indexes",
        "Drop the six tables and the two enums; or: orchestrator restore source/",
        "- Pre-migrate: source",
        "**Status:** ✅ Deployed successfully to production",
        "Returns 4",
    ] {
        assert!(log.contains(expected), "{expected}\n{log}");
    }
    let nothing = run_job(&project, "pre-migrate", &["--output", "json"]).expect_code(0);
    assert_eq!(nothing.json()["pending"].as_array().map(Vec::len), Some(0));
}

fn applied_or_none(server: &PostgresServer) -> String {
    let there = "SELECT to_regclass('_prisma_migrations') IS NOT NULL";
    match server.psql("source", there).as_str() {
        "t" => applied(server),
        _ => "none".to_owned(),
    }
}

/// A deployment that has changed something and then fails.
fn fail_after_a_change(project: &Project) {
    project.write(
        "migrations/20260101000000_good/migration.sql",
        "CREATE TABLE good (a int);\nDELETE FROM \"User\";\n",
    );
    project.write(
        &format!("migrations/{BROKEN}/migration.sql"),
        "SELECT 1 / 0;\n",
    );
}

#[test]
fn a_failed_deployment_prints_the_way_back_and_it_leads_back() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.run(migrate(["deploy"])).expect_code(0);
    server.psql(
        "source",
        "INSERT INTO \"User\" (name, email, role) VALUES ('Alice Johnson', 'alice@example.com', 'PATIENT')",
    );
    in_production(&project);
    let users = || server.psql("source", "SELECT count(*) FROM \"User\"");
    fail_after_a_change(&project);

    let failed = run_job(&project, "deploy", &[]).expect_code(1);
    assert!(failed.stderr.contains("P3018"), "{}", failed.stderr);
    assert_eq!((users(), applied(&server)), ("0".into(), "5".into()));
    let command = failed
        .stderr
        .split("go back: orchestrator ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_else(|| panic!("{}", failed.stderr))
        .trim()
        .to_owned();
    project.run(command.split(' ')).expect_code(0);
    assert_eq!((users(), applied(&server)), ("1".into(), "4".into()));

    // The same by itself, which needs to be agreed to before anything is done.
    let refused = run_job(&project, "deploy", &["--auto-restore"]).expect_code(4);
    assert!(
        refused.stderr.contains("--confirm source"),
        "{}",
        refused.stderr
    );
    assert_eq!(applied(&server), "4");
    let flags = ["--auto-restore", "--confirm", "source", "--output", "json"];
    let failed = run_job(&project, "deploy", &flags).expect_code(1).json();
    assert_eq!((users(), applied(&server)), ("1".into(), "4".into()));
    let warnings = failed["warnings"].to_string();
    assert!(warnings.contains("restored from the backup"), "{warnings}");
    assert_eq!(text(&failed["steps"][4]["plugin"]), "restore");

    // Where nothing was changed, nothing is restored.
    project.write(
        "migrations/20260101000000_good/migration.sql",
        "SELECT 1 / 0;\n",
    );
    let failed = run_job(&project, "deploy", &flags).expect_code(1).json();
    assert_eq!(failed["steps"].as_array().map(Vec::len), Some(4));
}

/// What stands in the way is told before anything is done.
#[test]
fn a_preflight_says_what_stands_in_the_way() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project
        .run(migrate(["deploy", "--to", "20251217083615_init_schema"]))
        .expect_code(0);
    let mut holder = server
        .tool("psql")
        .args(["-d", "source", "-c"])
        .arg("BEGIN; SELECT count(*) FROM \"User\"; SELECT pg_sleep(60)")
        .env("PGAPPNAME", "holder")
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("psql starts");
    end_to_end::wait_for("the holder", || {
        let holding = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND xact_start < now() - interval '1100 ms'";
        server.psql("postgres", holding) == "1"
    });
    let flags = ["--param", "long_transaction=1", "--output", "json"];
    let looked = run_job(&project, "pre-migrate", &flags)
        .expect_code(3)
        .json();
    let warnings = looked["warnings"].to_string();
    for expected in ["long transactions", "blockers", "holder", "User"] {
        assert!(warnings.contains(expected), "{expected}: {warnings}");
    }
    holder.kill().expect("it runs");
    holder.wait().expect("it ends");
    project.write(
        &format!("migrations/{BROKEN}/migration.sql"),
        "SELECT 1 / 0;\n",
    );
    project.run(migrate(["deploy"])).expect_code(1);
    let failed = run_job(&project, "pre-migrate", &["--output", "json"]).expect_code(1);
    assert!(failed.stderr.contains("P3009"), "{}", failed.stderr);
    let checks = failed.json()["facts"]["preflight"].to_string();
    assert!(checks.contains("server version"), "{checks}");
}

/// A database says what it is, whoever comes with whatever belief.
#[test]
fn a_marked_database_is_not_reset_by_a_wrong_url() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    let mark = |arguments: &[&str]| {
        let mut all = vec!["mark"];
        all.extend(arguments);
        all.extend(["--database", "source"]);
        project.run(all)
    };
    project.run(migrate(["deploy"])).expect_code(0);
    server.psql("source", "CREATE SCHEMA other CREATE TABLE t (a int)");
    server.psql("source", "INSERT INTO \"Doctor\" (name, specialty, \"roomNo\") VALUES ('Dr. Smith', 'Cardiology', 'A101')");
    mark(&["production"]).expect_code(0);
    let refused = project.run(migrate(["reset", "--yes"])).expect_code(4);
    assert!(refused.stderr.contains("production"), "{}", refused.stderr);
    project.run(migrate(["deploy"])).expect_code(4);
    mark(&["local"]).expect_code(4);
    let doctors = || server.psql("source", "SELECT count(*) FROM \"Doctor\"");
    assert_eq!(doctors(), "1");

    // A copy on another server is not that database.
    // Servers of one release are copies of one here, and say that they are the same.
    let elsewhere = PostgresServer::start(Version::V18);
    let copy = elsewhere_of(&project, &elsewhere);
    elsewhere.create_database("source");
    let archive = copy.path().join("copy");
    server.pg_dump_to("source", &archive, &["-Fd"]);
    elsewhere.pg_restore(&archive, "source", &[]);
    let looked = run_job(&copy, "pre-migrate", &[]).expect_code(3);
    assert!(
        looked.stdout.contains("production, of another server"),
        "{}",
        looked.stdout
    );
    copy.run(migrate(["reset", "--yes"])).expect_code(0);

    mark(&["local", "--confirm", "source"]).expect_code(0);
    project.run(migrate(["reset"])).expect_code(2);
    let dry = project
        .run(migrate(["reset", "--dry-run", "--output", "json"]))
        .expect_code(0)
        .json();
    assert_eq!(
        dry["steps"][0]["result"]["would_drop_schemas"].to_string(),
        "[\"other\",\"public\"]"
    );
    assert_eq!(doctors(), "1");
    let before = server.psql(
        "source",
        "SELECT nspname, nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'public'",
    );
    project.run(migrate(["reset", "--yes"])).expect_code(0);
    assert_eq!((doctors(), applied(&server)), ("0".into(), "4".into()));
    assert_eq!(
        server.psql(
            "source",
            "SELECT nspname, nspowner::regrole, nspacl FROM pg_namespace WHERE nspname = 'public'"
        ),
        before
    );
    assert_eq!(
        server.psql("source", "SELECT to_regnamespace('other') IS NULL"),
        "t"
    );
}

fn elsewhere_of(project: &Project, server: &PostgresServer) -> Project {
    let other = crate::project(server);
    crate::migrating::write_example(&other, "migrations");
    assert_ne!(other.path(), project.path());
    other
}

/// Production is migrated after a backup that is named, if it is of this database and whole.
#[test]
fn a_named_backup_is_verified_before_a_migration() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    in_production(&project);
    server.create_database("target");
    let back_up = |database: &str| {
        let outcome = project
            .run([
                "backup",
                "create",
                "--database",
                database,
                "--output",
                "json",
            ])
            .expect_code(0);
        text(&outcome.json()["backup"])
    };
    let (ours, others) = (back_up("source"), back_up("target"));
    let part = project
        .run([
            "backup",
            "create",
            "-d",
            "source",
            "--schema-only",
            "--output",
            "json",
        ])
        .expect_code(0);
    let part = text(&part.json()["backup"]);
    let refused = project
        .run(migrate(["deploy", "--after-backup", &part]))
        .expect_code(1);
    assert!(
        refused.stderr.contains("holds a part of source alone"),
        "{}",
        refused.stderr
    );
    let of_another = format!("target/{others}");
    project
        .run(migrate(["deploy", "--after-backup", &of_another]))
        .expect_code(4);
    project
        .run(migrate(["deploy", "--after-backup", "nothing-like-it"]))
        .expect_code(1);
    assert_eq!(applied_or_none(&server), "none");
    project
        .run(migrate(["deploy", "--after-backup", &ours]))
        .expect_code(0);
    assert_eq!(applied(&server), "4");
}

/// A database that was made by other means gets a history, and goes on from there.
#[test]
fn a_baseline_declares_what_is_there() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.run(migrate(["baseline"])).expect_code(1);
    project.run(migrate(["deploy"])).expect_code(0);
    server.psql(
        "source",
        "DROP TABLE _prisma_migrations; ALTER TABLE \"User\" DROP COLUMN password",
    );
    let refused = project.run(migrate(["deploy"])).expect_code(1);
    assert!(refused.stderr.contains("P3005"), "{}", refused.stderr);
    let to = ["baseline", "--to", "20251223120000_add_indexes"];
    project.run(migrate(to)).expect_code(0);
    let rows = "SELECT count(*) FROM _prisma_migrations WHERE started_at = finished_at AND applied_steps_count = 0 AND logs = ''";
    assert_eq!(server.psql("source", rows), "3");
    project.run(migrate(["deploy"])).expect_code(0);
    assert_eq!(applied(&server), "4");
}

#[test]
fn a_down_script_takes_a_migration_back() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    let made = project
        .run(migrate([
            "new",
            "Add Review Model",
            "--with-down",
            "--output",
            "json",
        ]))
        .expect_code(0)
        .json();
    let name = text(&made["name"]);
    assert!(name.ends_with("_add_review_model"), "{name}");
    let write = |file: &str, sql: &str| project.write(&format!("migrations/{name}/{file}"), sql);
    write(
        "migration.sql",
        "CREATE TABLE \"Review\" (id serial PRIMARY KEY);\n",
    );
    write("down.sql", "DROP TABLE \"Review\";\nSELECT 1 / 0;\n");
    project.run(migrate(["deploy"])).expect_code(0);
    let is_there = || server.psql("source", "SELECT to_regclass('\"Review\"') IS NOT NULL");
    let failed = project.run(migrate(["down"])).expect_code(1);
    assert!(
        failed.stderr.contains("down.sql, line 2"),
        "{}",
        failed.stderr
    );
    assert_eq!((is_there(), applied(&server)), ("t".into(), "5".into()));
    write("down.sql", "DROP TABLE \"Review\";\n");
    project.run(migrate(["down", "--dry-run"])).expect_code(0);
    assert_eq!(is_there(), "t");
    project.run(migrate(["down"])).expect_code(0);
    assert_eq!((is_there(), applied(&server)), ("f".into(), "4".into()));
    project.run(migrate(["status"])).expect_code(6);
    // The one before it has none.
    let refused = project.run(migrate(["down"])).expect_code(1);
    assert!(refused.stderr.contains("no down.sql"), "{}", refused.stderr);
    project.run(migrate(["deploy"])).expect_code(0);
    assert_eq!(applied(&server), "5");
}

#[test]
fn an_edited_migration_is_refused_with_what_was_edited() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.run(migrate(["deploy"])).expect_code(0);
    let file = "migrations/20251217095346_add_user_phone/migration.sql";
    let before = project.read(file);
    project.write(file, &format!("-- looked at again\n{before}"));
    let refused = project.run(migrate(["deploy"])).expect_code(1);
    for expected in ["comments and space alone", "--allow-comment-edits"] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    project
        .run(migrate(["deploy", "--allow-comment-edits"]))
        .expect_code(3);
    project.write(file, &before.replace("TEXT", "VARCHAR(20)"));
    let refused = project
        .run(migrate(["deploy", "--allow-comment-edits"]))
        .expect_code(1);
    let line = before
        .lines()
        .position(|line| line.contains("TEXT"))
        .expect("a line")
        + 1;
    let expected = format!("from line {line} of what was applied, line {line} of the file");
    assert!(refused.stderr.contains(&expected), "{}", refused.stderr);
    let name = "20251217095346_add_user_phone";
    project
        .run(migrate(["deploy", "--allow-edited", name]))
        .expect_code(3);
    let status = project.run(migrate(["status"])).expect_code(0);
    assert!(status.stdout.contains("edited since"), "{}", status.stdout);
}

/// A query of a migration that says no ends the deployment as failed, with everything applied.
#[test]
fn a_verification_that_says_no_fails_the_deployment() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.write(
        "migrations/20260101000000_doctors/migration.sql",
        "-- verify: SELECT count(*) = 4 FROM \"Doctor\"\n-- verify: SELECT nothing\n\
         INSERT INTO \"Doctor\" (name, specialty, \"roomNo\") VALUES ('Dr. Smith', 'Cardiology', 'A101');\n",
    );
    let failed = run_job(&project, "deploy", &["--output", "json"]).expect_code(1);
    assert!(
        failed.stderr.contains("SELECT count(*) = 4"),
        "{}",
        failed.stderr
    );
    let verification = failed.json()["facts"]["verification"].to_string();
    assert!(
        verification.contains("column \\\"nothing\\\" does not exist"),
        "{verification}"
    );
    assert_eq!(applied(&server), "5");
    let log = project.read("DEPLOYMENT_LOG.md");
    assert!(log.contains("❌"), "{log}");
    assert!(log.contains("orchestrator restore source/"), "{log}");
}

/// Both at once: the second waits for the first, and finds nothing left to do.
#[test]
fn two_deploy_jobs_at_once_apply_everything_once() {
    let server = PostgresServer::start(Version::V15);
    let project = example(&server);
    project.write(
        "migrations/20260101000000_slow/migration.sql",
        "SELECT pg_sleep(2);\n",
    );
    let arguments = [
        "run",
        "deploy",
        "--param",
        "database=source",
        "--param",
        "lock_wait=60",
    ];
    let both = [start(&project, &arguments), start(&project, &arguments)];
    for child in both {
        let output = child.wait_with_output().expect("it ends");
        // 3: the preflight of one may see the other's lock.
        assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    }
    let rows = "SELECT count(*), count(DISTINCT migration_name) FROM _prisma_migrations";
    assert_eq!(server.psql("source", rows), "5|5");
}
