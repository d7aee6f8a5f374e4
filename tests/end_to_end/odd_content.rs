//! Databases with content that is easily damaged on the way: other encodings, an odd name, fields of hundreds of megabytes.
//! Odd names and values of every type are part of the corpus: `tests/corpus/odd-*.sql`.

use std::path::Path;
use std::process::Stdio;

use end_to_end::{PostgresServer, Project, Version};

use crate::round_trips::{assert_comes_back, corpus, load};
use crate::{back_up, project};

/// As stock pg_dump writes it, in whatever encoding, without what differs from run to run.
fn dump(server: &PostgresServer, database: &str) -> Vec<u8> {
    let output = server.tool("pg_dump").args(["--dbname", database]).output();
    let output = output.expect("pg_dump runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = output.stdout.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.starts_with(b"\\restrict ") && !line.starts_with(b"\\unrestrict "))
        .flatten()
        .copied()
        .collect()
}

fn create(server: &PostgresServer, name: &str, encoding: &str) {
    server.psql(
        "postgres",
        &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C'"),
    );
}

fn encodings(version: Version) {
    let server = PostgresServer::start(version);
    let project = project(&server);
    // Every byte above ASCII that the encoding knows, in names, texts, comments and defaults.
    let every_byte = "DO $$ DECLARE s text := ''; BEGIN FOR i IN 160..255 LOOP s := s || convert_from(set_byte('\\x00', 0, i), 'LATIN1'); \
         END LOOP; INSERT INTO texts VALUES (1, s), (2, E'\\\\N\\t\\n'); EXECUTE format('COMMENT ON TABLE texts IS %L', s); END $$";
    let any_byte =
        "INSERT INTO texts VALUES (1, E'\\xff\\xfe\\x80\\\\N'), (2, 'plain'), (3, E'\\xe4\\xc3')";
    let cases = [
        ("LATIN1", "größe", every_byte.to_owned()),
        (
            "EUC_JP",
            "名前",
            "INSERT INTO texts VALUES (1, '日本語テキスト'), (2, 'ｶﾅ')".to_owned(),
        ),
        ("SQL_ASCII", "größe", any_byte.to_owned()),
    ];
    for (encoding, name, rows) in cases {
        create(&server, "source", encoding);
        let client = match encoding {
            "SQL_ASCII" => "SQL_ASCII",
            _ => "UTF8",
        };
        let sql = format!(
            "CREATE TABLE texts (id int, t text);
             CREATE TABLE \"{name}\" (\"{name}\" text DEFAULT '{name}'); INSERT INTO \"{name}\" DEFAULT VALUES; {rows}"
        );
        let filled = server
            .tool("psql")
            .args(["-XAtq", "-vON_ERROR_STOP=1", "-d", "source", "-c", &sql])
            .env("PGCLIENTENCODING", client)
            .output()
            .expect("psql runs");
        assert!(filled.status.success(), "{encoding}: {filled:?}");
        let before = dump(&server, "source");
        assert!(!before.is_ascii(), "{encoding}");
        let archive = back_up(&project);
        project
            .run(["restore", "source/latest", "--to", "target", "--create"])
            .expect_code(0);
        assert_eq!(server.psql("target", "SHOW server_encoding"), encoding);
        assert!(
            before == dump(&server, "target"),
            "{encoding}, by this program"
        );
        create(&server, "stock", encoding);
        server.pg_restore(&archive, "stock", &[]);
        assert!(
            before == dump(&server, "stock"),
            "{encoding}, by pg_restore"
        );
        for database in ["source", "target", "stock"] {
            server.psql("postgres", &format!("DROP DATABASE {database}"));
        }
    }
}

#[test]
fn databases_in_other_encodings_on_15() {
    encodings(Version::V15);
}

#[test]
fn databases_in_other_encodings_on_18() {
    encodings(Version::V18);
}

#[test]
fn a_database_with_an_odd_name() {
    let server = PostgresServer::start(Version::V15);
    let odd = "odd \"db\" ü.%2F/../'x'\\";
    let from = |name: &str| {
        server.url(name).replace(
            "/source",
            "/odd%20%22db%22%20%C3%BC.%252F%2F..%2F%27x%27%5C",
        )
    };
    let project = project(&server);
    let config = project
        .read("orchestrator.toml")
        .replace(&server.url("source"), &from("source"));
    project.write("orchestrator.toml", &config);
    server.create_database(odd);
    let sql = "CREATE TABLE t AS SELECT 1 AS id";
    let filled = server
        .tool("psql")
        .args(["-XAtq", "-c", sql])
        .env("PGDATABASE", odd)
        .status();
    assert!(filled.expect("psql runs").success());
    let archive = back_up(&project);
    let storage = project.path().join("backups");
    assert!(archive.starts_with(&storage), "{}", archive.display());
    assert!(!archive.components().any(|part| part.as_os_str() == ".."));
    project.run(["backup", "verify"]).expect_code(0);
    project
        .run(["restore", "latest", "--to", "target", "--create"])
        .expect_code(0);
    assert_eq!(server.psql("target", "SELECT id FROM t"), "1");
    // Back under its own name too.
    server.psql(
        "postgres",
        &format!("DROP DATABASE \"{}\"", odd.replace('"', "\"\"")),
    );
    project
        .run(["restore", "latest", "--to", "source", "--create"])
        .expect_code(0);
    let listed = server.psql(
        "postgres",
        "SELECT count(*) FROM pg_database WHERE datname LIKE 'odd %'",
    );
    assert_eq!(listed, "1");
}

/// Backs up and restores with the measure of memory beside it: the most that was resident, in KiB.
fn measured(project: &Project, arguments: &[&str]) -> u64 {
    let mut child = project
        .command(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    // What the kernel says last before the end; the peak is minutes of COPY before it.
    while child.try_wait().expect("the program runs").is_none() {
        let text = std::fs::read_to_string(Path::new(&status)).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse::<u64>().ok());
        most = most.max(peak.unwrap_or_default());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(
        child.wait().expect("the program ends").success(),
        "{arguments:?}"
    );
    most
}

const MEMORY_KIB: u64 = 150 * 1024;

#[test]
fn a_field_of_500_mb_needs_no_memory() {
    let server = PostgresServer::start_with(Version::V15, &[("max_wal_size", "4GB")]);
    let project = project(&server);
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE big (id int, text text, bytes bytea); ALTER TABLE big ALTER text SET STORAGE EXTERNAL, ALTER bytes SET STORAGE EXTERNAL;
         INSERT INTO big VALUES (1, repeat(md5('x'), 500 * 1024 * 1024 / 32), 'small'), (2, 'small', decode(repeat('00ff', 100 * 1024 * 1024), 'hex'))",
    );
    let create = ["backup", "create", "--database", "source", "--jobs", "2"];
    let backup = measured(&project, &create);
    let restore = measured(
        &project,
        &["restore", "source/latest", "--to", "target", "--create"],
    );
    let content =
        "SELECT id, length(text), md5(text), length(bytes), md5(bytes) FROM big ORDER BY id";
    assert_eq!(
        server.psql("source", content),
        server.psql("target", content)
    );
    println!("at most {backup} KiB for the backup, {restore} KiB for the restore");
    assert!(backup < MEMORY_KIB, "{backup} KiB for the backup");
    assert!(restore < MEMORY_KIB, "{restore} KiB for the restore");
}

/// COPY writes a row into one buffer of a gigabyte, and bytea takes twice its length there: pg_dump fails too.
/// What describes a backup may be longer than what one call between a plugin and its host carries: 8 MiB, and 1 MiB in a piece.
#[test]
fn a_long_table_of_contents_and_a_long_manifest_come_back() {
    let server = PostgresServer::start_with(Version::V18, &[("max_locks_per_transaction", "256")]);
    let project = project(&server);
    server.create_database("source");
    let each = |count: usize, statement: &str| {
        let sql = format!(
            "DO $do$ BEGIN FOR i IN 1..{count} LOOP EXECUTE format({statement}, i); END LOOP; END $do$"
        );
        server.psql("source", &sql);
    };
    each(
        200,
        "'CREATE FUNCTION f%s() RETURNS text LANGUAGE sql AS $f$SELECT $x$' || repeat('x', 64000) || '$x$$f$'",
    );
    each(
        2600,
        "'CREATE TABLE a_table_whose_name_is_rather_long_%s (id int)'",
    );
    let archive = back_up(&project);
    let bytes = |file: &str| archive.join(file).metadata().expect(file).len();
    assert!(bytes("toc.dat") > 12 * 1024 * 1024);
    assert!(bytes("manifest.json") > 1024 * 1024);
    project.run(["backup", "verify"]).expect_code(0);
    assert_comes_back(&server, &project, "200 long functions and 2,600 tables");
}

#[test]
fn a_row_that_copy_cannot_write_is_named() {
    let server = PostgresServer::start_with(Version::V15, &[("max_wal_size", "4GB")]);
    let project = project(&server);
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE too_big (bytes bytea); ALTER TABLE too_big ALTER bytes SET STORAGE EXTERNAL;
         INSERT INTO too_big VALUES (convert_to(repeat(md5('x'), 540 * 1024 * 1024 / 32), 'UTF8'))",
    );
    let stock = server
        .tool("pg_dump")
        .args(["--dbname=source"])
        .output()
        .expect("pg_dump runs");
    assert!(!stock.status.success());
    let create = ["backup", "create", "--database", "source"];
    let outcome = project.run(create).expect_code(1);
    for expected in ["public.too_big", "1 GB", "large object"] {
        assert!(
            outcome.stderr.contains(expected),
            "{expected} in {}",
            outcome.stderr
        );
    }
    assert!(crate::files(&project.path().join("backups")).is_empty());
    let without = ["--exclude-table-data", "too_big"];
    project.run(create.iter().chain(&without)).expect_code(0);
}

/// The corpus is compared as a whole elsewhere; here, that what is odd in it is really there.
#[test]
fn odd_names_and_values_are_in_the_corpus() {
    let server = PostgresServer::start(Version::V15);
    let files = corpus(Version::V15);
    let file = |name: &str| {
        let found = files.iter().find(|file| file.ends_with(name));
        found.unwrap_or_else(|| panic!("{name} in the corpus"))
    };
    load(&server, "names", file("odd-names.sql"));
    let places = "SELECT (SELECT count(*) FROM pg_class WHERE relname IN (SELECT name FROM odd_names)),
        (SELECT count(*) FROM pg_namespace WHERE nspname IN (SELECT name FROM odd_names)),
        (SELECT count(*) FROM pg_proc WHERE proname IN (SELECT name FROM odd_names) AND pronamespace >= 16384),
        (SELECT count(*) FROM pg_type WHERE typtype IN ('d', 'e', 'r') AND typname IN (SELECT name FROM odd_names)),
        (SELECT count(*) FROM pg_trigger WHERE tgname IN (SELECT name FROM odd_names)),
        (SELECT count(*) FROM pg_policy WHERE polname IN (SELECT name FROM odd_names)),
        (SELECT count(*) FROM pg_enum WHERE enumlabel IN (SELECT name FROM odd_names))";
    let names: u32 = 28;
    let counts = server.psql("names", places);
    let counts: Vec<u32> = counts
        .split('|')
        .map(|count| count.parse().expect("a number"))
        .collect();
    // Tables in two schemas of their own and the name's, sequences, views, indexes, partitions, identities, composites.
    assert!(counts[0] >= 8 * names, "{counts:?}");
    assert_eq!(counts[1], names, "{counts:?}");
    assert!(
        counts[2] >= 2 * names && counts[3] >= 3 * names,
        "{counts:?}"
    );
    assert_eq!(counts[4..], [names, names, 2 * names], "{counts:?}");
    load(&server, "values", file("odd-values.sql"));
    let odd = "SELECT (SELECT count(*) FROM texts WHERE t IN ('\\N', '\\.')), (SELECT count(*) FROM no_columns), (SELECT count(*) FROM lost_columns),
        (SELECT array_lower(i, 1) FROM arrays WHERE id = 2), (SELECT count(*) FROM times WHERE d < '0001-01-01' AND isfinite(d))";
    assert_eq!(server.psql("values", odd), "2|5|2|-5|1");
}
