//! What a plugin writes where people and programs read it: on the terminal, in reports, in DEPLOYMENT_LOG.md.

use super::{Stage, WARNED, build, failed};
use crate::text;

/// No text may hold any of these: escape sequences by two ways, text turned around, what nobody sees.
const UNSEEN: [char; 7] = [
    '\u{1b}', '\u{9b}', '\u{7}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}',
];

#[track_caller]
fn check_unseen(place: &str, text: &str) {
    for character in UNSEEN {
        assert!(
            !text.contains(character),
            "{place} holds {character:?}: {text}"
        );
    }
}

/// Lines that this program writes, and nobody else.
#[track_caller]
fn check_lines(place: &str, text: &str) {
    for line in text.lines() {
        for forged in [
            "error: forged",
            "report: /forged",
            "## Forged entry",
            "<!-- orchestrator run forged",
            "WARN forged",
        ] {
            assert!(!line.starts_with(forged), "{place}: {text}");
        }
    }
}

#[track_caller]
fn check_markdown(place: &str, text: &str) {
    check_unseen(place, text);
    check_lines(place, text);
    for markup in [
        "<script>",
        "<b>",
        "](https://evil.test",
        "**bold**",
        "<!-- orchestrator run forged",
    ] {
        assert!(
            !outside_code(text).replace("\\]", "").contains(markup),
            "{place} holds {markup}: {text}"
        );
    }
}

/// Markdown without its code: code spans and blocks mark nothing up.
fn outside_code(markdown: &str) -> String {
    let mut text = String::new();
    let mut fence = 0;
    for line in markdown.lines() {
        let ticks = line
            .chars()
            .take_while(|character| *character == '`')
            .count();
        match (fence, ticks) {
            (0, 3..) => fence = ticks,
            (open, closing) if open > 0 && closing >= open => fence = 0,
            (0, _) => {
                text.push_str(&outside_spans(line));
                text.push('\n');
            }
            _ => {}
        }
    }
    text
}

fn outside_spans(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('`') {
        let before = &rest[..at];
        let ticks = rest[at..]
            .chars()
            .take_while(|character| *character == '`')
            .count();
        let behind = &rest[at + ticks..];
        if before.ends_with('\\') {
            text.push_str(&rest[..at + ticks]);
            rest = behind;
            continue;
        }
        text.push_str(before);
        let fence = "`".repeat(ticks);
        rest = behind.find(&fence).map_or("", |end| &behind[end + ticks..]);
    }
    text + rest
}

#[test]
fn nobody_writes_like_somebody_else() {
    let plugins = build(&["forged-lines", "forged-error"]);
    let mut stage = Stage::new(&plugins, "");
    // For programs: the same characters, escaped.
    let attack = stage.attack("forged-lines", &WARNED);
    let warning = text(&attack.document["warnings"][0]);
    check_unseen("a warning", &warning);
    let result = &attack.document["steps"][0]["result"]["text"];
    assert!(
        text(result).contains('\u{9b}'),
        "the document is what the plugin said"
    );
    assert_eq!(
        attack.document["facts"]["refused"],
        serde_json::json!([
            "the plugin forged-lines cannot tell the fact \"restore-command\"",
            "the plugin forged-lines cannot tell the fact \"fire\"",
        ])
    );
    // No part of a record may keep it out of the table.
    assert_eq!(
        attack.document["facts"]["nul"],
        serde_json::json!({ "ab": "c" })
    );
    assert_eq!(
        attack.document["facts"]["restore-command"],
        serde_json::Value::Null
    );
    check_unseen("stderr", &attack.stderr);
    check_lines("stderr", &attack.stderr);
    assert!(
        attack.stderr.contains("forged-lines: "),
        "{}",
        attack.stderr
    );
    check_markdown("the report", &attack.report);
    // For people, in each place where they look.
    let outcome = stage.project.run(["run", "forged-lines"]).expect_code(3);
    let failure = stage.project.run(["run", "forged-error"]).expect_code(1);
    let json = stage
        .project
        .run(["run", "forged-error", "--output", "json"])
        .expect_code(1);
    let run = text(&attack.document["run_id"]);
    let shown = stage.project.run(["log", "show", &run]).expect_code(0);
    let listed = stage.project.run(["log", "list"]).expect_code(0);
    for (place, text) in [
        ("stdout", &outcome.stdout),
        ("stderr", &outcome.stderr),
        ("the error", &failure.stderr),
        ("the error's document", &json.stdout),
        ("log show", &shown.stdout),
        ("log list", &listed.stdout),
    ] {
        check_unseen(place, text);
        check_lines(place, text);
    }
    let forged = failure
        .stderr
        .lines()
        .filter(|line| line.starts_with("  report: /forged"));
    assert_eq!(forged.count(), 0, "{}", failure.stderr);
    assert!(
        failure.stderr.len() < 16_384,
        "{} bytes of an error",
        failure.stderr.len()
    );
    check_markdown(
        "DEPLOYMENT_LOG.md",
        &stage.project.read("DEPLOYMENT_LOG.md"),
    );
    let entries = stage.project.read("DEPLOYMENT_LOG.md");
    let headings = entries.lines().filter(|line| line.starts_with("## "));
    assert_eq!(headings.count(), 5, "a backup and four runs: {entries}");
    stage.check_log();
}

#[test]
fn an_error_is_named_and_short() {
    let plugins = build(&["forged-error"]);
    let mut stage = Stage::new(&plugins, "");
    let attack = stage.attack(
        "forged-error",
        &failed("the plugin forged-error: [2Jnothing"),
    );
    let message = text(&attack.document["error"]["message"]);
    assert!(message.len() < 5_000, "{} bytes", message.len());
    check_markdown("the report", &attack.report);
    stage.check_log();
}
