//! `reports/<run>.md`: everything that is known of one run.

use std::fmt::Write;

use serde_json::Value;

use super::entry::{seconds, status, title, verified};
use super::escape::{cell_code, code, duration, inline, json_block};
use super::facts::text;
use super::record::{ErrorRecord, RunRecord, StepRecord};

/// Facts that have a line of their own in the summary.
const SUMMARISED: [&str; 3] = ["change", "downtime", "rollback-plan"];

/// The report of a run.
pub(super) fn report(record: &RunRecord) -> String {
    let mut report = format!("# {}\n\n{}\n\n", title(record), status(record));
    summary(&mut report, record);
    if let Some(error) = &record.error {
        section(&mut report, "Error");
        describe(&mut report, error);
    }
    if !record.warnings.is_empty() {
        section(&mut report, "Warnings");
        record.warnings.iter().for_each(|warning| line(&mut report, &format!("- {}", inline(warning))));
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
        ("Trigger", Some(format!("{} by {} on {}", record.trigger, inline(&record.actor), inline(&record.host)))),
        ("Environment", Some(inline(&record.environment))),
        ("Database", record.database.as_deref().map(inline)),
        ("Started", Some(record.started.to_string())),
        ("Finished", record.finished.map(|finished| finished.to_string())),
        ("Duration", record.duration().map(duration)),
        ("Exit code", record.exit_code.map(|code| code.to_string())),
        ("Change", facts.change().as_deref().map(inline)),
        ("Downtime", facts.downtime().map(seconds)),
        ("Rollback plan", facts.rollback_plan().as_deref().map(inline)),
    ];
    line(report, "| | |\n|---|---|");
    for (name, value) in rows {
        if let Some(value) = value {
            line(report, &format!("| {name} | {value} |"));
        }
    }
}

fn facts(report: &mut String, record: &RunRecord) {
    let migrations = record.facts.migrations();
    if !migrations.is_empty() {
        section(report, "Migrations");
        migrations.iter().for_each(|name| line(report, &format!("- {}", code(name))));
    }
    let verification = record.facts.verification();
    if !verification.is_empty() {
        section(report, "Verification");
        verification.iter().for_each(|query| line(report, &format!("- {}", verified(query))));
    }
    for (key, value) in record.facts.iter() {
        let in_full = match key {
            "migrations" | "verification" => value.as_array().is_none_or(|items| items.iter().any(Value::is_object)),
            key => !SUMMARISED.contains(&key),
        };
        if in_full && !value.is_null() {
            section(report, &format!("Fact: {}", inline(key)));
            details(report, value);
        }
    }
}

fn steps(report: &mut String, steps: &[StepRecord]) {
    line(report, "| # | Plugin | Status | Started | Duration | SHA-256 |\n|---|---|---|---|---|---|");
    for (number, step) in steps.iter().enumerate() {
        let took = step.duration().map(duration).unwrap_or_default();
        let (plugin, version, digest) = (inline(&step.plugin), inline(&step.version), cell_code(&step.sha256));
        line(report, &format!("| {} | {plugin} {version} | {} | {} | {took} | {digest} |", number + 1, step.status, step.started));
    }
    for (number, step) in steps.iter().enumerate() {
        line(report, &format!("\n### {}. {}\n", number + 1, inline(&step.plugin)));
        if step.parameters.as_object().is_some_and(|parameters| !parameters.is_empty()) {
            line(report, "Parameters:\n");
            details(report, &step.parameters);
        }
        if let Some(result) = &step.result {
            line(report, "Result:\n");
            details(report, result);
        }
        if let Some(error) = &step.error {
            describe(report, error);
        }
    }
}

/// An object of plain values as a table, anything deeper as JSON.
fn details(report: &mut String, value: &Value) {
    match value {
        Value::Object(fields) if !fields.is_empty() && fields.values().all(|field| !field.is_object() && !field.is_array()) => {
            line(report, "| | |\n|---|---|");
            for (key, field) in fields {
                line(report, &format!("| {} | {} |", inline(key), cell_code(&text(field))));
            }
            report.push('\n');
        }
        Value::Object(_) | Value::Array(_) => line(report, &json_block(value)),
        plain => line(report, &format!("{}\n", code(&text(plain)))),
    }
}

fn describe(report: &mut String, error: &ErrorRecord) {
    line(report, &format!("**{}**: {}\n", inline(&error.kind), inline(&error.message)));
    for (name, value) in [("SQLSTATE", &error.sqlstate), ("Detail", &error.detail), ("Hint", &error.hint)] {
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
            message: "apply 20260117120000_add_review_model: relation \"Review\" already exists".into(),
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
            steps: vec![step.clone(), StepRecord { plugin: "migrate".into(), status: Status::Failed, result: None, error: Some(error.clone()), ..step }],
            warnings: vec!["no `globals.sql`: <not> a superuser".into()],
            ..RunRecord::new("deploy", Trigger::Cli, "alice", "production")
        };
        record.facts.set("backup", json!({ "id": "b1", "bytes": 1024 }));
        record.facts.set("downtime", json!(1));
        record.facts.set("verification", json!([{ "sql": "SELECT 1", "result": 1, "ok": true }]));
        record.close(Status::Failed, Some(error), 1);
        record.finished = Some(started + jiff::SignedDuration::from_secs(125));
        insta::assert_snapshot!(report(&record), @"");
    }
}
