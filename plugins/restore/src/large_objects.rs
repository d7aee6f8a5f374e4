//! The bytes of large objects, as the work behind a schedule.

use archive::Entry;
use archive::table_of_large_objects::LargeObject;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Step;
use orchestrator_sdk::streams::Receipt;

use crate::backup::Backup;
use crate::data::Loaded;
use crate::parallel::{Script, Work};
use crate::progress::Progress;
use crate::schedule::Task;

/// Large objects in one transaction.
const AT_ONCE: usize = 200;

/// Some of the large objects of an entry.
#[derive(Clone, Copy)]
struct Group<'a> {
    entry: u32,
    number: i32,
    objects: &'a [LargeObject],
}

/// Fills large objects that exist and are empty, a group in each transaction.
pub struct LargeObjects<'a> {
    backup: &'a Backup,
    groups: Vec<Group<'a>>,
    progress: &'a Progress,
    /// What has been written so far.
    pub loaded: Loaded,
}

impl<'a> LargeObjects<'a> {
    /// The entries are BLOBS; what is done of them is left out.
    pub fn new(
        backup: &'a Backup,
        entries: impl Iterator<Item = &'a Entry>,
        progress: &'a Progress,
    ) -> LargeObjects<'a> {
        let groups_of = |entry: &Entry| {
            let dump_id = entry.dump_id;
            let groups = backup.large_objects(entry).chunks(AT_ONCE).zip(0..);
            groups.map(move |(objects, number)| Group {
                entry: dump_id,
                number,
                objects,
            })
        };
        LargeObjects {
            backup,
            groups: entries
                .flat_map(groups_of)
                .filter(|group| !progress.is_piece_done(group.entry, group.number))
                .collect(),
            progress,
            loaded: Loaded::default(),
        }
    }

    /// One for each group, none of which waits for another.
    pub fn tasks(&self) -> Vec<Task> {
        let ids = 0..self.groups.len() as u32;
        ids.map(|id| Task {
            id,
            ..Task::default()
        })
        .collect()
    }

    fn group(&self, task: u32) -> &Group<'a> {
        &self.groups[task as usize]
    }
}

impl Work for LargeObjects<'_> {
    fn script(&self, task: u32) -> Result<Script, Error> {
        let write = |object: &LargeObject| {
            Ok(Step::WriteLargeObject((
                object.oid,
                self.backup.read_data(&object.filename)?,
            )))
        };
        let group = self.group(task);
        let mut steps = group
            .objects
            .iter()
            .map(write)
            .collect::<Result<Vec<_>, Error>>()?;
        let mark = self.progress.mark_piece(group.entry, group.number);
        steps.extend(mark.map(Step::Statement));
        Ok(Script {
            steps,
            atomic: true,
            label: self.name(task),
            expected_bytes: 0,
        })
    }

    fn entry(&self, task: u32) -> u32 {
        self.group(task).entry
    }

    fn done(&mut self, task: u32, receipt: &Receipt) -> Result<(), Error> {
        self.loaded.items += self.group(task).objects.len() as u64;
        self.loaded.bytes += receipt.plain_bytes;
        Ok(())
    }

    fn name(&self, task: u32) -> String {
        match self.group(task).objects {
            [first, .., last] => format!("large objects {} to {}", first.oid, last.oid),
            [only] => format!("large object {}", only.oid),
            [] => "large objects".to_owned(),
        }
    }
}
