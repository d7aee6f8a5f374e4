//! Backup, drop, restore: what comes back equals what was there, by PostgreSQL's own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use end_to_end::{PostgresServer, Project, Version, repository};

use crate::{back_up, back_up_with, project};

/// Backs up `source`, restores it with this program and with stock pg_restore, and compares stock dumps of all three.
pub fn assert_comes_back(server: &PostgresServer, project: &Project, what: &str) {
    assert_comes_back_with(server, project, what, &[]);
}

fn assert_comes_back_with(
    server: &PostgresServer,
    project: &Project,
    what: &str,
    restore_options: &[&str],
) {
    assert_comes_back_as(server, project, what, restore_options, &[]);
}

/// Several connections that load one table put its rows in another order; with `--jobs 1` it is the same.
fn assert_comes_back_as(
    server: &PostgresServer,
    project: &Project,
    what: &str,
    options: &[&str],
    backup_options: &[&str],
) {
    let before = server.pg_dump("source");
    let archive = back_up_with(project, backup_options);
    let rename = "ALTER DATABASE source RENAME TO gone";
    server.psql("postgres", rename);
    let mut restore = vec!["restore", "latest", "--to", "target", "--create"];
    restore.extend(options);
    project.run(restore).expect_code(0);
    let after = server.pg_dump("target");
    let what_by_us = format!("{what}, restored by this program");
    if options.is_empty() {
        assert_same(&rows_sorted(&before), &rows_sorted(&after), &what_by_us);
    } else {
        assert_same(&before, &after, &what_by_us);
    }
    server.psql("postgres", "CREATE DATABASE stock TEMPLATE template0");
    // As pg_restore --create does it: the archive brings its own public schema.
    let newest = server.version().major() == Version::NEWEST.major();
    let script = newest.then(|| {
        project
            .run(["backup", "show", "--sql"])
            .expect_code(0)
            .stdout
    });
    if backup_options
        .iter()
        .any(|option| option.starts_with("zstd"))
    {
        decompress_by_zstd(&archive);
    }
    if let Some(script) = script {
        assert_same_script(&server.script(&archive), &script, what);
    }
    server.pg_restore(&archive, "stock", &["-j4"]);
    assert_same(
        &before,
        &server.pg_dump("stock"),
        &format!("{what}, restored by pg_restore"),
    );
    for database in ["gone", "target", "stock"] {
        server.drop_database(database);
    }
    fs::remove_dir_all(project.path().join("backups")).expect("the backups");
}

/// `backup show --sql` prints what pg_restore of 18 does.
fn assert_same_script(stock: &str, ours: &str, what: &str) {
    // The key of \restrict is random.
    let lines = |script: &str| {
        let lines = script.lines().map(|line| match line.split_once(' ') {
            Some((command @ ("\\restrict" | "\\unrestrict"), _)) => command,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let what = format!("{what}, the script by pg_restore and by this program");
    assert_same(&lines(stock), &lines(ours), &what);
}

/// The same archive without compression, for a pg_restore that was built without zstd.
fn decompress_by_zstd(archive: &Path) {
    for file in crate::files(archive) {
        if file.extension().is_some_and(|extension| extension == "zst") {
            let done = Command::new("zstd")
                .args(["--decompress", "--quiet", "--rm"])
                .arg(&file)
                .output()
                .expect("zstd runs");
            assert!(done.status.success(), "{}: {done:?}", file.display());
        }
    }
    let path = archive.join("toc.dat");
    let bytes = fs::read(&path).expect("toc.dat");
    let mut toc = archive::Toc::read(&bytes).expect("a table of contents");
    assert_eq!(toc.header.version.to_string(), "1.15");
    toc.header.compression = archive::Compression::None;
    fs::write(&path, toc.write()).expect("toc.dat");
}

/// A dump whose blocks of rows are sorted.
pub fn rows_sorted(dump: &str) -> String {
    let mut lines: Vec<&str> = dump.lines().collect();
    let mut start = None;
    for at in 0..lines.len() {
        match start {
            None if lines[at].starts_with("COPY ") => start = Some(at + 1),
            Some(first) if lines[at] == "\\." => {
                lines[first..at].sort_unstable();
                start = None;
            }
            _ => {}
        }
    }
    lines.join("\n")
}

/// Panics with the first line that differs.
pub fn assert_same(before: &str, after: &str, what: &str) {
    if before == after {
        return;
    }
    let difference = before
        .lines()
        .zip(after.lines())
        .enumerate()
        .find(|(_, (before, after))| before != after)
        .map_or_else(
            || "one is longer".to_owned(),
            |(line, (before, after))| {
                format!("line {}:\n  before: {before}\n  after:  {after}", line + 1)
            },
        );
    panic!("{what}: {difference}");
}

fn example(version: Version) {
    let server = PostgresServer::start(version);
    let project = project(&server);
    server.create_example("source");
    assert_comes_back(&server, &project, "the example application");
}

#[test]
fn the_example_application_on_15() {
    example(Version::V15);
}

#[test]
fn the_example_application_on_18() {
    example(Version::V18);
}

fn pgbench(version: Version) {
    let server = PostgresServer::start_with(
        version,
        &[("max_wal_size", "4GB"), ("shared_buffers", "256MB")],
    );
    let project = project(&server);
    server.create_database("source");
    let filled = server
        .tool("pgbench")
        .args(["-i", "-q", "-s", "50", "--foreign-keys", "source"])
        .output()
        .expect("pgbench runs");
    assert!(
        filled.status.success(),
        "{}",
        String::from_utf8_lossy(&filled.stderr)
    );
    // Byte for byte; that several connections bring the same rows is `every_compression_comes_back`.
    assert_comes_back_with(&server, &project, "pgbench at scale 50", &["--jobs", "1"]);
}

#[test]
fn one_connection_keeps_the_order_of_rows() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 1000000) i",
    );
    assert_comes_back_with(&server, &project, "a big table", &["--jobs", "1"]);
}

#[test]
fn every_compression_comes_back() {
    let server = PostgresServer::start(Version::V18);
    let project = project(&server);
    server.create_example("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) AS text FROM generate_series(1, 1000000) i;
         SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex'))",
    );
    server.psql("postgres", "ALTER DATABASE source RENAME TO kept");
    for compress in ["none", "gzip:1", "gzip:9", "zstd", "zstd:-3", "zstd:9"] {
        server.psql("postgres", "CREATE DATABASE source TEMPLATE kept");
        assert_comes_back_as(&server, &project, compress, &[], &["--compress", compress]);
    }
}

/// What a planner goes by: the figures of columns, and how many rows there are.
fn planner_statistics(server: &PostgresServer, database: &str) -> (String, String) {
    let columns = "SELECT s FROM pg_stats s WHERE schemaname = 'public' ORDER BY tablename, attname, inherited";
    let rows = "SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'm', 'i') \
         ORDER BY relname";
    (server.psql(database, columns), server.psql(database, rows))
}

const MEASURED: &str = "CREATE TABLE bought (id int PRIMARY KEY, who text, tags text[]);
     INSERT INTO bought SELECT i, 'it''s ' || i % 50, ARRAY['a' || i % 3] FROM generate_series(1, 5000) i;
     CREATE INDEX ON bought (lower(who)); CREATE MATERIALIZED VIEW counts AS SELECT who, count(*) FROM bought GROUP BY who;
     CREATE TABLE parts (id int) PARTITION BY HASH (id); CREATE TABLE parts_1 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
     INSERT INTO parts SELECT generate_series(1, 300); ANALYZE";

#[test]
fn planner_statistics_come_back_on_18() {
    let server = PostgresServer::start_with(Version::V18, &[("autovacuum", "off")]);
    let project = project(&server);
    server.create_database("source");
    server.psql("source", MEASURED);
    let before = planner_statistics(&server, "source");
    let archive = back_up_with(&project, &["--statistics"]);
    let restore = ["restore", "latest", "--to", "target", "--create"];
    project.run(restore).expect_code(0);
    assert_eq!(planner_statistics(&server, "target"), before);
    server.psql("postgres", "CREATE DATABASE stock TEMPLATE template0");
    server.pg_restore(&archive, "stock", &["-j4"]);
    assert_eq!(planner_statistics(&server, "stock"), before);
    // They are asked for, as with pg_dump.
    back_up(&project);
    server.drop_database("target");
    project.run(restore).expect_code(0);
    assert_eq!(planner_statistics(&server, "target").0, "");
}

#[test]
fn planner_statistics_are_left_out_before_18() {
    let server = PostgresServer::start_with(Version::V15, &[("autovacuum", "off")]);
    let project = project(&server);
    server.create_database("source");
    server.psql("source", MEASURED);
    back_up_with(&project, &["--statistics"]);
    // Done, with a warning that says so.
    let restored = project
        .run(["restore", "latest", "--to", "target", "--create"])
        .expect_code(3);
    assert!(
        restored.stdout.contains("planner statistics are left out"),
        "{}",
        restored.stdout
    );
    assert_eq!(planner_statistics(&server, "target").0, "");
    assert_eq!(server.psql("target", "SELECT count(*) FROM bought"), "5000");
    let both = ["backup", "create", "--schema-only", "--statistics"];
    let refused = project.run(both).expect_code(2);
    assert!(
        refused.stderr.contains("cannot be used with"),
        "{}",
        refused.stderr
    );
}

#[test]
fn pgbench_at_scale_50_on_15() {
    pgbench(Version::V15);
}

#[test]
fn pgbench_at_scale_50_on_18() {
    pgbench(Version::V18);
}

/// Makes a database of one file of the corpus.
pub fn load(server: &PostgresServer, database: &str, file: &Path) {
    server.create_database(database);
    let loaded = server
        .tool("psql")
        .args(["-XAtq", "-vON_ERROR_STOP=1", "-d", database, "-f"])
        .arg(file)
        .output()
        .expect("psql runs");
    assert!(
        loaded.status.success(),
        "{}: {}",
        file.display(),
        String::from_utf8_lossy(&loaded.stderr)
    );
}

/// The corpus: one file a class of objects. `name.18.sql` needs 18 or later.
pub fn corpus(version: Version) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(repository().join("tests/corpus"))
        .expect("the corpus")
        .map(|entry| entry.expect("an entry of the corpus").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .filter(|path| {
            let stem = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            let needed = stem
                .rsplit_once('.')
                .and_then(|(_, version)| version.parse::<u32>().ok());
            needed.is_none_or(|needed| needed <= version.major())
        })
        .collect();
    files.sort();
    files
}

/// By the newest pg_dump and pg_restore, whatever the server is.
fn every_class(version: Version) {
    let server = PostgresServer::start_with_labels(version).with_newest_tools();
    let project = project(&server);
    let files = corpus(version);
    assert!(files.len() > 20, "the corpus has {} files", files.len());
    let icu = "SELECT count(*) FROM pg_collation WHERE collname = 'de-x-icu'";
    assert_eq!(server.psql("postgres", icu), "1", "the server knows ICU");
    for file in files {
        load(&server, "source", &file);
        assert_comes_back(
            &server,
            &project,
            &file.file_name().unwrap_or_default().to_string_lossy(),
        );
    }
}

#[test]
fn every_class_on_13() {
    every_class(Version::V13);
}

#[test]
fn every_class_on_14() {
    every_class(Version::V14);
}

#[test]
fn every_class_on_15() {
    every_class(Version::V15);
}

#[test]
fn every_class_on_16() {
    every_class(Version::V16);
}

#[test]
fn every_class_on_17() {
    every_class(Version::V17);
}

#[test]
fn every_class_on_18() {
    every_class(Version::V18Icu);
}

/// What a backup of an older server becomes in the newest one is what pg_dump and pg_restore of that one make of it.
#[test]
fn every_class_of_13_comes_back_on_18() {
    let old = PostgresServer::start_with_labels(Version::V13).with_newest_tools();
    let new = PostgresServer::start_with_labels(Version::V18Icu);
    let project = project(&old);
    let folder = tempfile::tempdir().expect("a temporary folder");
    for file in corpus(Version::V13) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        load(&old, "source", &file);
        let archive = back_up(&project);
        create_shared(&old, &new);
        project
            .run(["restore", "latest", "--to", &new.url("ours"), "--create"])
            .expect_code(0);
        let stock = folder.path().join(&*name);
        old.pg_dump_to("source", &stock, &["-Fd"]);
        // The stock archive by one connection: its keys and attached indexes can deadlock.
        for (archive, database, jobs) in [(&stock, "stock", "-j1"), (&archive, "crossed", "-j4")] {
            new.psql(
                "postgres",
                &format!("CREATE DATABASE {database} TEMPLATE template0"),
            );
            new.pg_restore(archive, database, &[jobs]);
        }
        let expected = comparable(&new.pg_dump("stock"));
        for (database, by) in [("ours", "this program"), ("crossed", "pg_restore")] {
            let what = format!("{name}, of 13, restored into 18 by {by}");
            assert_same(&expected, &comparable(&new.pg_dump(database)), &what);
        }
        old.drop_database("source");
        for database in ["ours", "stock", "crossed"] {
            new.drop_database(database);
        }
        fs::remove_dir_all(project.path().join("backups")).expect("the backups");
    }
}

/// Without the order of rows, and without two options of subscriptions that 13 does not know: pg_dump of 18 writes them all the
/// same, and such an archive does not go back into 13; this program's does, and a newer server takes its own defaults.
fn comparable(dump: &str) -> String {
    let sorted = rows_sorted(dump);
    let lines = sorted.lines().map(|line| {
        let options = line.find(", streaming = ").unwrap_or(line.len());
        match line.starts_with("CREATE SUBSCRIPTION ") {
            true => &line[..options],
            false => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Roles and tablespaces belong to a server: those of one that another lacks.
fn create_shared(from: &PostgresServer, to: &PostgresServer) {
    let known = to.psql(
        "postgres",
        "SELECT string_agg(quote_literal(rolname), ', ') FROM pg_roles",
    );
    let missing = format!(
        "SELECT string_agg(format('CREATE ROLE %I', rolname), '; ') FROM pg_roles WHERE rolname NOT IN ({known})"
    );
    to.psql("postgres", &from.psql("postgres", &missing));
    let names = "SELECT quote_ident(spcname) FROM pg_tablespace";
    let known = to.psql("postgres", names);
    for name in from.psql("postgres", names).lines() {
        if !known.lines().any(|known| known == name) {
            to.psql("postgres", &format!("CREATE TABLESPACE {name} LOCATION ''"));
        }
    }
}
