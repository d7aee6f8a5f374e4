//! The bytes of large objects, as the work behind a schedule.

use archive::Entry;
use archive::table_of_large_objects::LargeObject;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Step;
use orchestrator_sdk::streams::Receipt;

use crate::backup::Backup;
use crate::data::Loaded;
use crate::parallel::{Script, Work};
use crate::schedule::Task;

/// Large objects in one transaction.
const AT_ONCE: usize = 200;

/// Fills large objects that exist and are empty, a group in each transaction.
pub struct LargeObjects<'a> {
    backup: &'a Backup,
    groups: Vec<&'a [LargeObject]>,
    /// What has been written so far.
    pub loaded: Loaded,
}

impl<'a> LargeObjects<'a> {
    /// The entries are BLOBS.
    pub fn new(backup: &'a Backup, entries: impl Iterator<Item = &'a Entry>) -> LargeObjects<'a> {
        LargeObjects {
            backup,
            groups: entries
                .flat_map(|entry| backup.large_objects(entry).chunks(AT_ONCE))
                .collect(),
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

    fn group(&self, task: u32) -> &'a [LargeObject] {
        self.groups.get(task as usize).copied().unwrap_or_default()
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
        Ok(Script {
            steps: self
                .group(task)
                .iter()
                .map(write)
                .collect::<Result<_, Error>>()?,
            atomic: true,
            label: self.name(task),
            expected_bytes: 0,
        })
    }

    fn done(&mut self, task: u32, receipt: &Receipt) -> Result<(), Error> {
        self.loaded.items += self.group(task).len() as u64;
        self.loaded.bytes += receipt.plain_bytes;
        Ok(())
    }

    fn name(&self, task: u32) -> String {
        match self.group(task) {
            [first, .., last] => format!("large objects {} to {}", first.oid, last.oid),
            [only] => format!("large object {}", only.oid),
            [] => "large objects".to_owned(),
        }
    }
}
