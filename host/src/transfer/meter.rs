//! What has moved: counted by the streams, read by whoever shows progress.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts one stream. Clones of the `Arc` are read while it runs.
#[derive(Debug, Default)]
pub struct Meter {
    plain_bytes: AtomicU64,
    rows: AtomicU64,
}

impl Meter {
    /// Bytes before compression, and rows.
    pub fn add(&self, plain_bytes: u64, rows: u64) {
        self.plain_bytes.fetch_add(plain_bytes, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Bytes before compression.
    pub fn plain_bytes(&self) -> u64 {
        self.plain_bytes.load(Ordering::Relaxed)
    }

    /// Rows, where the stream is a COPY.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// One transfer that is under way.
#[derive(Clone, Debug)]
pub struct Item {
    /// A table, an index, a file.
    pub label: String,
    /// Bytes before compression; 0 when unknown.
    pub expected_bytes: u64,
    /// Of its sources.
    pub meters: Vec<Arc<Meter>>,
}

#[derive(Debug, Default)]
struct Board {
    phase: String,
    expected_bytes: u64,
    expected_items: u64,
    finished_bytes: u64,
    finished_rows: u64,
    finished_items: u64,
    next: u64,
    running: BTreeMap<u64, Item>,
}

/// What a step does just now; shared by its transfers and by whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Mutex<Board>>);

/// One moment of a step. Bytes are counted before compression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// In a few words.
    pub phase: String,
    /// Moved so far.
    pub bytes: u64,
    /// In total; 0 when unknown.
    pub expected_bytes: u64,
    /// Read so far.
    pub rows: u64,
    /// Finished.
    pub items: u64,
    /// In total.
    pub expected_items: u64,
    /// Label, bytes so far, expected bytes.
    pub running: Vec<(String, u64, u64)>,
}

impl Progress {
    fn board(&self) -> std::sync::MutexGuard<'_, Board> {
        // Counters stay meaningful after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the step is doing, in a few words.
    pub fn phase(&self, name: &str) {
        self.board().phase = name.to_owned();
    }

    /// The totals of the whole step; counting begins anew.
    pub fn expect(&self, bytes: u64, items: u64) {
        let mut board = self.board();
        board.expected_bytes = bytes;
        board.expected_items = items;
        board.finished_bytes = 0;
        board.finished_rows = 0;
        board.finished_items = 0;
    }

    pub(super) fn begin(&self, item: Item) -> u64 {
        let mut board = self.board();
        board.next += 1;
        let id = board.next;
        board.running.insert(id, item);
        id
    }

    pub(super) fn end(&self, id: u64) {
        let mut board = self.board();
        if let Some(item) = board.running.remove(&id) {
            board.finished_items += 1;
            board.finished_bytes += item
                .meters
                .iter()
                .map(|meter| meter.plain_bytes())
                .sum::<u64>();
            board.finished_rows += item.meters.iter().map(|meter| meter.rows()).sum::<u64>();
        }
    }

    /// This moment.
    pub fn snapshot(&self) -> Snapshot {
        let board = self.board();
        let mut bytes = board.finished_bytes;
        let mut rows = board.finished_rows;
        let mut running = Vec::with_capacity(board.running.len());
        for item in board.running.values() {
            let moved = item
                .meters
                .iter()
                .map(|meter| meter.plain_bytes())
                .sum::<u64>();
            bytes += moved;
            rows += item.meters.iter().map(|meter| meter.rows()).sum::<u64>();
            running.push((item.label.clone(), moved, item.expected_bytes));
        }
        Snapshot {
            phase: board.phase.clone(),
            bytes,
            expected_bytes: board.expected_bytes,
            rows,
            items: board.finished_items,
            expected_items: board.expected_items,
            running,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_item_keeps_its_count() {
        let progress = Progress::default();
        progress.expect(100, 2);
        let meter = Arc::new(Meter::default());
        let id = progress.begin(Item {
            label: "public.t".into(),
            expected_bytes: 60,
            meters: vec![meter.clone()],
        });
        meter.add(40, 3);
        assert_eq!(
            progress.snapshot().running,
            [("public.t".to_owned(), 40, 60)]
        );
        progress.end(id);
        let snapshot = progress.snapshot();
        assert_eq!((snapshot.bytes, snapshot.rows, snapshot.items), (40, 3, 1));
        assert!(snapshot.running.is_empty());
    }
}
