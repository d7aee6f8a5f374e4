//! `DEPLOYMENT_LOG-2026-11.md`: where the oldest entries of a long log go, a file for each month in which runs began.
//!
//! The log is read and replaced as a whole at every run, so it cannot grow for ever. A month's file is written before the
//! log lets its entries go: a process that is killed in between leaves them in both, and the next one moves them again. Where a month's
//! file cannot be written, the log keeps what was to go there, however long it becomes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use uuid::Uuid;

use super::blocks::{Block, Kind, mark};
use super::error::LogError;
use super::markdown::{Entry, keep_first, put, read, taken_apart, write};
use super::record::Status;

/// How many entries of runs the log keeps, and by how many it may be longer before some are moved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub kept: usize,
    pub beyond: usize,
}

/// Some hundred KiB.
pub(super) const LENGTH: Length = Length {
    kept: 1_000,
    beyond: 250,
};

/// The entries that a log which is too long is to let go: the oldest of runs that have ended, by month.
pub(super) fn surplus(log: &[Block<'_>], length: Length) -> BTreeMap<String, Vec<Entry>> {
    let mut surplus: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
    let mut runs: Vec<Uuid> = log.iter().filter_map(|block| block.kind.run()).collect();
    if runs.len() <= length.kept + length.beyond {
        return surplus;
    }
    runs.sort_unstable();
    let newest = runs[runs.len() - length.kept - 1];
    for block in log {
        let ours = block.kind.run().filter(|run| *run <= newest);
        let Some(run) = ours.filter(|_| has_ended(block)) else {
            continue;
        };
        if let (Some(date), Some(month)) = (date(run), month(run)) {
            let text = block.text.trim_end().to_owned() + "\n";
            let entry = Entry { run, date, text };
            surplus.entry(month).or_default().push(entry);
        }
    }
    surplus
}

/// Takes the entries of these runs out of a log.
pub(super) fn let_go(log: &mut Vec<Block<'_>>, moved: &BTreeSet<Uuid>) {
    let mut after_moved = false;
    log.retain(|block| {
        let is_moved = block.kind.run().is_some_and(|run| moved.contains(&run));
        // The empty line below it is ours too.
        let is_below = after_moved && matches!(block.kind, Kind::Undated) && block.text == "\n";
        after_moved = is_moved;
        !is_moved && !is_below
    });
}

fn has_ended(block: &Block) -> bool {
    let status = block.text.lines().next().and_then(mark);
    status.is_some_and(|(_, status)| status != Status::Running.as_str())
}

/// The month in whose file a run's entry goes: `2026-11`. An id that tells no time stays in the log.
pub(super) fn month(run: Uuid) -> Option<String> {
    Some(date(run)?.strftime("%Y-%m").to_string())
}

/// The day on which a run began, by its id.
fn date(run: Uuid) -> Option<Date> {
    let (seconds, _) = run.get_timestamp()?.to_unix();
    let began = Timestamp::from_second(seconds.try_into().ok()?).ok()?;
    Some(began.to_zoned(TimeZone::UTC).date())
}

/// Puts entries into the file of their month, beside the log.
pub(super) fn file_away(log: &Path, month: &str, entries: Vec<Entry>) -> Result<(), LogError> {
    let path = path(log, month);
    let text = read(&path)?;
    let heading = format!(
        "# Deployment log, {month}\n\nMoved here from the log as it grew, newest first.\n\n"
    );
    let mut file = taken_apart(&text, &heading);
    for entry in entries {
        put(&mut file, entry);
    }
    keep_first(&mut file);
    write(&path, &file, &text)
}

/// The file of a month, beside the log.
pub(super) fn path(log: &Path, month: &str) -> PathBuf {
    let stem = log.file_stem().unwrap_or_default().to_string_lossy();
    let mut name = format!("{stem}-{month}");
    if let Some(extension) = log.extension() {
        name = format!("{name}.{}", extension.to_string_lossy());
    }
    log.with_file_name(name)
}
