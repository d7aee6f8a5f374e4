//! What a plugin does to a database by statements that it was granted.

use std::time::Duration;

use end_to_end::PostgresServer;

use super::{Attack, HARMLESS, Stage, WARNED, build, check_tries, failed};
use crate::text;

const READ: &str = "databases.source.access = \"read\"";
const WRITE: &str = "databases.owned.access = \"write\"";

#[test]
fn read_is_no_more_than_read() {
    let plugins = build(&["read-only-escape", "read-write-mode"]);
    // As a superuser: the server alone would keep it from nothing.
    let mut stage = Stage::new(&plugins, READ);
    let escape = stage.attack(
        "read-only-escape",
        &failed("cannot execute CREATE TABLE in a read-only transaction"),
    );
    check_tries(
        &escape,
        &[
            ("a table", "read-only transaction"),
            ("outside a transaction", "read-only transactions alone"),
            ("a script after a COMMIT", "allows no scripts"),
            ("a script in strings", "allows no scripts"),
            ("two statements", "cannot insert multiple commands"),
            ("a COPY behind a string", "only COPY ... TO STDOUT"),
            ("a COPY with two ends", "cannot insert multiple commands"),
            ("a program", "only COPY ... TO STDOUT"),
            ("a sequence", "current transaction is aborted"),
        ],
    );
    stage.attack("read-write-mode", &failed("read-write mode"));
    stage.check_log();
}

#[test]
fn the_transactions_of_the_host_are_the_hosts() {
    let plugins = build(&[
        "hidden-commit",
        "forged-transaction",
        "open-transaction",
        "trap-in-transaction",
        "prepared-transaction",
    ]);
    let mut stage = Stage::new(&plugins, WRITE);
    let hidden = stage.attack(
        "hidden-commit",
        &failed("the plugin hidden-commit: a plugin cannot run COMMIT itself"),
    );
    check_tries(
        &hidden,
        &[
            ("COMMIT", "a plugin cannot run COMMIT itself"),
            ("END", "a plugin cannot run END itself"),
            ("ROLLBACK", "a plugin cannot run ROLLBACK itself"),
            ("behind a savepoint", "cannot insert multiple commands"),
            ("several statements", "cannot insert multiple commands"),
            ("DO", "invalid transaction termination"),
            ("CALL", "invalid transaction termination"),
            (
                "EXECUTE in DO",
                "EXECUTE of transaction commands is not implemented",
            ),
            (
                "PREPARE TRANSACTION",
                "a plugin cannot run PREPARE TRANSACTION itself",
            ),
            ("a script", "a plugin cannot run COMMIT itself"),
            (
                "an atomic script",
                "a statement of an atomic script ended its transaction",
            ),
        ],
    );
    stage.attack(
        "forged-transaction",
        &failed("a statement of an atomic script ended its transaction"),
    );
    stage.attack("open-transaction", &HARMLESS);
    stage.attack("trap-in-transaction", &failed("trapped"));
    let prepared = stage.attack(
        "prepared-transaction",
        &failed("a plugin cannot run PREPARE TRANSACTION itself"),
    );
    check_tries(
        &prepared,
        &[
            (
                "a statement",
                "a plugin cannot run PREPARE TRANSACTION itself",
            ),
            ("a script", "a plugin cannot run PREPARE TRANSACTION itself"),
        ],
    );
    stage.check_log();
}

#[test]
fn statements_end_with_the_step() {
    let plugins = build(&["endless-statement", "uncancelled-statement", "cut-copy"]);
    let mut stage = Stage::new(&plugins, WRITE);
    stage.attack("endless-statement", &failed("deadline"));
    stage.attack("uncancelled-statement", &failed("deadline"));
    // None of the rows of the half COPY is in it.
    stage.server.psql(
        "source",
        "CREATE TABLE public.cut (line text); GRANT ALL ON public.cut TO owner",
    );
    stage.before = stage.contents();
    stage.attack("cut-copy", &HARMLESS);
    assert_eq!(
        stage
            .server
            .psql("source", "SELECT count(*) FROM public.cut"),
        "0"
    );
    stage.check_log();
}

#[test]
fn a_session_leaves_nothing_to_others() {
    let plugins = build(&["listener", "held-locks", "left-settings"]);
    let mut stage = Stage::new(&plugins, WRITE);
    let config = stage.project.read("orchestrator.toml");
    let step = "{ plugin = \"left-settings\", database = \"owned\" }";
    let twice = config.replace(step, &format!("{step}, {step}"));
    stage.project.write("orchestrator.toml", &twice);
    // What superusers alone may set is part of it.
    stage.server.psql(
        "source",
        "GRANT SET ON PARAMETER session_replication_role TO owner",
    );
    stage.attack("listener", &HARMLESS);
    stage.attack("held-locks", &HARMLESS);
    let settings = stage.attack("left-settings", &HARMLESS);
    for step in 0..2 {
        assert_eq!(
            settings.document["steps"][step]["result"]["settings"],
            "\"$user\", public, origin, off",
            "step {step}"
        );
    }
    stage.check_log();
}

#[test]
fn the_disk_of_the_server_is_not_filled() {
    let plugins = build(&["temporary-tables"]);
    let mut stage = Stage::with_limits(
        &plugins,
        WRITE,
        "deadline = \"60s\"\ngrace = \"1s\"\ndatabase_growth = \"64MiB\"\n",
    );
    let filled = stage.attack(
        "temporary-tables",
        &failed("the database owned grew by more than 64 MiB while the step ran"),
    );
    assert_eq!(text(&filled.document["error"]["kind"]), "limit-exceeded");
    assert!(
        took(&filled) < Duration::from_secs(30),
        "{}",
        filled.document
    );
    assert!(size(&stage.server) < 64 << 20, "the files are gone");
    stage.check_log();
}

#[test]
fn what_the_server_sends_is_bounded() {
    let plugins = build(&["long-row", "warnings-of-the-server"]);
    let limits = super::LIMITS.replace("deadline = \"2s\"", "deadline = \"20s\"");
    let mut stage = Stage::with_limits(&plugins, WRITE, &limits);
    stage.attack(
        "long-row",
        &failed("the server began a message of 190 MiB, and at most 64 are taken at once"),
    );
    let warned = stage.attack("warnings-of-the-server", &HARMLESS);
    assert!(
        warned.stderr.len() < 200_000,
        "{} bytes",
        warned.stderr.len()
    );
    assert!(!warned.stderr.contains('\u{1b}'), "{}", warned.stderr);
    assert!(
        !warned.stderr.contains("\nerror: forged"),
        "{}",
        warned.stderr
    );
    stage.check_log();
}

#[test]
fn who_writes_as_a_superuser_is_told_of() {
    let plugins = build(&["held-locks"]);
    let mut stage = Stage::new(&plugins, "databases.source.access = \"write\"");
    let warned = stage.attack("held-locks", &WARNED);
    let warning = text(&warned.document["warnings"][0]);
    assert!(
        warning.starts_with("the plugin held-locks has the access `write` to the database source as postgres, a superuser"),
        "{warning}"
    );
    stage.check_log();
}

fn took(attack: &Attack) -> Duration {
    let moment = |name: &str| {
        let time: jiff::Timestamp = text(&attack.document[name]).parse().expect("a time");
        time.as_millisecond()
    };
    Duration::from_millis((moment("finished") - moment("started")).unsigned_abs())
}

fn size(server: &PostgresServer) -> u64 {
    let size = server.psql("source", "SELECT pg_database_size('source')");
    size.parse().expect("a size")
}
