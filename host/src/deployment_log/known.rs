//! What was read of the journal already: it grows at its end, so only what has come since has to be read again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use super::history::History;

/// Everything up to a line's end.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Kept open, so that no other file gets its number.
    file: Option<File>,
    bytes: u64,
    /// The line that ends there: a write that failed and was taken back may have been read.
    last: Vec<u8>,
    history: Arc<History>,
}

impl Known {
    /// Reads what is new; all of it where the file is another one. A file that is not there holds nothing.
    pub fn catch_up(&mut self, path: &Path) -> io::Result<Arc<History>> {
        if !self.is_still(path)? {
            *self = Self::default();
            match File::open(path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let Some(file) = &self.file else {
            return Ok(self.history.clone());
        };
        let new = read_from(file, self.bytes)?;
        let whole = memchr::memrchr(b'\n', &new).map_or(0, |end| end + 1);
        let (whole, begun) = new.split_at(whole);
        if !whole.is_empty() {
            let history = Arc::make_mut(&mut self.history);
            for line in whole.split_inclusive(|byte| *byte == b'\n') {
                apply(history, line, path);
                self.last = line.to_vec();
            }
            self.bytes += whole.len() as u64;
        }
        // Without its end of line it is still being written, or torn; or whole, and cut right behind it.
        match serde_json::from_slice(begun) {
            Ok(line) => {
                let mut history = History::clone(&self.history);
                history.apply(line);
                Ok(Arc::new(history))
            }
            Err(_) => Ok(self.history.clone()),
        }
    }

    /// Whether the file at the path is the one that was read, and begins as it did.
    fn is_still(&self, path: &Path) -> io::Result<bool> {
        let Some(file) = &self.file else {
            return Ok(false);
        };
        let there = match fs::metadata(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let read = file.metadata()?;
        if (there.dev(), there.ino()) != (read.dev(), read.ino()) || there.len() < self.bytes {
            return Ok(false);
        }
        let mut last = vec![0; self.last.len()];
        file.read_exact_at(&mut last, self.bytes - self.last.len() as u64)?;
        Ok(last == self.last)
    }
}

fn apply(history: &mut History, line: &[u8], path: &Path) {
    match serde_json::from_slice(line) {
        Ok(line) => history.apply(line),
        Err(_) if line.trim_ascii().is_empty() => {}
        Err(error) => {
            tracing::warn!(journal = %path.display(), %error, "the journal holds a line that cannot be read; it is kept");
            let line = String::from_utf8_lossy(line);
            history.unreadable.push(line.trim_end().to_owned());
        }
    }
}

/// All that there is from a place on.
fn read_from(file: &File, start: u64) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len().saturating_sub(start);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], start + filled as u64) {
            // Somebody has cut a torn line off meanwhile.
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file as it comes about, and what is known of it, are the same as what a first look would tell.
    fn agrees(known: &mut Known, path: &Path) -> usize {
        let first = Known::default().catch_up(path).expect("a first look");
        let again = known.catch_up(path).expect("another look");
        let runs = |history: &History| {
            history
                .runs()
                .map(|run| run.record.run_id())
                .collect::<Vec<_>>()
        };
        assert_eq!(runs(&first), runs(&again));
        assert_eq!(first.unreadable, again.unreadable);
        again.runs().count() + 100 * again.unreadable.len()
    }

    fn started(number: u8) -> String {
        format!(
            "{{\"at\":\"2026-01-17T02:00:00Z\",\"event\":{{\"started\":{{\"record\":{}}}}}}}\n",
            serde_json::to_string(&super::super::RunRecord {
                run_id: uuid::Uuid::from_bytes([number; 16]),
                ..super::super::RunRecord::new("backup", super::super::Trigger::Cli, "a", "local")
            })
            .expect("JSON")
        )
    }

    #[test]
    fn what_has_come_since_is_all_that_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let mut known = Known::default();
        assert_eq!(agrees(&mut known, &path), 0);
        let [one, two, three] = [1, 2, 3].map(started);
        let write = |text: &str| fs::write(&path, text).expect("written");
        write(&one);
        assert_eq!(agrees(&mut known, &path), 1);
        // Torn, then whole without its end, then with it.
        write(&format!("{one}{}", &two[..40]));
        assert_eq!(agrees(&mut known, &path), 1);
        write(&format!("{one}{}", two.trim_end()));
        assert_eq!(agrees(&mut known, &path), 2);
        write(&format!("{one}{two}nonsense\n"));
        assert_eq!(agrees(&mut known, &path), 102);
        // Taken back, and others in its place: also as long as before.
        write(&one);
        assert_eq!(agrees(&mut known, &path), 1);
        write(&format!("{one}{three}"));
        assert_eq!(agrees(&mut known, &path), 2);
        // Another file of that name.
        let other = folder.path().join("other");
        fs::write(&other, &two).expect("written");
        fs::rename(&other, &path).expect("renamed");
        assert_eq!(agrees(&mut known, &path), 1);
        fs::remove_file(&path).expect("removed");
        assert_eq!(agrees(&mut known, &path), 0);
    }
}
