//! Which backups are known to be damaged: when somebody last looked, by `backup verify`, by a drill or by a restore, bytes of them were missing
//! or other ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::DeploymentLog;
use super::error::LogError;
use super::record::{RunRecord, Status, StepRecord};

/// The kind of the errors that say so.
const CORRUPT: &str = "corrupt";

/// The last look at each backup, by storage and prefix: when it was, and whether the backup was damaged.
#[derive(Debug, Default)]
pub(super) struct Looks(BTreeMap<(String, String), (Timestamp, Option<Uuid>)>);

impl Looks {
    /// Takes what the steps of a run have seen.
    pub fn add(&mut self, record: &RunRecord) {
        for step in &record.steps {
            let Some((storage, prefix, at, is_damaged)) = seen(step) else {
                continue;
            };
            let look = (at, is_damaged.then_some(record.run_id));
            let pair = (storage.to_owned(), prefix.to_owned());
            let known = self.0.entry(pair).or_insert(look);
            if known.0 <= at {
                *known = look;
            }
        }
    }

    /// Storage and prefix of each damaged backup, and the run that found it so.
    pub fn damaged(self) -> impl Iterator<Item = (String, String, Uuid)> {
        self.0
            .into_iter()
            .filter_map(|((storage, prefix), (_, run))| Some((storage, prefix, run?)))
    }
}

impl DeploymentLog {
    /// The prefixes of damaged backups in the storage of this binding, as far as runs known on this machine tell. A backup that was found whole
    /// since is not among them.
    pub fn damaged(&self, storage: &str) -> Result<BTreeSet<String>, LogError> {
        let mut looks = Looks::default();
        self.each(|record| looks.add(record))?;
        let of_storage = looks.damaged().filter(|(of, _, _)| of == storage);
        Ok(of_storage.map(|(_, prefix, _)| prefix).collect())
    }
}

/// What a step has seen of a backup: its storage, its prefix, when, and whether it is damaged.
fn seen(step: &StepRecord) -> Option<(&str, &str, Timestamp, bool)> {
    // A drill and a restore read what they need: all of a backup is read by the first of these alone.
    let reads_all = match step.plugin.as_str() {
        "verify" => true,
        "restore" => false,
        _ => return None,
    };
    let is_damaged = match step.status {
        Status::Succeeded if reads_all => false,
        Status::Failed if step.error.as_ref()?.kind == CORRUPT => true,
        _ => return None,
    };
    let text = |name: &str| step.parameters.get(name).and_then(Value::as_str);
    let prefix = text("backup")?.trim_end_matches('/');
    Some((text("storage")?, prefix, step.finished?, is_damaged))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deployment_log::{ErrorRecord, Trigger};

    fn record(plugin: &str, hour: i8, parameters: Value, error: Option<&str>) -> RunRecord {
        let at: Timestamp = format!("2026-01-17T{hour:02}:00:00Z").parse().unwrap();
        let mut record = RunRecord::new(plugin, Trigger::Cli, "me", "local");
        record.steps.push(StepRecord {
            plugin: plugin.to_owned(),
            version: "1".to_owned(),
            sha256: String::new(),
            parameters,
            started: at,
            finished: Some(at),
            status: match error {
                None => Status::Succeeded,
                Some(_) => Status::Failed,
            },
            result: None,
            error: error.map(|kind| ErrorRecord {
                kind: kind.to_owned(),
                ..ErrorRecord::default()
            }),
        });
        record
    }

    fn of(storage: &str, backup: &str) -> Value {
        json!({ "storage": storage, "backup": backup })
    }

    #[test]
    fn the_last_look_counts() {
        let restore = |mode: &str| json!({ "storage": "main", "backup": "app/e", "mode": mode });
        let records = [
            record("verify", 3, of("main", "app/a"), None),
            record("verify", 2, of("main", "app/a"), Some("corrupt")),
            record("verify", 1, of("main", "app/b"), None),
            record("verify", 2, of("main", "app/b/"), Some("corrupt")),
            record("verify", 2, of("main", "app/c"), Some("unavailable")),
            record("verify", 2, of("other", "app/d"), Some("corrupt")),
            record("backup", 2, of("main", "app/d"), Some("corrupt")),
            // Neither a restore nor a drill has seen all of it.
            record("restore", 2, restore("into-empty"), Some("corrupt")),
            record("restore", 3, restore("into-empty"), None),
            record("restore", 4, restore("check"), None),
        ];
        let damaged = |records: &[&RunRecord]| {
            let mut looks = Looks::default();
            records.iter().for_each(|record| looks.add(record));
            let found = looks.damaged();
            found
                .map(|(storage, prefix, run)| (format!("{storage} {prefix}"), run))
                .collect::<Vec<_>>()
        };
        let mut all: Vec<&RunRecord> = records.iter().collect();
        let [b, d, e] = [3, 5, 7].map(|at: usize| records[at].run_id);
        let of_b = ("main app/b".to_owned(), b);
        let of_d = ("other app/d".to_owned(), d);
        let of_e = ("main app/e".to_owned(), e);
        assert_eq!(damaged(&all), [of_b.clone(), of_e, of_d.clone()]);
        let whole = record("verify", 4, of("main", "app/e"), None);
        all.push(&whole);
        assert_eq!(damaged(&all), [of_b, of_d]);
    }
}
