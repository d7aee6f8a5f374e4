//! One entry of `DEPLOYMENT_LOG.md`, in the shape that teams keep by hand.

use jiff::tz::TimeZone;

use super::escape::{duration, inline};
use super::facts::Verification;
use super::record::{RunRecord, Status};

/// The end of a line that Markdown breaks where it is broken here.
const BREAK: &str = "  \n";

/// `Migration: Add Review Model`, or the job and its database: `Backup: app`.
pub(super) fn title(record: &RunRecord) -> String {
    let migrations = record.facts.migrations();
    match migrations.as_slice() {
        [] => {
            let mut job = inline(&record.job);
            capitalise(&mut job);
            match &record.database {
                Some(database) => format!("{job}: {}", inline(database)),
                None => job,
            }
        }
        [one] => format!("Migration: {}", inline(&readable(one))),
        [first, others @ ..] => format!(
            "Migration: {} and {} more",
            inline(&readable(first)),
            others.len()
        ),
    }
}

/// The heading and its lines. Lines without anything to say are left out; a status is always there.
/// `report` is the way from the log to the run's report.
pub(super) fn entry(record: &RunRecord, report: Option<&str>) -> String {
    let mut entry = format!(
        "## {} - {}\n",
        record.started.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d"),
        title(record)
    );
    let mut line = |name: &str, text: &str| entry.push_str(&format!("**{name}:** {text}{BREAK}"));
    let facts = &record.facts;
    if let Some(change) = facts.change() {
        line("Change", &inline(&change));
    }
    let migrations = facts.migrations();
    if !migrations.is_empty() {
        line(
            "Migration",
            &migrations
                .iter()
                .map(|name| inline(name))
                .collect::<Vec<_>>()
                .join(", "),
        );
    }
    if let Some(backup) = facts.backup() {
        line("Backup", &inline(&backup));
    }
    if let Some(snapshot) = facts.snapshot() {
        line("Snapshot", &inline(&snapshot));
    }
    if let Some(seconds) = facts.downtime() {
        line("Downtime", &self::seconds(seconds));
    }
    if let Some(plan) = facts.rollback_plan() {
        line("Rollback Plan", &inline(&plan));
    }
    line("Status", &status(record));
    for query in facts.verification() {
        line("Verified", &verified(&query));
    }
    if let Some(error) = &record.error {
        line("Error", &inline(&error.message));
    }
    for warning in &record.warnings {
        line("Warning", &inline(warning));
    }
    let actor = format!(
        "{} by {} on {}",
        record.trigger,
        inline(&record.actor),
        inline(&record.host)
    );
    let took = record
        .duration()
        .map_or(String::new(), |took| format!(", took {}", duration(took)));
    let run = match report.filter(|_| record.status.is_closed()) {
        Some(report) => format!("[{}]({report})", record.run_id),
        None => record.run_id.to_string(),
    };
    line("Run", &format!("{run}, {actor}{took}"));
    entry
}

/// `✅ Deployed successfully to production`.
pub(super) fn status(record: &RunRecord) -> String {
    let place = inline(&record.environment);
    let warnings = match record.warnings.len() {
        0 => String::new(),
        1 => " with 1 warning".into(),
        several => format!(" with {several} warnings"),
    };
    match record.status {
        Status::Running => format!("🔄 Running in {place}"),
        Status::Succeeded if warnings.is_empty() && !record.facts.migrations().is_empty() => {
            format!("✅ Deployed successfully to {place}")
        }
        Status::Succeeded if warnings.is_empty() => format!("✅ Succeeded in {place}"),
        Status::Succeeded => format!("⚠️ Succeeded{warnings} in {place}"),
        Status::Failed => format!("❌ Failed in {place}"),
        Status::Refused => format!("⛔ Refused in {place}"),
        Status::Skipped => format!("⏭️ Skipped in {place}"),
        Status::Cancelled => format!("🚫 Cancelled in {place}"),
        Status::Interrupted => format!("💥 Interrupted in {place}"),
    }
}

/// `SELECT COUNT(*) FROM "Review"; -- Returns 0`.
pub(super) fn verified(query: &Verification) -> String {
    let sql = inline(&query.what);
    let failed = if query.ok == Some(false) { "❌ " } else { "" };
    match &query.result {
        Some(result) => format!(
            "{failed}{}; -- Returns {}",
            sql.trim_end_matches(';'),
            inline(result)
        ),
        None => format!("{failed}{sql}"),
    }
}

/// `0 seconds`, `1 second`, `0.25 seconds`: to the millisecond.
pub(super) fn seconds(seconds: f64) -> String {
    let seconds = (seconds.max(0.0) * 1_000.0).round() / 1_000.0;
    format!("{seconds} second{}", if seconds == 1.0 { "" } else { "s" })
}

/// Makes the first letter large, where it is an ASCII one.
pub(super) fn capitalise(text: &mut str) {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
}

/// `20260117120000_add_review_model` as `Add Review Model`.
fn readable(migration: &str) -> String {
    let name = migration
        .trim_start_matches(|character: char| character.is_ascii_digit())
        .trim_start_matches('_');
    let words = if name.is_empty() { migration } else { name };
    let capitalised = words
        .split('_')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut rest = word.chars();
            rest.next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(rest)
                .collect::<String>()
        });
    capitalised.collect::<Vec<_>>().join(" ")
}
