//! What a restore did, for its result: counts and seconds by phase.

use orchestrator_sdk::run;
use serde::Serialize;
use serde_json::{Value, json};

use crate::comparison::Compared;
use crate::data::Loaded;

/// Grows while the restore goes on.
#[derive(Debug, Default)]
pub struct Report {
    phases: Vec<Phase>,
    /// Unix milliseconds.
    begun: u64,
    /// Objects that were read in full before anything changed, and their bytes as stored.
    pub verified: Option<(usize, u64)>,
    /// Objects that were dropped first.
    pub dropped: usize,
    /// Tables.
    pub tables: Loaded,
    /// Large objects.
    pub large_objects: Loaded,
    /// What was held against the backup after it was restored, and is the same.
    pub compared: Option<Compared>,
    /// What an earlier restore had done already: entries and pieces of entries.
    pub resumed: Option<usize>,
    /// Roles that were created first.
    pub roles_created: Vec<String>,
    /// The name under which the database that was replaced is kept.
    pub kept_as: Option<String>,
    /// Rows that the deployment log did not have yet, when it was merged.
    pub merged: Option<u64>,
    /// Seconds from the first read of the storage until the restored database had answered the queries.
    pub recovered: Option<f64>,
    /// How many queries it answered.
    pub queries: usize,
}

#[derive(Debug, Serialize)]
struct Phase {
    name: &'static str,
    /// Entries, or objects of the storage.
    items: u64,
    seconds: f64,
}

impl Report {
    /// Begins now.
    pub fn new() -> Report {
        Report {
            begun: run::now(),
            ..Report::default()
        }
    }

    /// Runs a phase: names it for progress, and measures it. The work says how many items it had.
    pub fn phase<T, E>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut Report) -> Result<(u64, T), E>,
    ) -> Result<T, E> {
        run::phase(name);
        let begun = run::now();
        let (items, outcome) = work(self)?;
        self.phases.push(Phase {
            name,
            items,
            seconds: seconds(begun),
        });
        Ok(outcome)
    }

    /// When it began, Unix milliseconds.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// The database answers by now.
    pub fn answers(&mut self) {
        self.recovered = Some(seconds(self.begun));
    }

    /// The result's JSON.
    pub fn into_json(self, mode: &str, backup: &Value) -> Value {
        json!({
            "backup": backup,
            "mode": mode,
            "seconds": seconds(self.begun),
            "phases": self.phases,
            "verified": self.verified.map(|(objects, bytes)| json!({ "objects": objects, "bytes": bytes })),
            "dropped": self.dropped,
            "tables": self.tables.items,
            "rows": self.tables.rows,
            "bytes": self.tables.bytes + self.large_objects.bytes,
            "tables_with_rows_compared": self.tables.items,
            "large_objects": self.large_objects.items,
            "compared": self.compared,
            "resumed": self.resumed,
            "roles_created": self.roles_created,
            "kept_as": self.kept_as,
            "deployment_log_rows_added": self.merged,
            "seconds_to_recover": self.recovered,
        })
    }
}

fn seconds(since: u64) -> f64 {
    run::now().saturating_sub(since) as f64 / 1000.0
}
