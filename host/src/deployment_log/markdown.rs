//! `DEPLOYMENT_LOG.md`: entries of runs, newest first, among whatever people write there themselves.
//!
//! An entry of ours stands between two comments that Markdown does not show; the first one names the run and its status.
//! Everything outside them is a person's and stays byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::blocks::{Block, Kind, blocks, mark, marked};
use super::entry::entry;
use super::error::LogError;
use super::months::{self, Length};
use super::places::{Place, Places};
use super::record::RunRecord;
use super::replace::replace;

const HEADING: &str = "# Deployment log\n\nEvery run of orchestrator writes its entry here, newest first. Entries written by hand are kept as they are.\n\n";

/// The runs that a text tells of, each with the status that it gives.
pub(super) fn shown(text: &str) -> BTreeMap<Uuid, String> {
    let mut entries = BTreeMap::new();
    for (run, status) in text.lines().filter_map(mark) {
        // Merges of branches can leave an entry twice: neither counts, so that both are written anew as one.
        entries
            .entry(run)
            .and_modify(String::clear)
            .or_insert_with(|| status.to_owned());
    }
    entries
}

/// One entry of ours, and where its time puts it.
pub(super) struct Entry {
    pub run: Uuid,
    pub date: Date,
    /// With its marks.
    pub text: String,
}

/// Writes the entries of these runs: in the place of their old ones, or where their time puts them. The oldest ones of a
/// log that is too long go to the files of their months, as do entries of runs that are older than all that a full log holds.
/// `report` gives the way from the log to a run's report. Returns why months' files could not be written: then the log keeps what it was to
/// let go, and what was to go there by itself is missing until the next start.
pub(super) fn update(
    path: &Path,
    records: &[&RunRecord],
    length: Length,
    report: impl Fn(Uuid) -> Option<String>,
) -> Result<Vec<LogError>, LogError> {
    let text = read(path)?;
    let mut log = taken_apart(&text, HEADING);
    let mut places = Places::of(path, &text);
    let mut to_months: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    // The oldest goes in first, so that of two new ones the newer stands above.
    let mut records = records.to_vec();
    records.sort_by_key(|record| (record.started, record.run_id));
    for record in records {
        let entry = entry_of(record, report(record.run_id).as_deref());
        match places.place(record, length) {
            Place::Log => put(&mut log, entry),
            Place::Month(month) => to_months.entry(month).or_default().push(entry),
        }
    }
    keep_first(&mut log);
    for (month, entries) in months::surplus(&log, length) {
        to_months.entry(month).or_default().extend(entries);
    }
    let mut moved = BTreeSet::new();
    let mut errors = Vec::new();
    for (month, entries) in to_months {
        let runs: Vec<Uuid> = entries.iter().map(|entry| entry.run).collect();
        match months::file_away(path, &month, entries) {
            Ok(()) => moved.extend(runs),
            Err(error) => errors.push(error),
        }
    }
    months::let_go(&mut log, &moved);
    write(path, &log, &text)?;
    Ok(errors)
}

fn entry_of(record: &RunRecord, report: Option<&str>) -> Entry {
    let body = entry(record, report);
    Entry {
        run: record.run_id,
        date: record.started.to_zoned(TimeZone::UTC).date(),
        text: marked(record.run_id, record.status.as_str(), &body),
    }
}

/// A file's blocks; those of a new one are its heading.
pub(super) fn taken_apart<'a>(text: &'a str, heading: &'a str) -> Vec<Block<'a>> {
    blocks(if text.trim().is_empty() {
        heading
    } else {
        text
    })
}

/// Of entries that stand there twice, the first one stays.
pub(super) fn keep_first(blocks: &mut Vec<Block<'_>>) {
    let mut seen = BTreeSet::new();
    blocks.retain(|block| block.kind.run().is_none_or(|run| seen.insert(run)));
}

/// Replaces a file by these blocks, where it has another text.
pub(super) fn write(path: &Path, blocks: &[Block<'_>], text: &str) -> Result<(), LogError> {
    let pieces: Vec<&str> = blocks.iter().map(|block| block.text.as_ref()).collect();
    if same(&pieces, text) {
        return Ok(());
    }
    replace(path, &pieces, 0o666)
}

/// Whether the pieces in a row are the text.
fn same(pieces: &[&str], text: &str) -> bool {
    let rest = pieces
        .iter()
        .try_fold(text, |rest, piece| rest.strip_prefix(piece));
    rest == Some("")
}

/// In the place of the run's old entry, or where its time puts it.
pub(super) fn put(blocks: &mut Vec<Block<'_>>, entry: Entry) {
    let mut known = blocks.iter_mut();
    if let Some(known) = known.find(|block| block.kind.run() == Some(entry.run)) {
        known.text = entry.text.into();
        return;
    }
    let place = place(blocks, &entry);
    if let Some(before) = place
        .checked_sub(1)
        .and_then(|before| blocks.get_mut(before))
    {
        before.end_with_empty_line();
    }
    blocks.insert(
        place,
        Block {
            kind: Kind::Run(entry.run),
            text: (entry.text + "\n").into(),
        },
    );
}

/// Before the first entry that is not newer: of a run by its id, which begins with its time, or of a person by its date.
fn place(blocks: &[Block], entry: &Entry) -> usize {
    let older = |block: &Block| match &block.kind {
        Kind::Head | Kind::Undated => false,
        Kind::Run(run) => *run < entry.run,
        Kind::Dated(date) => *date <= entry.date,
    };
    blocks.iter().position(older).unwrap_or(blocks.len())
}

pub(super) fn read(path: &Path) -> Result<String, LogError> {
    match fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| LogError::NotText {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(LogError::file("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::blocks::END;
    use super::super::record::{ErrorRecord, Status, Trigger};
    use super::*;

    fn run(number: u8, started: &str) -> RunRecord {
        let started: jiff::Timestamp = started.parse().unwrap();
        let mut id = Uuid::new_v7(uuid::Timestamp::from_unix_time(
            started.as_second() as u64,
            0,
            0,
            0,
        ))
        .into_bytes();
        id[6..].fill(0);
        (id[6], id[8], id[15]) = (0x70, 0x80, number);
        RunRecord {
            run_id: Uuid::from_bytes(id),
            database: Some("app".into()),
            host: "db1".into(),
            started,
            ..RunRecord::new("backup", Trigger::Schedule, "nightly", "production")
        }
    }

    fn closed(mut record: RunRecord, status: Status, seconds: i64) -> RunRecord {
        record.close(status, None, 0);
        record.finished = Some(record.started + jiff::SignedDuration::from_secs(seconds));
        record
    }

    fn migration() -> RunRecord {
        let mut record = closed(run(2, "2026-01-17T12:00:00Z"), Status::Succeeded, 3);
        (record.job, record.trigger, record.actor) =
            ("deploy".into(), Trigger::Cli, "alice".into());
        record
            .facts
            .set("change", json!("Added User Review functionality"));
        record
            .facts
            .set("migrations", json!(["20260117120000_add_review_model"]));
        record.facts.set(
            "backup",
            json!({ "id": "app/2026-01-17T11-59-58Z-pre-migration-1f2e" }),
        );
        record.facts.set("downtime", json!(0));
        record
            .facts
            .set("rollback-plan", json!("Drop review tables if issues occur"));
        record.facts.set(
            "verification",
            json!([{ "sql": "SELECT COUNT(*) FROM \"Review\";", "result": 0, "ok": true }]),
        );
        record
    }

    /// What the log is after an update.
    fn write(text: &str, records: &[&RunRecord]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("DEPLOYMENT_LOG.md");
        fs::write(&path, text).unwrap();
        let report = |run| Some(format!("reports/{run}.md"));
        let errors = update(&path, records, months::LENGTH, report).unwrap();
        assert!(errors.is_empty(), "{errors:?}");
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn the_shape_is_the_one_that_users_keep() {
        let failed = RunRecord {
            error: Some(ErrorRecord {
                kind: "unavailable".into(),
                message: "connect to app: refused\n## not a heading".into(),
                ..Default::default()
            }),
            warnings: vec!["<script>".into()],
            ..closed(run(1, "2026-01-17T02:00:00Z"), Status::Failed, 61)
        };
        let text = write(
            "",
            &[&migration(), &failed, &run(3, "2026-01-18T02:00:00Z")],
        );
        insta::assert_snapshot!(text.replace("  \n", "\n"), @r###"
        # Deployment log

        Every run of orchestrator writes its entry here, newest first. Entries written by hand are kept as they are.

        <!-- orchestrator run 019bced4-a100-7000-8000-000000000003 running -->
        ## 2026-01-18 - Backup: app
        **Status:** 🔄 Running in production
        **Run:** 019bced4-a100-7000-8000-000000000003, schedule by nightly on db1
        <!-- orchestrator end -->

        <!-- orchestrator run 019bcbd3-9600-7000-8000-000000000002 succeeded -->
        ## 2026-01-17 - Migration: Add Review Model
        **Change:** Added User Review functionality
        **Migration:** 20260117120000_add_review_model
        **Backup:** app/2026-01-17T11-59-58Z-pre-migration-1f2e
        **Downtime:** 0 seconds
        **Rollback Plan:** Drop review tables if issues occur
        **Status:** ✅ Deployed successfully to production
        **Verified:** SELECT COUNT(*) FROM "Review"; -- Returns 0
        **Run:** [019bcbd3-9600-7000-8000-000000000002](reports/019bcbd3-9600-7000-8000-000000000002.md), cli by alice on db1, took 3.0 s
        <!-- orchestrator end -->

        <!-- orchestrator run 019bc9ae-4500-7000-8000-000000000001 failed -->
        ## 2026-01-17 - Backup: app
        **Status:** ❌ Failed in production
        **Error:** connect to app: refused \#\# not a heading
        **Warning:** &lt;script>
        **Run:** [019bc9ae-4500-7000-8000-000000000001](reports/019bc9ae-4500-7000-8000-000000000001.md), schedule by nightly on db1, took 1 min 01 s
        <!-- orchestrator end -->
        "###);
    }

    #[test]
    fn an_entry_is_replaced_not_doubled() {
        let running = run(1, "2026-01-17T02:00:00Z");
        let done = closed(running.clone(), Status::Succeeded, 1);
        let once = write("", &[&done]);
        assert_eq!(write(&write("", &[&running]), &[&done]), once);
        assert_eq!(write(&once, &[&done]), once);
        assert_eq!(
            write(&format!("{once}{once}"), &[&done])
                .matches("<!-- orchestrator run")
                .count(),
            1
        );
    }

    #[test]
    fn what_people_wrote_stays_where_it_is() {
        let hand = "# Our log\r\nKept by ops.\r\n\r\n## 2026-01-20 - Migration: Later\n**Status:** fine\n\n\
            ## Notes\n```\n## 2026-01-19 - in a fence\n```\n\n## 2026-01-10 - Migration: Earlier\n**Status:** fine";
        let (first, second) = (
            closed(run(1, "2026-01-17T02:00:00Z"), Status::Succeeded, 1),
            migration(),
        );
        let text = write(&write(hand, &[&first]), &[&second]);
        let order = [
            "Our log",
            "Later",
            "## Notes",
            "in a fence",
            "Add Review",
            "Backup: app",
            "Earlier",
        ];
        let places: Vec<usize> = order.iter().map(|part| text.find(part).unwrap()).collect();
        assert!(places.is_sorted(), "{text}");
        let ours = blocks(&text)
            .into_iter()
            .filter(|block| block.kind.run().is_some())
            .map(|block| block.text);
        let rest = ours.fold(text.clone(), |text, ours| {
            text.replace(&format!("{ours}\n"), "")
        });
        assert_eq!(rest, hand);

        let after = text.replace(END, &format!("{END}\nThe on-call was told."));
        assert_eq!(
            write(&after, &[&first, &second])
                .matches("The on-call was told.")
                .count(),
            2
        );
        let oldest = closed(run(3, "2026-01-01T02:00:00Z"), Status::Succeeded, 1);
        assert!(write(hand, &[&oldest]).starts_with(&format!("{hand}\n\n<!-- orchestrator run")));
    }

    #[test]
    fn an_entry_whose_end_was_removed_ends_at_the_next_heading() {
        let first = closed(run(1, "2026-01-17T02:00:00Z"), Status::Succeeded, 1);
        let torn =
            write("## 2026-01-01 - By hand\nkept\n", &[&first]).replace(&format!("{END}\n"), "");
        let text = write(&torn, &[&first]);
        assert!(
            text.contains("## 2026-01-01 - By hand\nkept\n")
                && text.matches("Backup: app").count() == 1,
            "{text}"
        );
    }

    #[test]
    fn a_file_that_is_no_text_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("DEPLOYMENT_LOG.md");
        fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(
            update(&path, &[&migration()], months::LENGTH, |_| None),
            Err(LogError::NotText { .. })
        ));
        assert_eq!(fs::read(&path).unwrap(), b"\xff\xfe");
    }
}
