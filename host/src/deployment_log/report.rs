//! `reports/<run>.md`: everything that is known of one run.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use super::entry::{capitalise, seconds, status, title};
use super::escape::{cell_code, code, duration, inline, json_block};
use super::facts::text;
use super::record::{ErrorRecord, RunRecord, StepRecord};

/// Facts that have a line of their own in the summary.
const SUMMARISED: [&str; 3] = ["change", "downtime", "rollback-plan"];

/// The report of a run, in Markdown.
pub fn report(record: &RunRecord) -> String {
    let mut report = format!("# {}\n\n{}\n\n", title(record), status(record));
    summary(&mut report, record);
    if let Some(error) = &record.error {
        section(&mut report, "Error");
        describe(&mut report, error);
    }
    if !record.warnings.is_empty() {
        section(&mut report, "Warnings");
        record
            .warnings
            .iter()
            .for_each(|warning| line(&mut report, &format!("- {}", inline(warning))));
    }
    facts(&mut report, record);
    if !record.steps.is_empty() {
        section(&mut report, "Steps");
        steps(&mut report, &record.steps);
    }
    report
}

fn summary(report: &mut String, record: &RunRecord) {
    let facts = &record.facts;
    let rows = [
        ("Run", Some(code(&record.run_id.to_string()))),
        ("Job", Some(inline(&record.job))),
        (
            "Trigger",
            Some(format!(
                "{} by {} on {}",
                record.trigger,
                inline(&record.actor),
                inline(&record.host)
            )),
        ),
        ("Environment", Some(inline(&record.environment))),
        ("Database", record.database.as_deref().map(inline)),
        ("Started", Some(record.started.to_string())),
        (
            "Finished",
            record.finished.map(|finished| finished.to_string()),
        ),
        ("Duration", record.duration().map(duration)),
        ("Exit code", record.exit_code.map(|code| code.to_string())),
        ("Change", facts.change().as_deref().map(inline)),
        ("Downtime", facts.downtime().map(seconds)),
        (
            "Rollback plan",
            facts.rollback_plan().as_deref().map(inline),
        ),
    ];
    line(report, "| | |\n|---|---|");
    for (name, value) in rows {
        if let Some(value) = value {
            line(report, &format!("| {name} | {value} |"));
        }
    }
}

fn facts(report: &mut String, record: &RunRecord) {
    let others = record
        .facts
        .iter()
        .filter(|(key, value)| !SUMMARISED.contains(key) && !value.is_null());
    for (key, value) in others {
        let mut name = inline(key).replace('-', " ");
        capitalise(&mut name);
        section(report, &name);
        details(report, value);
    }
}

fn steps(report: &mut String, steps: &[StepRecord]) {
    line(
        report,
        "| # | Plugin | Status | Started | Duration | SHA-256 |\n|---|---|---|---|---|---|",
    );
    for (number, step) in steps.iter().enumerate() {
        let took = step.duration().map(duration).unwrap_or_default();
        let (plugin, version, digest) = (
            inline(&step.plugin),
            inline(&step.version),
            cell_code(&step.sha256),
        );
        line(
            report,
            &format!(
                "| {} | {plugin} {version} | {} | {} | {took} | {digest} |",
                number + 1,
                step.status,
                step.started
            ),
        );
    }
    for (number, step) in steps.iter().enumerate() {
        line(
            report,
            &format!("\n### {}. {}\n", number + 1, inline(&step.plugin)),
        );
        if step
            .parameters
            .as_object()
            .is_some_and(|parameters| !parameters.is_empty())
        {
            line(report, "Parameters:\n");
            details(report, &step.parameters);
        }
        if let Some(result) = &step.result {
            line(report, "\nResult:\n");
            details(report, result);
        }
        if let Some(error) = &step.error {
            report.push('\n');
            describe(report, error);
        }
    }
}

/// Plain values and lists of alike objects as tables, which is what results mostly are; anything deeper as JSON.
fn details(report: &mut String, value: &Value) {
    match value {
        Value::Object(fields) => {
            let (plain, nested): (Vec<_>, Vec<_>) =
                fields.iter().partition(|(_, field)| is_plain(field));
            if !plain.is_empty() {
                line(report, "| | |\n|---|---|");
                plain.iter().for_each(|(key, field)| {
                    line(report, &format!("| {} | {} |", inline(key), cell(field)))
                });
            }
            for (key, field) in nested {
                line(report, &format!("\n{}:\n", inline(key)));
                rows(report, field);
            }
        }
        nested => rows(report, nested),
    }
}

/// A list of flat objects as a table with a column for each of their keys, a list of plain values as a list.
fn rows(report: &mut String, value: &Value) {
    let flat = |item: &Value| {
        item.as_object()
            .is_some_and(|fields| fields.values().all(is_plain))
    };
    match value {
        Value::Array(items) if !items.is_empty() && items.iter().all(flat) => {
            let objects: Vec<_> = items.iter().filter_map(Value::as_object).collect();
            let keys: BTreeSet<&String> = objects.iter().flat_map(|fields| fields.keys()).collect();
            let names: Vec<String> = keys.iter().map(|key| inline(key)).collect();
            line(
                report,
                &format!("| {} |\n|{}", names.join(" | "), "---|".repeat(names.len())),
            );
            for fields in objects {
                let cells: Vec<String> = keys
                    .iter()
                    .map(|key| fields.get(*key).map(cell).unwrap_or_default())
                    .collect();
                line(report, &format!("| {} |", cells.join(" | ")));
            }
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(is_plain) => {
            items
                .iter()
                .for_each(|item| line(report, &format!("- {}", code(&text(item)))));
        }
        plain if is_plain(plain) => line(report, &code(&text(plain))),
        deep => report.push_str(&json_block(deep)),
    }
}

fn is_plain(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn cell(value: &Value) -> String {
    if value.is_null() {
        String::new()
    } else {
        cell_code(&text(value))
    }
}

fn describe(report: &mut String, error: &ErrorRecord) {
    line(
        report,
        &format!("**{}**: {}\n", inline(&error.kind), inline(&error.message)),
    );
    for (name, value) in [
        ("SQLSTATE", &error.sqlstate),
        ("Detail", &error.detail),
        ("Hint", &error.hint),
    ] {
        if let Some(value) = value {
            line(report, &format!("- {name}: {}", inline(value)));
        }
    }
}

fn section(report: &mut String, name: &str) {
    line(report, &format!("\n## {name}\n"));
}

fn line(report: &mut String, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(report, "{text}");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::record::{Status, Trigger};
    use super::*;

    #[test]
    fn a_report_says_everything() {
        let started: jiff::Timestamp = "2026-01-17T02:00:00Z".parse().unwrap();
        let error = ErrorRecord {
            kind: "database".into(),
            message: "apply 20260117120000_add_review_model: relation \"Review\" already exists"
                .into(),
            sqlstate: Some("42P07".into()),
            detail: None,
            hint: Some("mark it applied with `migrate resolve`".into()),
        };
        let step = StepRecord {
            plugin: "backup".into(),
            version: "0.1.0".into(),
            sha256: "ab".repeat(32),
            parameters: json!({ "database": "app", "note": "a|b" }),
            started,
            finished: Some(started + jiff::SignedDuration::from_millis(1_500)),
            status: Status::Succeeded,
            result: Some(json!({ "id": "b1", "tables": [{ "name": "public.User", "rows": 5 }] })),
            error: None,
        };
        let mut record = RunRecord {
            run_id: "019bc9e0-0000-7000-8000-000000000001".parse().unwrap(),
            host: "db1".into(),
            database: Some("app".into()),
            started,
            steps: vec![
                step.clone(),
                StepRecord {
                    plugin: "migrate".into(),
                    status: Status::Failed,
                    result: None,
                    error: Some(error.clone()),
                    ..step
                },
            ],
            warnings: vec!["no `globals.sql`: <not> a superuser".into()],
            ..RunRecord::new("deploy", Trigger::Cli, "alice", "production")
        };
        record
            .facts
            .set("backup", json!({ "id": "b1", "bytes": 1024 }));
        record.facts.set("downtime", json!(1));
        record.facts.set(
            "verification",
            json!([{ "sql": "SELECT 1", "result": 1, "ok": true }]),
        );
        record.close(Status::Failed, Some(error), 1);
        record.finished = Some(started + jiff::SignedDuration::from_secs(125));
        insta::assert_snapshot!(report(&record), @r###"
        # Deploy: app

        ❌ Failed in production

        | | |
        |---|---|
        | Run | `019bc9e0-0000-7000-8000-000000000001` |
        | Job | deploy |
        | Trigger | cli by alice on db1 |
        | Environment | production |
        | Database | app |
        | Started | 2026-01-17T02:00:00Z |
        | Finished | 2026-01-17T02:02:05Z |
        | Duration | 2 min 05 s |
        | Exit code | 1 |
        | Downtime | 1 second |

        ## Error

        **database**: apply 20260117120000_add_review_model: relation "Review" already exists

        - SQLSTATE: 42P07
        - Hint: mark it applied with \`migrate resolve\`

        ## Warnings

        - no \`globals.sql\`: &lt;not> a superuser

        ## Backup

        | | |
        |---|---|
        | bytes | `1024` |
        | id | `b1` |

        ## Verification

        | ok | result | sql |
        |---|---|---|
        | `true` | `1` | `SELECT 1` |

        ## Steps

        | # | Plugin | Status | Started | Duration | SHA-256 |
        |---|---|---|---|---|---|
        | 1 | backup 0.1.0 | succeeded | 2026-01-17T02:00:00Z | 1.5 s | `abababababababababababababababababababababababababababababababab` |
        | 2 | migrate 0.1.0 | failed | 2026-01-17T02:00:00Z | 1.5 s | `abababababababababababababababababababababababababababababababab` |

        ### 1. backup

        Parameters:

        | | |
        |---|---|
        | database | `app` |
        | note | `a\|b` |

        Result:

        | | |
        |---|---|
        | id | `b1` |

        tables:

        | name | rows |
        |---|---|
        | `public.User` | `5` |

        ### 2. migrate

        Parameters:

        | | |
        |---|---|
        | database | `app` |
        | note | `a\|b` |

        **database**: apply 20260117120000_add_review_model: relation "Review" already exists

        - SQLSTATE: 42P07
        - Hint: mark it applied with \`migrate resolve\`
        "###);
    }
}
