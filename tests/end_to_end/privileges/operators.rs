//! Whose role makes the others: superusers, roles that may create roles, and those that may not.

use std::time::Duration;

use end_to_end::{PASSWORD, Version, repository};

use super::{SCHEMA, Stage, TABLES, sqlstates};
use crate::text;

/// A role that is no superuser, and owns what it grants.
fn an_operator_that_may_create_roles(version: Version) {
    let stage = Stage::new(version);
    stage.server.psql(
        "source",
        &format!("CREATE ROLE operator LOGIN CREATEROLE PASSWORD '{PASSWORD}'; ALTER DATABASE source OWNER TO operator; \
                  ALTER TABLE \"User\" OWNER TO operator; ALTER SCHEMA shop OWNER TO operator; ALTER TABLE shop.\"Item\" OWNER TO operator; \
                  ALTER SEQUENCE elsewhere OWNER TO operator; REVOKE CONNECT ON DATABASE source FROM PUBLIC"),
    );
    stage.connect_as("operator");
    let answers = stage.answers(&[
        "SELECT current_user::text",
        "SELECT * FROM secret",
        "SET ROLE operator",
        "SELECT lo_create(4711)::text",
    ]);
    assert!(
        text(&answers[0][0]).starts_with("orchestrator_run_"),
        "{answers:?}"
    );
    assert_eq!(sqlstates(&answers[1..]), ["42501", "42501", "done"]);
    assert_eq!(stage.roles(), "");
    assert_eq!(
        stage
            .server
            .psql("source", "SELECT count(*) FROM pg_largeobject_metadata"),
        "0"
    );
    let acl = "SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%orchestrator_run%'";
    assert_eq!(stage.server.psql("source", acl), "0");

    // Of what it does not own it can give away nothing: then nothing is given.
    stage.server.psql("source", "ALTER TABLE \"User\" OWNER TO postgres; GRANT ALL ON \"User\" TO operator; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO operator");
    let outcome = stage
        .run(&["SELECT current_user::text"], &[])
        .expect_code(3);
    let document = outcome.json();
    assert_eq!(document["steps"][0]["result"]["role"], "operator");
    let warning = text(&document["warnings"][0]);
    assert!(
        warning.contains("the role operator may not grant SELECT on the table \"public\".\"User\""),
        "{warning}"
    );
    assert_eq!(stage.roles(), "");
}

#[test]
fn an_operator_that_may_create_roles_13() {
    an_operator_that_may_create_roles(Version::V13);
}

#[test]
fn an_operator_that_may_create_roles_18() {
    an_operator_that_may_create_roles(Version::V18);
}

/// The SQL of docs/grants.md, for tables whose owner is another role.
fn the_operator_of_the_documentation(version: Version) {
    let stage = Stage::new(version);
    stage.server.psql(
        "source",
        "CREATE ROLE app_owner; ALTER TABLE \"User\" OWNER TO app_owner; ALTER SCHEMA shop OWNER TO app_owner; \
         ALTER TABLE shop.\"Item\" OWNER TO app_owner; ALTER SEQUENCE elsewhere OWNER TO app_owner",
    );
    let page = repository().join("docs/grants.md");
    let page = std::fs::read_to_string(page).expect("docs/grants.md");
    let sql = page
        .split("```sql\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next());
    let sql = sql.expect("SQL on the page").replace('…', PASSWORD);
    assert!(sql.contains("CREATE ROLE deployer"), "{sql}");
    stage.server.psql("source", &sql);
    stage.connect_as("deployer");
    let answers = stage.answers(&[
        "SELECT current_user::text",
        "INSERT INTO \"User\" (email) VALUES ('x')",
        "SELECT * FROM secret",
        "SET ROLE app_owner",
    ]);
    assert!(
        text(&answers[0][0]).starts_with("orchestrator_run_"),
        "{answers:?}"
    );
    assert_eq!(sqlstates(&answers[1..]), ["done", "42501", "42501"]);
    assert_eq!(stage.roles(), "");
    let acl = "SELECT count(*) FROM pg_class WHERE relacl::text LIKE '%orchestrator_run%'";
    assert_eq!(stage.server.psql("source", acl), "0");
}

#[test]
fn the_operator_of_the_documentation_13() {
    the_operator_of_the_documentation(Version::V13);
}

#[test]
fn the_operator_of_the_documentation_18() {
    the_operator_of_the_documentation(Version::V18);
}

#[test]
fn without_the_right_to_create_roles_the_report_says_that_nothing_but_checks_confine() {
    let stage = Stage::new(Version::V15);
    stage.server.psql(
        "source",
        &format!("CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON ALL TABLES IN SCHEMA public TO plain"),
    );
    stage.connect_as("plain");
    let outcome = stage
        .run(
            &["SELECT current_user::text", "SELECT id::text FROM secret"],
            &[],
        )
        .expect_code(3);
    let document = outcome.json();
    let answers = &document["steps"][0]["result"]["answers"];
    assert_eq!(
        (&answers[0][0], &answers[1][0]),
        (&"plain".into(), &"42".into())
    );
    let warning = "the plugin confined uses the database source as plain, not as a role of its own: the role plain may not create roles (CREATEROLE); \
                   so the server does not keep it to the tables that it was granted, and nothing but the checks of this program does";
    assert_eq!(document["warnings"].as_array().map(Vec::len), Some(1));
    assert_eq!(text(&document["warnings"][0]), warning);
    assert_eq!(document["facts"]["database-roles"][0]["made"], false);
    let checked = stage.project.run(["check"]);
    assert!(
        checked
            .stdout
            .contains("not kept to them by the server: the role plain may not create roles"),
        "{}",
        checked.stdout
    );
    let shown = stage.project.run(["run", "try"]).expect_code(3);
    assert!(shown.stdout.contains(warning), "{}", shown.stdout);
    let log = stage
        .project
        .read(&format!("reports/{}.md", text(&document["run_id"])));
    assert!(log.contains("as plain, not as a role of its own"), "{log}");
}

#[test]
fn each_database_of_a_step_has_a_role_of_its_own_or_says_why_not() {
    let stage = Stage::new(Version::V15);
    stage.server.create_database("target");
    stage.server.psql("target", SCHEMA);
    stage.server.psql(
        "target",
        &format!("CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}'"),
    );
    let config = stage.project.read("orchestrator.toml");
    let tables = format!("source = {{ tables = {TABLES} }}");
    let both = config.replace(
        &tables,
        &format!("{tables}, target = {{ tables = {TABLES} }}"),
    );
    stage.project.write("orchestrator.toml", &both);
    let second = ["--param", "second=target"];
    let document = stage.run(&["SELECT 1"], &second).expect_code(0).json();
    let result = &document["steps"][0]["result"];
    let (one, other) = (text(&result["role"]), text(&result["second"]));
    assert!(
        one.ends_with("_1") && other.ends_with("_2"),
        "{one} {other}"
    );

    let as_plain = stage
        .server
        .url("target")
        .replacen("//postgres:", "//plain:", 1);
    let plain = both.replace(&stage.server.url("target"), &as_plain);
    stage.project.write("orchestrator.toml", &plain);
    let document = stage.run(&["SELECT 1"], &second).expect_code(3).json();
    let result = &document["steps"][0]["result"];
    assert!(
        text(&result["role"]).starts_with("orchestrator_run_"),
        "{result}"
    );
    assert_eq!(result["second"], "plain");
    assert_eq!(document["warnings"].as_array().map(Vec::len), Some(1));
    assert_eq!(stage.roles(), "");
}

#[test]
fn a_server_that_lets_only_known_roles_in_gets_no_other() {
    let stage = Stage::new(Version::V15);
    let hba = stage.server.psql("postgres", "SHOW hba_file");
    std::fs::write(
        &hba,
        "local all all trust\nhost all postgres 127.0.0.1/32 scram-sha-256\n",
    )
    .expect("pg_hba.conf");
    stage.server.psql("postgres", "SELECT pg_reload_conf()");
    std::thread::sleep(Duration::from_secs(1));
    let outcome = stage
        .run(&["SELECT current_user::text"], &[])
        .expect_code(3);
    let document = outcome.json();
    assert_eq!(document["steps"][0]["result"]["role"], "postgres");
    let warning = text(&document["warnings"][0]);
    assert!(
        warning.contains("the server does not let it in") && warning.contains("pg_hba.conf"),
        "{warning}"
    );
    assert_eq!(stage.roles(), "");
}
