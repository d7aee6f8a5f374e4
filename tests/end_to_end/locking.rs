//! Tables that somebody else holds, changes or drops while they are to be backed up, and more of them than a server can lock.

use std::io::Write;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use end_to_end::{PostgresServer, Version, wait_for};

use crate::{files, project, start, statuses};

/// A session that somebody else keeps open.
struct Somebody {
    psql: Child,
}

impl Somebody {
    fn connects(server: &PostgresServer) -> Self {
        let psql = server
            .tool("psql")
            .args(["-XAtq", "-vON_ERROR_STOP=1", "-d", "source"])
            .env("PGAPPNAME", "migration")
            .stdin(Stdio::piped())
            .spawn()
            .expect("psql runs");
        Self { psql }
    }

    fn says(&mut self, sql: &str) {
        let stdin = self.psql.stdin.as_mut().expect("an open pipe");
        writeln!(stdin, "{sql}").expect("psql reads");
    }

    fn leaves(mut self) {
        drop(self.psql.stdin.take());
        assert!(self.psql.wait().expect("psql ends").success());
    }
}

fn wait_until(server: &PostgresServer, question: &str) {
    wait_for(question, || server.psql("source", question) == "t");
}

/// The table is held exclusively, and a backup waits for it.
const HELD: &str = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'accounts'::regclass AND mode = 'AccessExclusiveLock' AND granted";
const WAITING: &str =
    "SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessShareLock' AND NOT granted";

fn fill(server: &PostgresServer) {
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
         CREATE TABLE bookings (account int REFERENCES accounts, amount int);
         CREATE TABLE zebra (id int);
         INSERT INTO accounts SELECT i, 0 FROM generate_series(1, 1000) i;
         INSERT INTO bookings SELECT i, 1 FROM generate_series(1, 1000) i;",
    );
}

#[test]
fn a_lock_that_does_not_come_is_named_with_who_holds_it() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let project = project(&server);
    let mut somebody = Somebody::connects(&server);
    somebody.says("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE;");
    wait_until(&server, HELD);
    let create = |timeout: &str| {
        project.run([
            "backup",
            "create",
            "--database",
            "source",
            "--lock-wait-timeout",
            timeout,
        ])
    };
    let began = Instant::now();
    let outcome = create("500ms").expect_code(1);
    assert!(began.elapsed() < Duration::from_secs(20));
    for expected in [
        "public.accounts is held exclusively",
        "migration",
        "--lock-wait-timeout",
    ] {
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    }
    // Waiting for an exclusive lock keeps others out just as well.
    let mut reader = Somebody::connects(&server);
    somebody.says("COMMIT;");
    reader.says("BEGIN; SELECT count(*) FROM zebra;");
    wait_until(
        &server,
        "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'zebra'::regclass AND mode = 'AccessShareLock'",
    );
    somebody.says("BEGIN; LOCK TABLE zebra IN ACCESS EXCLUSIVE MODE;");
    wait_until(
        &server,
        "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'zebra'::regclass AND NOT granted",
    );
    let outcome = create("500ms").expect_code(1);
    let expected = "public.zebra is wanted exclusively";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    let outcome = create("soon").expect_code(1);
    assert!(
        outcome.stderr.contains("lock_timeout"),
        "{}",
        outcome.stderr
    );
    reader.says("COMMIT;");
    reader.leaves();
    somebody.says("COMMIT;");
    somebody.leaves();
    create("60s").expect_code(0);
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "failed", "failed", "failed"]
    );
}

/// Somebody asks for an exclusive lock on a table that is locked for the backup and not copied yet: waiting behind it would wait for
/// ever, with one reader as with several.
#[test]
fn an_exclusive_lock_that_waits_for_the_backup_ends_it() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, repeat(md5(i::text), 8) AS text FROM generate_series(1, 1000000) i",
    );
    let project = project(&server);
    for jobs in ["1", "2"] {
        let create = ["backup", "create", "--database", "source", "--jobs", jobs];
        let backup = start(&project, &create);
        wait_until(
            &server,
            "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'zebra'::regclass AND mode = 'AccessShareLock' AND granted",
        );
        // The snapshot of the readers comes after the locks: from here on the exclusive lock meets a backup that copies.
        wait_until(
            &server,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY %big%' AND state = 'active'",
        );
        let mut somebody = Somebody::connects(&server);
        somebody.says("BEGIN; LOCK TABLE zebra IN ACCESS EXCLUSIVE MODE; COMMIT;");
        let output = backup.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        for expected in [
            "somebody waits for an exclusive lock on it",
            "copying public.zebra",
        ] {
            assert!(stderr.contains(expected), "{stderr}");
        }
        somebody.leaves();
        assert!(files(&project.path().join("backups")).is_empty());
    }
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
}

/// What a migration does while the backup waits for its lock, each in the transaction that holds it. To a snapshot from before,
/// tables that were emptied, rewritten or replaced look empty: a dump would be wrong and say nothing.
const CHANGES: [(&str, &str); 8] = [
    (
        "emptied and filled again",
        "TRUNCATE accounts CASCADE; INSERT INTO accounts SELECT i, 7 FROM generate_series(1, 10) i;",
    ),
    (
        "rewritten",
        "ALTER TABLE accounts ALTER COLUMN balance TYPE bigint USING balance + 1;",
    ),
    (
        "replaced",
        "CREATE TABLE fresh AS SELECT id, 5 AS balance FROM accounts; DROP TABLE accounts CASCADE; ALTER TABLE fresh RENAME TO accounts;",
    ),
    (
        "exchanged",
        "ALTER TABLE accounts RENAME TO old; CREATE TABLE accounts (id int, name text); INSERT INTO accounts VALUES (1, 'one');",
    ),
    (
        "moved",
        "CREATE SCHEMA archive; ALTER TABLE accounts SET SCHEMA archive;",
    ),
    ("dropped", "DROP TABLE accounts CASCADE;"),
    (
        "given a column",
        "ALTER TABLE accounts ADD COLUMN note text DEFAULT 'none'; UPDATE accounts SET note = 'some' WHERE id < 10;",
    ),
    (
        "deprived of a column, with another renamed",
        "ALTER TABLE accounts DROP COLUMN balance; ALTER TABLE accounts RENAME COLUMN id TO number;",
    ),
];

#[test]
fn what_changes_while_a_lock_is_waited_for_is_never_dumped_wrong() {
    let server = PostgresServer::start(Version::V15);
    let project = project(&server);
    for (what, change) in CHANGES {
        fill(&server);
        let mut somebody = Somebody::connects(&server);
        somebody.says("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE;");
        wait_until(&server, HELD);
        let backup = start(&project, &["backup", "create", "--database", "source"]);
        wait_until(&server, WAITING);
        somebody.says(change);
        somebody.says("COMMIT;");
        somebody.leaves();
        let output = backup.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {stderr}");
        let after = server.pg_dump("source");
        project
            .run(["restore", "source/latest", "--to", "target", "--create"])
            .expect_code(0);
        assert_eq!(after, server.pg_dump("target"), "{what}");
        server.psql("postgres", "DROP DATABASE target");
        server.psql("postgres", "DROP DATABASE source");
    }
}

/// Makes a partitioned table of this many partitions, some at a time, as a server with few locks needs it.
fn partitions(server: &PostgresServer, count: usize) {
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE kinds (id int PRIMARY KEY);
         CREATE TABLE parts (id int, kind int) PARTITION BY LIST (id)",
    );
    for first in (0..count).step_by(100) {
        let sql: String = (first..first + 100)
            .map(|part| {
                format!("CREATE TABLE part_{part} PARTITION OF parts FOR VALUES IN ({part});")
            })
            .collect();
        server.psql("source", &sql);
    }
}

fn set_locks(server: &mut PostgresServer, locks: u32) {
    let set = format!("ALTER SYSTEM SET max_locks_per_transaction = {locks}");
    server.psql("postgres", &set);
    server.restart("fast");
}

#[test]
fn more_tables_than_locks_name_the_setting() {
    let few = [("max_connections", "20")];
    let mut server = PostgresServer::start_with(Version::V15, &few);
    let project = project(&server);
    partitions(&server, 1000);
    set_locks(&mut server, 10);
    let create = ["backup", "create", "--database", "source", "--jobs", "2"];
    let outcome = project.run(create).expect_code(1);
    assert!(
        outcome.stderr.contains("max_locks_per_transaction"),
        "{}",
        outcome.stderr
    );
    assert!(files(&project.path().join("backups")).is_empty());

    set_locks(&mut server, 512);
    let key = "ALTER TABLE parts ADD CONSTRAINT to_kind FOREIGN KEY (kind) REFERENCES kinds";
    server.psql("source", key);
    project.run(create).expect_code(0);
    let before = server.pg_dump("source");
    // The key locks all partitions at once.
    set_locks(&mut server, 10);
    let restore = ["restore", "source/latest", "--to", "target", "--create"];
    let outcome = project.run(restore).expect_code(1);
    assert!(
        outcome.stderr.contains("max_locks_per_transaction"),
        "{}",
        outcome.stderr
    );
    let exists = "SELECT count(*) FROM pg_database WHERE datname = 'target'";
    assert_eq!(server.psql("postgres", exists), "0", "{}", outcome.stderr);

    set_locks(&mut server, 512);
    project.run(restore).expect_code(0);
    assert_eq!(before, server.pg_dump("target"));
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "failed", "succeeded", "failed"]
    );
}
