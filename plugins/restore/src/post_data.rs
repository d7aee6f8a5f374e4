//! Indexes, constraints, triggers and the like, as the work behind a schedule.

use std::collections::HashMap;

use archive::Entry;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Step;
use orchestrator_sdk::streams::Receipt;

use crate::entries::{describe, namespace, tag};
use crate::parallel::{Script, Work};
use crate::progress::Progress;
use crate::statements::Style;

/// Runs each entry by itself.
pub struct PostData<'a> {
    entries: HashMap<u32, &'a Entry>,
    style: Style,
    progress: &'a Progress,
    /// How many have been restored.
    pub restored: u64,
}

impl<'a> PostData<'a> {
    /// The entries that are tasks of the schedule.
    pub fn new(
        entries: impl Iterator<Item = &'a Entry>,
        style: Style,
        progress: &'a Progress,
    ) -> PostData<'a> {
        PostData {
            entries: entries.map(|entry| (entry.dump_id, entry)).collect(),
            style,
            progress,
            restored: 0,
        }
    }
}

impl Work for PostData<'_> {
    fn script(&self, task: u32) -> Result<Script, Error> {
        let entry = self
            .entries
            .get(&task)
            .ok_or_else(|| Error::internal(format!("entry {task} is not to be restored")))?;
        let mut sql = self.style.statements(entry);
        sql.extend(self.progress.mark(entry.dump_id));
        Ok(Script {
            steps: vec![Step::Statement(sql)],
            atomic: false,
            label: format!("{} {}.{}", entry.desc, namespace(entry), tag(entry)),
            expected_bytes: 0,
        })
    }

    fn entry(&self, task: u32) -> u32 {
        task
    }

    fn done(&mut self, _task: u32, _receipt: &Receipt) -> Result<(), Error> {
        self.restored += 1;
        Ok(())
    }

    fn name(&self, task: u32) -> String {
        self.entries
            .get(&task)
            .map_or_else(|| task.to_string(), |entry| describe(entry))
    }
}
