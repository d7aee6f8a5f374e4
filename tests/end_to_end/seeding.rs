//! `orchestrator seed`: the example's rows, once and again, and what is not meant for an environment.

use end_to_end::{PostgresServer, Project, Version, repository};
use serde_json::Value;

use crate::migrating::{example, migrate};
use crate::text;

/// The example's migrations applied, and its seeds beside them.
fn migrated(server: &PostgresServer) -> Project {
    let project = example(server);
    let seeds = repository().join("seeds/qconnect.toml");
    let seeds = std::fs::read_to_string(seeds).expect("the example's seeds");
    project.write("seeds/qconnect.toml", &seeds);
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
        "User: 5 unchanged · Doctor: 4 unchanged · Queue: 4 unchanged · Appointment: 4 unchanged · File: 3 unchanged"
    );
    assert_eq!(server.psql("source", WRITTEN), written);

    server.psql(
        "source",
        "UPDATE \"User\" SET name = 'Somebody' WHERE email = 'alice@example.com'",
    );
    let looked = project
        .run(["seed", "--database", "source", "--dry-run"])
        .expect_code(0);
    for expected in [
        "    ~ Alice Johnson (alice@example.com): name \"Somebody\" → \"Alice Johnson\"\n",
        "    · Bob Smith (bob@example.com)\n",
        "  qconnect: Appointment\n    · 1: alice@example.com, PENDING\n",
        "User: 1 updated, 4 unchanged",
    ] {
        assert!(
            looked.stdout.contains(expected),
            "{expected}\n{}",
            looked.stdout
        );
    }
    let third = seed(&project, &[]).expect_code(0).json();
    let summary = text(&third["steps"][0]["result"]["summary"]);
    assert!(
        summary.starts_with("User: 1 updated, 4 unchanged · Doctor: 4 unchanged"),
        "{summary}"
    );
    let job = project
        .run(["run", "seed", "--param", "database=source"])
        .expect_code(0);
    assert!(job.stdout.contains("User: 5 unchanged"), "{}", job.stdout);

    // The same rows, written by psql.
    server.create_example("example");
    for table in ["User", "Doctor", "Queue", "Appointment", "File"] {
        // But for the moment at which each was written.
        let rows = format!(
            "SELECT string_agg((to_jsonb(t) - 'createdAt' - 'uploadedAt')::text, E'\\n' ORDER BY id) FROM \"{table}\" t"
        );
        assert_eq!(server.psql("source", &rows), server.psql("example", &rows));
        let next = format!("SELECT nextval(pg_get_serial_sequence('\"{table}\"', 'id'))");
        assert_eq!(server.psql("source", &next), server.psql("example", &next));
    }
}

#[test]
fn a_dry_run_shows_what_would_be_written() {
    let server = PostgresServer::start(Version::V15);
    let project = migrated(&server);
    let looked = seed(&project, &["--dry-run"]).expect_code(0).json();
    let would = &looked["steps"][0]["result"]["sets"][0]["tables"][0];
    assert_eq!(would["table"], "User", "{looked}");
    assert_eq!(would["inserted"], 5, "{looked}");
    assert_eq!(server.psql("source", ROWS), "0|0|0|0|0");
    assert_eq!(would["rows"][0]["row"], "Alice Johnson (alice@example.com)");
    assert_eq!(would["rows"][0]["change"], "inserted");
}

/// A project with these tables, and no migrations.
fn with_tables(server: &PostgresServer, sql: &str) -> Project {
    server.create_database("source");
    server.psql("source", sql);
    crate::project(server)
}

fn summary(outcome: end_to_end::Outcome) -> String {
    let document = outcome.expect_code(0).json();
    text(&document["steps"][0]["result"]["summary"])
}

/// In each release: what rows can say, and a second run that writes nothing.
#[test]
fn declared_rows_say_what_tables_can_hold() {
    for version in [Version::V13, Version::V15, Version::V18] {
        let server = PostgresServer::start(version);
        let project = with_tables(
            &server,
            "CREATE SCHEMA hr; CREATE TYPE hr.size AS (width int, height int);
             CREATE TABLE hr.team (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text UNIQUE NOT NULL, lead int, office hr.size);
             CREATE TABLE hr.person (id bigserial PRIMARY KEY, nick varchar(8) UNIQUE, team int NOT NULL REFERENCES hr.team, boss_id bigint REFERENCES hr.person,
                 notes jsonb, plain json, tags text[], pay numeric(10,2) DEFAULT 7, born date, seen timestamptz, photo bytea, ratio float8,
                 twice int GENERATED ALWAYS AS (2) STORED);
             ALTER TABLE hr.team ADD FOREIGN KEY (lead) REFERENCES hr.person;
             CREATE TABLE visit (team int, nick varchar(8), day date, PRIMARY KEY (team, nick, day), UNIQUE (team, nick));
             CREATE TABLE parted (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
             CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
             CREATE TABLE \"odd \"\"name.x\" (\"a \"\"b\" int PRIMARY KEY, \"it's\" text, at int);",
        );
        project.write(
            "seeds/people.yaml",
            r#"
tables:
- table: hr.person
  key: [nick]
  rows:
  - {nick: ann, team: {name: core}, boss: {nick: bob}, notes: {likes: [tea, 1.5]}, plain: {b: 1, a: null}, tags: [x, "y,z"], pay: "12.50", born: 1990-01-02,
     seen: "2026-01-01T00:00:00+02", photo: '\x00ff', ratio: 0.1}
  - {nick: bob, team: {name: core}, boss: null, notes: null}
  - {nick: cyd, team: {name: edge}, boss_id: {nick: ann}, pay: 1}
- table: hr.team
  key: [name]
  rows:
  - {name: core, lead: {nick: ann}, office: {width: 3, height: 4}}
  - {name: edge}
- table: parted
  rows: [{id: 1, v: "a"}, {id: 2, v: ""}]
- table: odd "name.x
  rows: [{'a "b': 1, "it's": "o'neil \ 5", at: 3}]
- table: hr.team
  key: [id]
  rows: [{id: 40, name: late}]
"#,
        );
        let first = summary(seed(&project, &[]));
        assert_eq!(
            first,
            "parted: 2 inserted · odd \"name.x: 1 inserted · hr.team: 3 inserted · hr.person: 3 inserted"
        );
        let people = server.psql(
            "source",
            "SELECT string_agg(concat_ws('/', p.nick, t.name, b.nick, p.notes->'likes', p.plain, p.tags[2], p.pay, p.born, extract(epoch from p.seen)::int, p.photo, p.ratio, p.twice), ' ' ORDER BY p.nick)
             FROM hr.person p JOIN hr.team t ON t.id = p.team LEFT JOIN hr.person b ON b.id = p.boss_id",
        );
        assert_eq!(
            people,
            "ann/core/bob/[\"tea\", 1.5]/{\"a\": null, \"b\": 1}/y,z/12.50/1990-01-02/1767218400/\\x00ff/0.1/2 bob/core/7.00/2 cyd/edge/ann/1.00/2"
        );
        let teams = "SELECT string_agg(concat_ws('/', t.name, p.nick, (t.office).height), ' ' ORDER BY t.name) FROM hr.team t LEFT JOIN hr.person p ON p.id = t.lead";
        assert_eq!(server.psql("source", teams), "core/ann/4 edge late");
        // The sequence is beyond the id that was given.
        assert_eq!(
            server.psql(
                "source",
                "INSERT INTO hr.team (name) VALUES ('next') RETURNING id"
            ),
            "41"
        );
        let written = "SELECT string_agg(xmin::text, ',' ORDER BY id) FROM hr.person";
        let before = server.psql("source", written);
        let second = summary(seed(&project, &[]));
        assert_eq!(
            second,
            "parted: 2 unchanged · odd \"name.x: 1 unchanged · hr.team: 3 unchanged · hr.person: 3 unchanged"
        );
        assert_eq!(server.psql("source", written), before);
        // What a circle left for later is compared too.
        server.psql(
            "source",
            "UPDATE hr.team SET lead = NULL; DELETE FROM parted WHERE id = 2",
        );
        let third = summary(seed(&project, &[]));
        assert!(
            third.starts_with("parted: 1 inserted, 1 unchanged")
                && third.ends_with("hr.team: 1 updated, 2 unchanged · hr.person: 3 unchanged"),
            "{third}"
        );
        assert_eq!(server.psql("source", teams), "core/ann/4 edge late next");
    }
}

#[test]
fn what_a_seed_cannot_place_is_named() {
    let server = PostgresServer::start(Version::V15);
    let project = with_tables(
        &server,
        "CREATE TYPE mood AS ENUM ('ok', 'bad');
         CREATE TABLE \"Parent\" (id serial PRIMARY KEY, name text NOT NULL, code int UNIQUE CHECK (code < 100));
         CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES \"Parent\", mood mood, name text);
         INSERT INTO \"Parent\" (name, code) VALUES ('twin', 1), ('twin', 2), ('one', 3);
         CREATE VIEW seen AS SELECT 1 AS id;",
    );
    let count = "SELECT (SELECT count(*) FROM \"Parent\"), (SELECT count(*) FROM child)";
    for (table, key, rows, expected) in [
        (
            "parent",
            "[\"name\"]",
            "{ name = 'x' }",
            "there is no table \"parent\"",
        ),
        ("seen", "[\"id\"]", "{ id = 1 }", "public.seen is no table"),
        (
            "Parent",
            "[\"nmae\"]",
            "{ nmae = 'x' }",
            "row 1 of Parent (x): Parent has no column \"nmae\"",
        ),
        (
            "Parent",
            "[\"code\"]",
            "{ name = 'x' }",
            "\"code\" is not given or NULL",
        ),
        (
            "Parent",
            "[\"name\"]",
            "{ name = 'a' }, { name = 'b', code = 200 }",
            "row 2 of Parent (b): new row for relation \"Parent\" violates check constraint",
        ),
        (
            "Parent",
            "[\"code\"]",
            "{ code = 7, name = 'a' }, { code = 8 }",
            "row 2 of Parent (8): null value in column \"name\"",
        ),
        (
            "Parent",
            "[\"code\"]",
            "{ code = 5, name = 'a' }, { code = 6, name = 'b' }, { code = 5, name = 'c' }",
            "row 3 of Parent (c (5)): row 1 has the same key",
        ),
        (
            "Parent",
            "[\"name\"]",
            "{ name = 'twin' }",
            "row 1 of Parent (twin): more than one row that is there has this key",
        ),
        (
            "child",
            "[\"id\"]",
            "{ id = 1, parent = { name = 'one' }, mood = 'ok' }, { id = 2, parent = { name = 'one' }, mood = 'sad' }",
            "row 2 of child (2): column \"mood\": invalid input value for enum mood: \"sad\"",
        ),
        (
            "child",
            "[\"id\"]",
            "{ id = 1, parent = { name = 'nobody' } }",
            "row 1 of child (1): there is no Parent with name = nobody",
        ),
        (
            "child",
            "[\"id\"]",
            "{ id = 1, parent = { name = 'twin' } }",
            "row 1 of child (1): 2 rows of Parent have name = twin",
        ),
        (
            "child",
            "[\"id\"]",
            "{ id = 1, parent = 'one' }",
            "\"parent\" is a reference to Parent",
        ),
        (
            "child",
            "[\"name\"]",
            "{ name = 'x', parent_id = 99, id = 1 }",
            "violates foreign key constraint",
        ),
    ] {
        project.write(
            "seeds/a.toml",
            &format!("[[tables]]\ntable = \"{table}\"\nkey = {key}\nrows = [{rows}]\n"),
        );
        let failed = seed(&project, &["a"]).expect_code(1);
        assert!(
            failed.stderr.contains(expected) && failed.stderr.contains("writing the set a"),
            "{expected}\n{}",
            failed.stderr
        );
        assert_eq!(server.psql("source", count), "3|0");
    }
    project.write(
        "seeds/a.toml",
        "[[tables]]\ntable = \"child\"\nrows = [{ name = 'x', parent = { name = 'one' } }]\n",
    );
    let failed = seed(&project, &["a"]).expect_code(1);
    assert!(
        failed.stderr.contains("no whole unique key") && failed.stderr.contains("key = ["),
        "{}",
        failed.stderr
    );
    for (file, text, expected) in [
        (
            "b.toml",
            "[[tables]]\ntable = ",
            "b.toml: TOML parse error at line 2",
        ),
        (
            "b.json",
            "{\"tables\": [{]}",
            "b.json: key must be a string at line 1",
        ),
        ("b.yaml", "tables: [", "b.yaml: "),
    ] {
        project.write(&format!("seeds/{file}"), text);
        let failed = seed(&project, &["b"]).expect_code(1);
        assert!(failed.stderr.contains(expected), "{}", failed.stderr);
        std::fs::remove_file(project.path().join("seeds").join(file)).expect("removed");
    }
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
        failed.stderr.contains("writing the set b: line 2"),
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
