//! What a component does to the machine that it runs on.

use std::collections::BTreeSet;

use super::components::{self, wat};
use super::{HARMLESS, LIMITS, Stage, WARNED, build, check_tries, failed, refused};

#[test]
fn time_and_memory_are_bounded() {
    let mut plugins = build(&["endless-loop", "memory-growth", "deep-recursion"]);
    plugins.extend([
        wat("endless-start", components::ENDLESS_START),
        wat("deep-calls", components::DEEP_CALLS),
        wat("many-memories", components::MANY_MEMORIES),
        wat("more-memories-than-there-are", &components::memories(20)),
        wat("large-memory", components::LARGE_MEMORY),
        wat("table-growth", components::TABLE_GROWTH),
    ]);
    let mut stage = Stage::new(&plugins, "");
    for (job, end) in [
        ("endless-loop", failed("deadline")),
        ("endless-start", failed("deadline")),
        ("memory-growth", failed("more than its 64 MiB of memory")),
        ("many-memories", failed("more than its 64 MiB of memory")),
        (
            "more-memories-than-there-are",
            failed("memory count too high"),
        ),
        ("large-memory", failed("more than its 64 MiB of memory")),
        ("table-growth", failed("more than its 64 MiB of memory")),
        // Rust keeps frames in the memory of the component, and they come to its end first.
        (
            "deep-recursion",
            failed("the plugin deep-recursion trapped: wasm trap: out of bounds memory access"),
        ),
        (
            "deep-calls",
            failed("the plugin deep-calls trapped: wasm trap: call stack exhausted"),
        ),
    ] {
        stage.attack(job, &end);
    }
    stage.check_log();
}

#[test]
fn what_this_program_keeps_for_a_plugin_is_bounded() {
    let plugins = build(&[
        "handle-flood",
        "hoarded-bytes",
        "log-flood",
        "warning-flood",
        "large-result",
    ]);
    let mut stage = Stage::new(&plugins, "");
    stage.attack("handle-flood", &failed("too many handles"));
    stage.attack("hoarded-bytes", &failed("handed over more than its 64 MiB"));
    let large = stage.attack(
        "large-result",
        &failed("the plugin's result has 2097154 bytes; 1048576 are allowed"),
    );
    assert!(large.report.len() < 10_000, "{} bytes", large.report.len());
    let flood = stage.attack("log-flood", &WARNED);
    assert!(
        flood.stderr.len() < 400_000,
        "{} bytes of log",
        flood.stderr.len()
    );
    assert_eq!(
        flood.document["warnings"][0],
        "the plugin's log was cut: it reached its limit (`log_kib`)"
    );
    let flood = stage.attack("warning-flood", &WARNED);
    let warnings = flood.document["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 1_001, "and that there were more");
    let facts = flood.document["facts"].as_object().expect("facts");
    assert_eq!(facts.len(), 1_000);
    assert_eq!(facts["f0"], "the plugin's facts reached their limit");
    stage.check_log();
}

#[test]
fn what_is_told_can_be_read_again() {
    let plugins = build(&["nested-values"]);
    let mut stage = Stage::new(&plugins, "");
    let end = failed("the plugin's result is nested more than 64 levels deep");
    let attack = stage.attack("nested-values", &end);
    let facts = &attack.document["facts"];
    let refused = "the fact deeper is nested more than 64 levels deep";
    assert_eq!(facts["told"], serde_json::json!(vec![refused; 4]));
    assert!(facts["deeper"].is_null() && facts["deep"].is_array());
    // As the journal has it, and as the table does.
    stage.check_log();
    let shown = stage
        .project
        .run(["log", "show", &crate::text(&attack.document["run_id"])]);
    let shown = shown.expect_code(0);
    assert!(!shown.stderr.contains("cannot be read"), "{}", shown.stderr);
}

#[test]
fn a_string_of_1_gb_is_not_taken() {
    let plugins = [
        wat("long-line", &components::long_string(components::TO_LOG)),
        wat("long-bytes", &components::long_string(components::TO_BYTES)),
        wat(
            "long-parameter",
            &components::long_string(components::TO_PARAMETER),
        ),
        wat(
            "long-result",
            &components::long_string(components::TO_RESULT),
        ),
    ];
    let limits = LIMITS.replace("64MiB\"\ndeadline", "2GiB\"\ndeadline");
    let granted = "databases.owned.access = \"write\"";
    let mut stage = Stage::with_limits(&plugins, granted, &limits);
    for plugin in &plugins {
        stage.attack(
            &plugin.name,
            &failed("passed more than 8 MiB to this program in one call"),
        );
    }
    stage.check_log();
}

#[test]
fn nothing_but_the_contract_is_imported() {
    let plugins = [
        components::importing("wasi-import", "wasi:cli/environment@0.2.0"),
        components::importing("unknown-interface", "orchestrator:plugin/secrets@0.1.0"),
        components::importing("later-contract", "orchestrator:plugin/run@0.9.0"),
    ];
    let mut stage = Stage::new(&plugins, "");
    stage.attack(
        "wasi-import",
        &refused("the component imports wasi:cli/environment@0.2.0, which is not of the contract"),
    );
    for (job, error) in [
        ("unknown-interface", "does not fit the contract"),
        ("later-contract", "contract 0.9.0"),
    ] {
        let end = super::End {
            code: 2,
            ..failed(error)
        };
        stage.attack(job, &end);
    }
    stage.check_log();
}

#[test]
fn nothing_beyond_the_grant_is_reached() {
    let plugins = build(&["more-than-granted", "other-bindings", "half-backup"]);
    let granted = "databases.source.access = \"read\"\nstorage.main.rights = [\"read\", \"write\"]";
    let mut stage = Stage::new(&plugins, granted);
    let greedy = stage.attack(
        "more-than-granted",
        &refused("database source: the plugin asks for admin, the configuration grants read"),
    );
    assert!(
        greedy.stderr.contains("storage main: the plugin asks for read, write, delete, the configuration grants read, write"),
        "{}",
        greedy.stderr
    );
    let guessing = stage.attack("other-bindings", &failed("the plugin other-bindings: "));
    check_tries(
        &guessing,
        &[
            ("another database", "granted"),
            ("a database that is not there", "granted"),
            ("a URL", "granted"),
            ("nothing", "granted"),
            ("the maintenance database", "needs the access `admin`"),
            ("a scratch database", "needs the access `admin`"),
            ("a storage", "granted"),
            ("a folder by its path", "granted"),
            ("a folder above", "granted"),
            ("the provider", "granted"),
        ],
    );
    // Whether a name stands for anything is not told.
    let answers: BTreeSet<String> = ["another database", "a database that is not there"]
        .iter()
        .map(|name| crate::text(&guessing.document["facts"]["tries"][*name]))
        .map(|answer| answer.replace("secret", "records"))
        .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    stage.attack("half-backup", &failed("trapped"));
    stage.check_log();
}

#[test]
fn a_plugin_cannot_borrow_a_name() {
    let mut borrowed = wat("backup", components::HARMLESS);
    borrowed.name = "my-seed".to_owned();
    let mut stage = Stage::new(&[borrowed, wat("harmless", components::HARMLESS)], "");
    stage.attack(
        "my-seed",
        &refused("the plugin my-seed calls itself backup in its manifest"),
    );
    stage.attack("harmless", &HARMLESS);
    stage.check_log();
}
