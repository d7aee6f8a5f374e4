//! Rows, large objects and the values of sequences.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use archive::Entry;
use archive::identifiers::qualified;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::streams::{Receipt, TransferOptions};

use crate::backup::Backup;
use crate::deployment_log;
use crate::entries::{describe, loads_via_root, namespace, tag};
use crate::parallel::{Script, Work};
use crate::pieces::pieces;
use crate::progress::Progress;
use crate::schedule::Task;

/// Rows before compression that are worth it to empty a table for: the server makes new files for it and its TOAST table, which takes longer
/// than the log of less.
const FREEZE_BYTES: u64 = 1024 * 1024;

/// What was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Tables, or large objects.
    pub items: u64,
    /// Rows that COPY counted, which are those that the manifest promised, where there is one.
    pub rows: u64,
    /// Before compression.
    pub bytes: u64,
}

/// Some of the chunks of a table's rows.
struct Piece<'a> {
    entry: &'a Entry,
    number: i32,
    chunks: Range<usize>,
}

/// A table of which only some pieces are loaded.
#[derive(Clone, Copy, Debug, Default)]
struct Unfinished {
    pieces: usize,
    rows: u64,
}

/// Loads tables, as the work behind a schedule whose tasks are TABLE DATA entries.
pub struct Tables<'a> {
    backup: &'a Backup,
    entries: HashMap<u32, &'a Entry>,
    /// Dump ids of tables that this restore has created.
    created: &'a BTreeSet<u32>,
    progress: &'a Progress,
    /// Tables that several connections load, by tasks of their own.
    pieces: HashMap<u32, Piece<'a>>,
    /// How much is left of them, by the dump id of the entry.
    unfinished: HashMap<u32, Unfinished>,
    /// What has been loaded so far.
    pub loaded: Loaded,
    /// The tables, qualified and quoted.
    pub names: Vec<String>,
}

impl<'a> Tables<'a> {
    /// The entries are TABLE DATA.
    pub fn new(
        backup: &'a Backup,
        entries: impl Iterator<Item = &'a Entry>,
        created: &'a BTreeSet<u32>,
        progress: &'a Progress,
    ) -> Tables<'a> {
        Tables {
            backup,
            entries: entries.map(|entry| (entry.dump_id, entry)).collect(),
            created,
            progress,
            pieces: HashMap::new(),
            unfinished: HashMap::new(),
            loaded: Loaded::default(),
            names: Vec::new(),
        }
    }

    /// Cuts the tasks of big tables into several. Only tables that this restore has created: when one piece fails after
    /// another was committed, the whole table goes. `ordered` are the dump ids of tables whose rows have to stay in their order.
    /// What an earlier restore has done is left out, and counted; a table that it had cut stays cut.
    pub fn cut(
        &mut self,
        tasks: Vec<Task>,
        ordered: &BTreeSet<u32>,
        connections: usize,
    ) -> Result<Vec<Task>, Error> {
        let mut next = tasks.iter().map(|task| task.id).max().unwrap_or_default();
        let mut cut = Vec::with_capacity(tasks.len());
        for task in tasks {
            let entry = self.table(task.id)?;
            let was_cut = self.progress.has_pieces(entry.dump_id);
            if self.progress.is_done(entry.dump_id) {
                self.count_as_loaded(entry)?;
                continue;
            }
            let chunks = self
                .backup
                .table(entry)?
                .map_or(&[][..], |table| &table.chunks);
            let pieces = pieces(chunks);
            let readable = chunks.iter().all(|chunk| chunk.sha256.is_some());
            let is_ordered = entry
                .dependencies
                .iter()
                .any(|table| ordered.contains(table));
            let cannot = connections < 2 || pieces.len() < 2 || !readable || is_ordered;
            if !was_cut && (cannot || !self.is_fresh(entry)) {
                cut.push(task);
                continue;
            }
            let mut unfinished = Unfinished::default();
            for (chunks_of_piece, number) in pieces.into_iter().zip(0..) {
                if self.progress.is_piece_done(entry.dump_id, number) {
                    let done = chunks.get(chunks_of_piece).unwrap_or_default();
                    unfinished.rows += done.iter().map(|chunk| chunk.rows).sum::<u64>();
                    continue;
                }
                unfinished.pieces += 1;
                next += 1;
                let piece = Piece {
                    entry,
                    number,
                    chunks: chunks_of_piece,
                };
                self.pieces.insert(next, piece);
                cut.push(Task {
                    id: next,
                    ..task.clone()
                });
            }
            match unfinished.pieces {
                0 => self.count_as_loaded(entry)?,
                _ => drop(self.unfinished.insert(task.id, unfinished)),
            }
        }
        Ok(cut)
    }

    /// An earlier restore has loaded it.
    fn count_as_loaded(&mut self, entry: &Entry) -> Result<(), Error> {
        self.loaded.items += 1;
        self.loaded.rows += self.backup.table(entry)?.map_or(0, |table| table.rows);
        self.names.push(qualified(namespace(entry), tag(entry)));
        Ok(())
    }

    fn table(&self, task: u32) -> Result<&'a Entry, Error> {
        let piece = self.pieces.get(&task).map(|piece| piece.entry);
        piece
            .or_else(|| self.entries.get(&task).copied())
            .ok_or_else(|| Error::internal(format!("entry {task} holds no rows")))
    }

    /// A table that this transaction truncates needs no log of its rows, and can take them as frozen.
    fn is_fresh(&self, entry: &Entry) -> bool {
        entry
            .dependencies
            .iter()
            .any(|table| self.created.contains(table))
            && !loads_via_root(entry)
    }
}

impl Work for Tables<'_> {
    fn script(&self, task: u32) -> Result<Script, Error> {
        let entry = self.table(task)?;
        let label = format!("{}.{}", namespace(entry), tag(entry));
        if let Some(piece) = self.pieces.get(&task) {
            let object = self.backup.data_object(&entry.filename)?;
            let chunks = self
                .backup
                .table(entry)?
                .and_then(|table| table.chunks.get(piece.chunks.clone()))
                .unwrap_or_default();
            let copy = copy_statement(entry, false)?;
            let steps = chunks.iter().map(|chunk| {
                let rows = self.backup.read_chunk(object, chunk)?;
                Ok(Step::CopyIn((copy.clone(), rows)))
            });
            let mut steps = steps.collect::<Result<Vec<_>, Error>>()?;
            let mark = self.progress.mark_piece(entry.dump_id, piece.number);
            steps.extend(mark.map(Step::Statement));
            return Ok(Script {
                steps,
                atomic: true,
                label,
                expected_bytes: chunks.iter().map(|chunk| chunk.plain_bytes).sum(),
            });
        }
        let table = qualified(namespace(entry), tag(entry));
        let expected_bytes = self.backup.expected_bytes(entry);
        let fresh = self.is_fresh(entry) && expected_bytes >= FREEZE_BYTES;
        let mut steps = Vec::new();
        if fresh {
            steps.push(Step::Statement(format!("TRUNCATE TABLE ONLY {table}")));
        }
        steps.push(Step::CopyIn((
            copy_statement(entry, fresh)?,
            self.backup.read_data(&entry.filename)?,
        )));
        let mark = self.progress.mark(entry.dump_id);
        steps.extend(mark.map(Step::Statement));
        Ok(Script {
            steps,
            atomic: true,
            label,
            expected_bytes,
        })
    }

    fn entry(&self, task: u32) -> u32 {
        self.table(task).map_or(0, |entry| entry.dump_id)
    }

    fn done(&mut self, task: u32, receipt: &Receipt) -> Result<(), Error> {
        let entry = self.table(task)?;
        // The last step keeps account of the others.
        let marks = usize::from(self.progress.mark(entry.dump_id).is_some());
        let copies = receipt.steps.len().saturating_sub(marks);
        let mut copied: u64 = receipt.steps.iter().take(copies).sum();
        self.loaded.rows += copied;
        self.loaded.bytes += receipt.plain_bytes;
        if let Some(unfinished) = self.unfinished.get_mut(&entry.dump_id) {
            unfinished.pieces -= 1;
            unfinished.rows += copied;
            if unfinished.pieces > 0 {
                return Ok(());
            }
            copied = unfinished.rows;
        }
        compare_rows(self.backup, entry, copied)?;
        self.loaded.items += 1;
        self.names.push(qualified(namespace(entry), tag(entry)));
        Ok(())
    }

    fn name(&self, task: u32) -> String {
        self.table(task).map_or_else(|_| task.to_string(), describe)
    }
}

/// Merges the backup's rows of the host's deployment log into the target's; the number that was new.
pub fn merge_deployment_log(
    connection: &Connection,
    backup: &Backup,
    entry: &Entry,
) -> Result<u64, Error> {
    let named = |error: Error| error.while_doing(format_args!("merging {}", describe(entry)));
    let rows = backup.read_data(&entry.filename).map_err(named)?;
    let steps = deployment_log::merge(entry, rows)
        .ok_or_else(|| named(Error::corrupt("its COPY statement does not name columns")))?;
    let options = TransferOptions {
        label: "deployment log".to_owned(),
        expected_bytes: backup.expected_bytes(entry),
    };
    let receipt = connection
        .run_script(steps, true, &options)
        .map_err(named)?
        .wait()
        .map_err(named)?;
    let of_step = |index: usize| receipt.steps.get(index).copied().unwrap_or_default();
    compare_rows(backup, entry, of_step(1))?;
    Ok(of_step(2))
}

/// The archive's own statement, with FREEZE where the table is empty and of this transaction.
fn copy_statement(entry: &Entry, freeze: bool) -> Result<String, Error> {
    let statement = entry
        .copy_statement
        .as_deref()
        .unwrap_or_default()
        .trim_end()
        .trim_end_matches(';');
    if !statement.ends_with(" FROM stdin") {
        return Err(
            Error::unsupported(format!("{} was not dumped with COPY", describe(entry)))
                .hint("dump it again without --inserts, or restore it with pg_restore"),
        );
    }
    Ok(if freeze {
        format!("{statement} WITH (FREEZE)")
    } else {
        statement.to_owned()
    })
}

fn compare_rows(backup: &Backup, entry: &Entry, copied: u64) -> Result<(), Error> {
    let Some(promised) = backup.table(entry)?.map(|table| table.rows) else {
        return Ok(());
    };
    if copied == promised {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{} has {promised} rows in the manifest, and {copied} came out of the backup",
        describe(entry)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    #[test]
    fn the_copy_of_the_archive_is_used() {
        let mut data = entry(2, "TABLE DATA", "public", "t", &[1]);
        assert_eq!(
            copy_statement(&data, false).unwrap(),
            "COPY public.t (id) FROM stdin"
        );
        assert_eq!(
            copy_statement(&data, true).unwrap(),
            "COPY public.t (id) FROM stdin WITH (FREEZE)"
        );
        data.copy_statement = Some(String::new());
        assert!(copy_statement(&data, true).is_err());
    }
}
