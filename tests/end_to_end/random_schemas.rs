//! Random schemas come back: their objects depend on each other in loops, were made in any order and changed later.
//!
//! 100 schemas a release are tried, the same ones each time, or as many as `ORCHESTRATOR_TEST_SCHEMAS` says. `ORCHESTRATOR_TEST_SEED` gives
//! others, and `ORCHESTRATOR_TEST_SEED=random` others each time. A failure prints its seed and the script of the smallest schema that fails.

mod alterations;
mod bodies;
mod builtins;
mod choices;
mod database;
mod functions;
mod keys;
mod links;
mod model;
mod names;
mod objects;
mod operators;
mod privileges;
mod queries;
mod rows;
mod sequences;
mod tables;
mod trees;
mod triggers;
mod types;
mod views;

use std::cell::Cell;
use std::collections::HashMap;
use std::fs;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;
use std::time::{SystemTime, UNIX_EPOCH};

use archive::{Entry, Toc};
use end_to_end::{PostgresServer, Project, Version};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::project;
use crate::round_trips::{assert_comes_back, load, rows_sorted};

/// How many schemas are tried.
fn cases() -> u32 {
    std::env::var("ORCHESTRATOR_TEST_SCHEMAS").map_or(100, |count| {
        count
            .parse()
            .expect("ORCHESTRATOR_TEST_SCHEMAS is a number")
    })
}

/// The same ones each time: a change is judged by itself, not by what luck finds beside it.
const USUAL_SEED: u64 = 20_261_123;

fn seed() -> u64 {
    match std::env::var("ORCHESTRATOR_TEST_SEED").as_deref() {
        Err(_) => USUAL_SEED,
        Ok("random") => {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("a time after 1970");
            u64::try_from(now.as_nanos() & 0xffff_ffff).expect("a masked number")
        }
        Ok(seed) => seed
            .parse()
            .expect("ORCHESTRATOR_TEST_SEED is a number or random"),
    }
}

fn runner(seed: u64) -> TestRunner {
    let config = Config {
        cases: cases(),
        // A case takes a second.
        max_shrink_iters: 60,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

fn come_back(version: Version) {
    let server = PostgresServer::start(version).with_newest_tools();
    let project = project(&server);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("random.sql");
    let settled = Cell::new(0);
    let seed = seed();
    let result = runner(seed).run(&model::schema(version.major()), |schema| {
        fs::write(&file, schema.to_string()).expect("a script");
        clear(&server, &project);
        let Err(failure) = attempt(|| round_trip(&server, &project, &file)) else {
            return Ok(());
        };
        // Which of the views in a loop becomes a dummy can hang on the order in which they were made.
        if attempt(|| same_but_for_dummies(&server, folder.path())) == Ok(true) {
            settled.set(settled.get() + 1);
            return Ok(());
        }
        clear(&server, &project);
        // Where stock tools alone bring back another text, the schema is tried as they bring it back.
        match attempt(|| settle(&server, &file, folder.path())) {
            Ok(true) => {
                settled.set(settled.get() + 1);
                let again = attempt(|| assert_comes_back(&server, &project, "the schema, settled"));
                again.map_err(TestCaseError::fail)
            }
            Ok(false) => Err(TestCaseError::fail(format!(
                "{failure}\n(stock tools alone bring it back as it was)"
            ))),
            Err(stock) => Err(TestCaseError::fail(format!(
                "{failure}\n(stock tools alone fail: {stock})"
            ))),
        }
    });
    println!(
        "seed {seed}: {} of {} schemas were settled by stock tools first",
        settled.get(),
        cases()
    );
    match result {
        Ok(()) => assert!(
            settled.get() <= 2 + cases() / 20,
            "stock tools alone change {} schemas of {} (ORCHESTRATOR_TEST_SEED={seed})",
            settled.get(),
            cases()
        ),
        Err(TestError::Fail(failure, schema)) => {
            panic!("ORCHESTRATOR_TEST_SEED={seed}: {failure}\n{schema:?}\n{schema}")
        }
        Err(TestError::Abort(reason)) => panic!("ORCHESTRATOR_TEST_SEED={seed}: {reason}"),
    }
}

fn round_trip(server: &PostgresServer, project: &Project, file: &Path) {
    load(server, "source", file);
    assert_comes_back(server, project, "the schema");
}

/// Whether what was and what came back are the same but for which view of a loop was a dummy first: every object with its definition, whatever
/// their order, and all rows. Of what stock pg_restore brought back too, where it came so far.
fn same_but_for_dummies(server: &PostgresServer, folder: &Path) -> bool {
    let there = "SELECT count(*) FROM pg_database WHERE datname = 'stock'";
    let databases = match server.psql("postgres", there).as_str() {
        "0" => &["gone", "target"][..],
        _ => &["gone", "target", "stock"],
    };
    let contents = databases.iter().map(|database| {
        let archive = folder.join(database);
        if archive.exists() {
            fs::remove_dir_all(&archive).expect("the archive of another schema");
        }
        server.pg_dump_to(database, &archive, &["-Fd", "--schema-only"]);
        let rows = server.pg_dump_with(database, &["--data-only"]);
        (objects(&archive), rows_sorted(&rows))
    });
    let contents: Vec<_> = contents.collect();
    contents.windows(2).all(|two| two[0] == two[1])
}

/// The entries of an archive as text, sorted; a view that is made as a dummy first is as it is in the end.
fn objects(archive: &Path) -> Vec<String> {
    let toc = fs::read(archive.join("toc.dat")).expect("toc.dat");
    let entries = Toc::read(&toc).expect("a table of contents").entries;
    let key = |entry: &Entry, name: &str| (entry.namespace.clone(), name.to_owned());
    let (ends, others): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| {
        let tag = entry.tag.as_deref().unwrap_or_default();
        entry.desc == "RULE" && tag.ends_with(" _RETURN")
    });
    let ends: HashMap<_, _> = ends
        .iter()
        .map(|rule| {
            let tag = rule.tag.as_deref().unwrap_or_default();
            let definition = rule.definition.as_deref().unwrap_or_default();
            let definition = definition.replacen("CREATE OR REPLACE VIEW", "CREATE VIEW", 1);
            (key(rule, tag.trim_end_matches(" _RETURN")), definition)
        })
        .collect();
    let mut objects: Vec<String> = others
        .iter()
        .map(|entry| {
            let tag = entry.tag.as_deref().unwrap_or_default();
            let end = ends.get(&key(entry, tag)).filter(|_| entry.desc == "VIEW");
            let definition = end.or(entry.definition.as_ref());
            let (schema, owner) = (&entry.namespace, &entry.owner);
            format!("{} {schema:?} {tag} {owner:?} {definition:?}", entry.desc)
        })
        .collect();
    objects.sort();
    objects
}

/// Loads the script, and brings it back by stock pg_dump and pg_restore alone: whether the dump is another one then. The source is what came
/// back.
fn settle(server: &PostgresServer, file: &Path, folder: &Path) -> bool {
    load(server, "loaded", file);
    let archive = folder.join("stock");
    if archive.exists() {
        fs::remove_dir_all(&archive).expect("the archive of another schema");
    }
    server.pg_dump_to("loaded", &archive, &["-Fd"]);
    server.psql("postgres", "CREATE DATABASE source TEMPLATE template0");
    // One connection: keys and attached indexes of a stock archive can deadlock.
    server.pg_restore(&archive, "source", &["-j1"]);
    let (before, after) = (server.pg_dump("loaded"), server.pg_dump("source"));
    before != after
}

thread_local! {
    /// A failure of this thread is no end: it is told of later, if at all.
    static IS_ATTEMPT: Cell<bool> = const { Cell::new(false) };
}

/// Attempts print nothing: a report ends where a reader looks first.
fn quiet_attempts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            if !IS_ATTEMPT.get() {
                usual(what);
            }
        }));
    });
}

/// What panics has failed, and says why.
fn attempt<T>(act: impl FnOnce() -> T) -> Result<T, String> {
    quiet_attempts();
    IS_ATTEMPT.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(act));
    IS_ATTEMPT.set(false);
    outcome.map_err(|panic| {
        panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without a text".to_owned())
    })
}

/// Removes what a failed attempt left.
fn clear(server: &PostgresServer, project: &Project) {
    for database in ["source", "gone", "target", "stock", "loaded"] {
        server.psql(
            "postgres",
            &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"),
        );
    }
    let backups = project.path().join("backups");
    if backups.exists() {
        fs::remove_dir_all(backups).expect("the backups");
    }
}

#[test]
fn come_back_on_13() {
    come_back(Version::V13);
}

#[test]
fn come_back_on_18() {
    come_back(Version::V18);
}
