//! Which backups are known to be damaged: when somebody last looked, by `backup verify`, by a drill or by a restore, bytes of them were missing
//! or other ones.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use super::DeploymentLog;
use super::error::LogError;
use super::record::{RunRecord, Status, StepRecord};

/// The kind of the errors that say so.
const CORRUPT: &str = "corrupt";

impl DeploymentLog {
    /// The prefixes of damaged backups in the storage of this binding, as far as runs known on this machine tell. A backup that was found whole
    /// since is not among them.
    pub fn damaged(&self, storage: &str) -> Result<BTreeSet<String>, LogError> {
        let history = self.journal.read()?;
        Ok(damaged(
            history.runs().map(|run| run.record.whole()),
            storage,
        ))
    }
}

fn damaged<R: Borrow<RunRecord>>(
    records: impl Iterator<Item = R>,
    storage: &str,
) -> BTreeSet<String> {
    let mut last: BTreeMap<String, (Timestamp, bool)> = BTreeMap::new();
    for record in records {
        for step in &record.borrow().steps {
            let Some((prefix, at, is_damaged)) = seen(step, storage) else {
                continue;
            };
            let known = last.entry(prefix.to_owned()).or_insert((at, is_damaged));
            if known.0 <= at {
                *known = (at, is_damaged);
            }
        }
    }
    let damaged = last.into_iter().filter(|(_, (_, is_damaged))| *is_damaged);
    damaged.map(|(prefix, _)| prefix).collect()
}

/// What a step has seen of a backup: its prefix, when, and whether it is damaged.
fn seen<'a>(step: &'a StepRecord, storage: &str) -> Option<(&'a str, Timestamp, bool)> {
    let text = |name: &str| step.parameters.get(name).and_then(Value::as_str);
    // All of a backup is read by these two alone.
    let reads_all = match step.plugin.as_str() {
        "verify" => true,
        "restore" => text("mode") == Some("check"),
        _ => return None,
    };
    let is_damaged = match step.status {
        Status::Succeeded if reads_all => false,
        Status::Failed if step.error.as_ref()?.kind == CORRUPT => true,
        _ => return None,
    };
    if text("storage")? != storage {
        return None;
    }
    let prefix = step.parameters.get("backup")?.as_str()?;
    Some((prefix.trim_end_matches('/'), step.finished?, is_damaged))
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
            // A restore of a part has not seen all of it.
            record("restore", 2, restore("into-empty"), Some("corrupt")),
            record("restore", 3, restore("into-empty"), None),
        ];
        let found = damaged(records.iter(), "main");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["app/b", "app/e"]);
        let proven = record("restore", 4, restore("check"), None);
        let found = damaged(records.iter().chain([&proven]), "main");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["app/b"]);
    }
}
