//! The journal: `<state>/journal.jsonl`, one JSON line an event, written and synced before anything that it tells of.
//!
//! Writers of all processes take turns by a lock on `journal.lock`. A line torn by a crash or a full disk is cut off by
//! the next writer. Readers need no lock: they see whole lines, of the old file or of the compacted one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::error::LogError;
use super::history::{Event, History, Line};
use super::known::Known;
use super::replace::{lock, replace};

/// Bytes from which the journal is compacted: some ten thousand events.
const COMPACT_FROM: u64 = 8 << 20;

/// Runs that stay in the journal although the table holds them, for the day that the table is gone.
const KEPT_RUNS: usize = 5_000;

/// Only its owner reads the journal: parameters and results say more than `DEPLOYMENT_LOG.md` does.
const MODE: u32 = 0o600;

#[derive(Clone, Debug)]
pub(super) struct Journal {
    path: PathBuf,
    lock: PathBuf,
    pub compact_from: u64,
    pub kept_runs: usize,
    known: Arc<Mutex<Known>>,
}

impl Journal {
    /// The journal of a state folder, which is made when it does not exist.
    pub fn open(state: &Path) -> Result<Self, LogError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state)
            .map_err(LogError::file("make the state folder", state))?;
        let (path, lock) = (state.join("journal.jsonl"), state.join("journal.lock"));
        Ok(Self {
            path,
            lock,
            compact_from: COMPACT_FROM,
            kept_runs: KEPT_RUNS,
            known: Arc::default(),
        })
    }

    /// Appends events in one write, and returns when they are on the disk.
    pub fn append(&self, events: Vec<Event>) -> Result<(), LogError> {
        if events.is_empty() {
            return Ok(());
        }
        let at = Timestamp::now();
        let mut lines = Vec::new();
        for event in events {
            encode(&mut lines, &Line { at, event });
        }
        let _turn = lock(&self.lock)?;
        let length = self
            .write(&lines)
            .map_err(LogError::file("append to the journal", &self.path))?;
        // What was to be written is: a disk that is too full for a second copy fails nobody's run.
        if length > self.compact_from
            && let Err(error) = self.compact(length)
        {
            tracing::warn!("the journal could not be compacted, it is tried again: {error}");
        }
        Ok(())
    }

    /// Every run that the journal knows.
    pub fn read(&self) -> Result<Arc<History>, LogError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let read = known.catch_up(&self.path);
        if read.is_err() {
            *known = Known::default();
        }
        read.map_err(LogError::file("read the journal", &self.path))
    }

    fn write(&self, lines: &[u8]) -> io::Result<u64> {
        let new = !self.path.exists();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .mode(MODE)
            .open(&self.path)?;
        repair(&mut file)?;
        let before = file.metadata()?.len();
        if let Err(error) = file.write_all(lines).and_then(|()| file.sync_data()) {
            // Best effort: what stays is a torn line, which the next writer cuts off.
            let _ = file.set_len(before);
            return Err(error);
        }
        if new && let Some(folder) = self.path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(before + lines.len() as u64)
    }

    /// Under the lock. A journal that compaction left large is compacted again only when it has doubled.
    fn compact(&self, length: u64) -> Result<(), LogError> {
        let first =
            first_line(&self.path).map_err(LogError::file("read the journal", &self.path))?;
        if let Ok(Line {
            event: Event::Compacted { bytes, .. },
            ..
        }) = serde_json::from_slice(&first)
            && length < bytes.saturating_mul(2)
        {
            return Ok(());
        }
        let history = self.read()?;
        let mut body = Vec::new();
        let horizon = history.compacted(self.kept_runs, |line| encode(&mut body, line));
        for line in &history.unreadable {
            body.extend_from_slice(line.as_bytes());
            body.push(b'\n');
        }
        let mut whole = Vec::with_capacity(body.len() + 128);
        encode(
            &mut whole,
            &Line {
                at: Timestamp::now(),
                event: Event::Compacted {
                    bytes: body.len() as u64,
                    horizon,
                },
            },
        );
        whole.append(&mut body);
        replace(&self.path, &[whole], MODE)
    }
}

fn encode(lines: &mut Vec<u8>, line: &Line) {
    // Strings, numbers and maps with string keys always encode, and writing to memory does not fail.
    serde_json::to_writer(&mut *lines, line).expect("a journal line is plain JSON");
    lines.push(b'\n');
}

/// Ends the last line where it is whole, and cuts it off where it is torn.
fn repair(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [0];
    if length == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(());
    }
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let start = memchr::memrchr(b'\n', &bytes).map_or(0, |end| end + 1);
    if serde_json::from_slice::<Line>(&bytes[start..]).is_ok() {
        file.write_all(b"\n")
    } else {
        file.set_len(start as u64)
    }
}

fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut start = vec![0; 512];
    let read = File::open(path)?.read(&mut start)?;
    start.truncate(memchr::memchr(b'\n', &start[..read]).unwrap_or(read));
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::record::{RunRecord, Status, Trigger};
    use super::*;

    fn finished() -> Event {
        let mut record = RunRecord::new("backup", Trigger::Schedule, "nightly", "production");
        record.close(Status::Succeeded, None, 0);
        Event::Finished {
            record: Box::new(record),
        }
    }

    #[test]
    fn a_torn_line_is_cut_off_and_a_whole_one_is_ended() {
        let state = tempfile::tempdir().unwrap();
        let journal = Journal::open(state.path()).unwrap();
        journal.append(vec![finished(), finished()]).unwrap();
        let whole = fs::read(&journal.path).unwrap();
        for cut in [1, 2, 40] {
            fs::write(&journal.path, &whole[..whole.len() - cut]).unwrap();
            let seen = if cut == 1 { 2 } else { 1 };
            assert_eq!(journal.read().unwrap().runs().count(), seen, "cut by {cut}");
            journal.append(vec![finished()]).unwrap();
            let history = journal.read().unwrap();
            assert_eq!(
                (history.runs().count(), history.unreadable.len()),
                (seen + 1, 0),
                "cut by {cut}"
            );
        }
        assert_eq!(
            fs::metadata(&journal.path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn an_unreadable_line_harms_no_other_and_survives_compaction() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        journal.append(vec![finished()]).unwrap();
        let mut bytes = fs::read(&journal.path).unwrap();
        bytes.extend_from_slice(
            b"{\"at\":\"2031-01-01T00:00:00Z\",\"event\":{\"teleported\":{}}}\n",
        );
        fs::write(&journal.path, bytes).unwrap();
        journal.compact_from = 1;
        journal.append(vec![finished()]).unwrap();
        let history = journal.read().unwrap();
        assert_eq!((history.runs().count(), history.unreadable.len()), (2, 1));
        assert!(history.unreadable[0].contains("teleported"));
    }

    #[test]
    fn the_journal_does_not_grow_for_ever() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        (journal.compact_from, journal.kept_runs) = (20_000, 10);
        let mut newest = None;
        for _ in 0..400 {
            let event = finished();
            if let Event::Finished { record } = &event {
                newest = Some(record.run_id);
            }
            journal
                .append(vec![
                    event,
                    Event::Replayed {
                        runs: newest.into_iter().collect(),
                    },
                ])
                .unwrap();
        }
        let history = journal.read().unwrap();
        assert!(fs::metadata(&journal.path).unwrap().len() < 25_000);
        assert!(history.horizon.is_some() && history.run(newest.unwrap()).is_some());
    }

    #[test]
    fn what_was_appended_is_so_also_where_there_is_no_room_to_compact() {
        let state = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(state.path()).unwrap();
        journal.compact_from = 1;
        // In the way of the compacted copy, as a full disk is.
        fs::create_dir(state.path().join(".journal.jsonl.new")).unwrap();
        journal.append(vec![finished()]).unwrap();
        assert_eq!(journal.read().unwrap().runs().count(), 1);
        fs::remove_dir(state.path().join(".journal.jsonl.new")).unwrap();
        journal.append(vec![finished()]).unwrap();
        assert_eq!(journal.read().unwrap().runs().count(), 2);
        let first = first_line(&journal.path).unwrap();
        assert!(String::from_utf8(first).unwrap().contains("compacted"));
    }

    #[test]
    fn writers_take_turns() {
        let state = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let mut journal = Journal::open(state.path()).unwrap();
                    journal.compact_from = 10_000;
                    (0..25).for_each(|_| journal.append(vec![finished()]).unwrap());
                });
            }
        });
        let history = Journal::open(state.path()).unwrap().read().unwrap();
        assert_eq!((history.runs().count(), history.unreadable.len()), (200, 0));
    }
}
