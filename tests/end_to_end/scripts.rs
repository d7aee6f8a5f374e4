//! SQL taken apart by this program is what PostgreSQL and psql take it for.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use end_to_end::{PostgresServer, Version};
use sql::{Kind, ScriptError, Strings, kind, statements};

use crate::round_trips::{assert_same, corpus, load};

/// Runs a script statement by statement; the server gets no two of them at once.
fn run_apart(server: &PostgresServer, database: &str, script: &str) {
    let mut psql = server.tool("psql");
    psql.args(["-Xq", "-vON_ERROR_STOP=1", "-d", database]);
    let mut rows = String::new();
    for statement in statements(script, Strings::Standard).expect("a script") {
        psql.args(["-c", statement.text]);
        if let Some(data) = statement.copy_data {
            rows.push_str(data);
            rows.push_str("\\.\n");
        }
    }
    psql.stdin(Stdio::piped());
    psql.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut psql = psql.spawn().expect("psql runs");
    let mut input = psql.stdin.take().expect("its input");
    // What psql refuses, it says itself.
    let _ = input.write_all(rows.as_bytes());
    drop(input);
    let output = psql.wait_with_output().expect("psql ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// How many there are, by table.
const ROWS: &str = "SELECT c.oid::regclass || ' ' || (xpath('/row/n/text()', \
     query_to_xml(format('SELECT count(*) AS n FROM ONLY %s', c.oid::regclass), false, true, '')))[1] AS rows \
     FROM pg_class c WHERE c.relkind = 'r' AND c.oid >= 16384 AND c.relnamespace <> 'information_schema'::regnamespace ORDER BY 1";

/// The corpus has every kind of quote, body and COPY.
#[test]
fn scripts_taken_apart_do_what_psql_does() {
    let [whole, apart] = [(); 2].map(|()| PostgresServer::start_with_labels(Version::V18Icu));
    let mut compared = 0;
    for file in corpus(Version::V18Icu) {
        let script = fs::read_to_string(&file).expect("UTF-8");
        // Those with commands of psql's own are no SQL.
        if let Err(ScriptError::PsqlCommand { .. }) = statements(&script, Strings::Standard) {
            continue;
        }
        compared += 1;
        load(&whole, "source", &file);
        apart.create_database("source");
        run_apart(&apart, "source", &script);
        let [whole, apart] = [&whole, &apart].map(|server| {
            // Some rows hold the time that they were made at: they are counted.
            let schema = server.pg_dump_with("source", &["--schema-only"]);
            let rows = server.psql("source", ROWS);
            server.drop_database("source");
            format!("{schema}{rows}")
        });
        assert_same(&whole, &apart, &file.display().to_string());
    }
    assert!(compared > 40, "{compared} scripts were compared");
}

/// What the server answers to a statement within a transaction: the SQLSTATE, or nothing.
fn in_transaction(server: &PostgresServer, statement: &str) -> String {
    let output = server
        .tool("psql")
        .args([
            "-Xq",
            "-vON_ERROR_STOP=1",
            "-vVERBOSITY=sqlstate",
            "-d",
            "source",
        ])
        .args(["-c", "BEGIN", "-c", statement, "-c", "ROLLBACK"])
        .output()
        .expect("psql runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    let error = errors.lines().find_map(|line| line.strip_prefix("ERROR:"));
    error.unwrap_or_default().trim().to_owned()
}

fn kinds(version: Version) {
    let server = PostgresServer::start(version);
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE t (a int); CREATE INDEX i ON t (a); CREATE TYPE mood AS ENUM ('good');
         CREATE TABLE parts (a int) PARTITION BY LIST (a); CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
         CREATE MATERIALIZED VIEW v AS SELECT 1 AS a; CREATE UNIQUE INDEX ON v (a)",
    );
    let mut alone = vec![
        "VACUUM (ANALYZE) t",
        "create unique index concurrently other on t (a)",
        "DROP INDEX CONCURRENTLY IF EXISTS i",
        "REINDEX INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX SCHEMA public",
        "REINDEX DATABASE source",
        "REINDEX SYSTEM source",
        "CLUSTER",
        "CREATE DATABASE other",
        "DROP DATABASE IF EXISTS other",
        "CREATE TABLESPACE other LOCATION '/nowhere'",
        "DROP TABLESPACE IF EXISTS other",
        "ALTER SYSTEM SET work_mem = '8MB'",
        "ALTER DATABASE source SET TABLESPACE pg_default",
        "CREATE SUBSCRIPTION s CONNECTION 'dbname=other' PUBLICATION p",
        "DISCARD ALL",
    ];
    // New in 14.
    if version.major() >= 14 {
        alone.push("ALTER TABLE parts DETACH PARTITION part CONCURRENTLY");
    }
    for statement in alone {
        assert!(matches!(kind(statement), Kind::Alone(_)), "{statement}");
        // active_sql_transaction
        assert_eq!(in_transaction(&server, statement), "25001", "{statement}");
    }
    for statement in [
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "REINDEX TABLE t",
        "CLUSTER t USING i",
        "ALTER TABLE parts DETACH PARTITION part",
        "ALTER DATABASE source SET work_mem = '8MB'",
        "ANALYZE",
        "DISCARD PLANS",
        "CREATE INDEX \"concurrently\" ON t (a)",
    ] {
        assert_eq!(kind(statement), Kind::Plain, "{statement}");
        assert_eq!(in_transaction(&server, statement), "", "{statement}");
    }
    let used = "ALTER TYPE mood ADD VALUE 'bad'; SELECT 'bad'::mood";
    assert_eq!(kind(used), Kind::AddsEnumValue);
    // unsafe_new_enum_value_usage
    assert_eq!(in_transaction(&server, used), "55P04");
}

#[test]
fn what_cannot_run_in_a_transaction_on_13() {
    kinds(Version::V13);
}

#[test]
fn what_cannot_run_in_a_transaction_on_18() {
    kinds(Version::V18);
}
