//! What plugins tell of a run, by key; the keys that the host knows have accessors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What was checked stays checked, and what was proven stays proven: the values of these keys add up over the steps of a run.
const ADDED_UP: [&str; 2] = ["proven", "verification"];

/// JSON values by key; the last one of a key stays, but of `verification` and `proven` all do. Known keys and the shapes that are shown best:
///
/// | key | shape |
/// |---|---|
/// | `change`, `rollback-plan` | a string, or a list of strings |
/// | `restore-command`, `snapshot-restore-command` | a string |
/// | `migrations` | a list of names, or of objects with a `name` |
/// | `backup`, `snapshot` | an id, or an object with an `id` |
/// | `downtime` | seconds, or an object with `seconds` |
/// | `verification` | a list of objects with `sql`, `result` and `ok`, or of strings; of a backup, an object with `backup`, `objects` and `problems` |
/// | `proven` | an object with `backup`, `database` and `seconds`; a list of them when the run has proven several backups |
///
/// Another shape is kept as it is and shown as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, Value>);

/// Something that was checked after the change, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Verification {
    /// A query, or `backup ID: 12 objects read back`.
    pub what: String,
    /// What the query returned, as text.
    pub result: Option<String>,
    /// `Some(false)` when the result was not the one expected.
    pub ok: Option<bool>,
}

impl Facts {
    /// Sets a fact; an earlier one of the same key is replaced, but `verification` and `proven` become lists of both. `_` in a key
    /// counts as `-`.
    pub fn set(&mut self, key: &str, value: Value) {
        let key = key.replace('_', "-");
        let value = match self.0.remove(&key) {
            Some(before) if ADDED_UP.contains(&key.as_str()) => {
                let list = |value| match value {
                    Value::Array(items) => items,
                    one => vec![one],
                };
                let mut all = list(before);
                all.extend(list(value));
                Value::Array(all)
            }
            _ => value,
        };
        self.0.insert(key, value);
    }

    /// A fact, by its key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    /// All facts, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Every value, to be cleaned in place.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.values_mut()
    }

    /// What the run changed, in words.
    pub fn change(&self) -> Option<String> {
        self.get("change").map(text)
    }

    /// How to go back: in a person's words, and the command that does it.
    pub fn rollback_plan(&self) -> Option<String> {
        let plans = [
            "rollback-plan",
            "restore-command",
            "snapshot-restore-command",
        ];
        let plans: Vec<String> = plans
            .into_iter()
            .filter_map(|key| self.get(key).map(text))
            .collect();
        (!plans.is_empty()).then(|| plans.join("; or: "))
    }

    /// The names of the migrations that were applied.
    pub fn migrations(&self) -> Vec<String> {
        let name = |value: &Value| text(value.get("name").unwrap_or(value));
        match self.get("migrations") {
            None => Vec::new(),
            Some(Value::Array(migrations)) => migrations.iter().map(name).collect(),
            Some(one) => vec![name(one)],
        }
    }

    /// The id of the backup that the run took.
    pub fn backup(&self) -> Option<String> {
        self.id("backup")
    }

    /// The id of the provider's snapshot that the run took.
    pub fn snapshot(&self) -> Option<String> {
        self.id("snapshot")
    }

    fn id(&self, key: &str) -> Option<String> {
        self.get(key)
            .map(|copy| text(copy.get("id").unwrap_or(copy)))
    }

    /// What the run has proven to restore: an object for each backup.
    pub fn proven(&self) -> &[Value] {
        match self.get("proven") {
            None => &[],
            Some(Value::Array(all)) => all,
            Some(one) => std::slice::from_ref(one),
        }
    }

    /// Seconds during which the application could not write.
    pub fn downtime(&self) -> Option<f64> {
        let downtime = self.get("downtime")?;
        downtime
            .as_f64()
            .or_else(|| downtime.get("seconds")?.as_f64())
    }

    /// The queries that were run to see that the change took.
    pub fn verification(&self) -> Vec<Verification> {
        match self.get("verification") {
            None => Vec::new(),
            Some(Value::Array(queries)) => queries.iter().map(verification).collect(),
            Some(query) => vec![verification(query)],
        }
    }
}

fn verification(value: &Value) -> Verification {
    if let Some(sql) = value.get("sql") {
        return Verification {
            what: text(sql),
            result: value
                .get("result")
                .filter(|result| !result.is_null())
                .map(text),
            ok: value.get("ok").and_then(Value::as_bool),
        };
    }
    let Some(backup) = value.get("backup") else {
        return Verification {
            what: text(value),
            result: None,
            ok: None,
        };
    };
    let objects = value
        .get("objects")
        .and_then(Value::as_u64)
        .unwrap_or_default();
    let problems = value
        .get("problems")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    let outcome = match problems {
        0 => format!("{objects} objects read back"),
        _ => format!("{problems} of {objects} objects are not as they were"),
    };
    Verification {
        what: format!("backup {}: {outcome}", text(backup)),
        result: None,
        ok: Some(problems == 0),
    }
}

/// A value as a person reads it: strings bare, lists of strings joined, anything else as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_string) => items
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_keys_are_read_in_all_their_shapes() {
        let mut facts = Facts::default();
        facts.set("migrations", json!(["20251217083615_init_schema", { "name": "20251217095346_add_user_phone", "ms": 3 }]));
        facts.set(
            "backup",
            json!({ "id": "2026-01-17T02-00-00Z-full-1f2e", "bytes": 1024 }),
        );
        facts.set("rollback_plan", json!(["drop the column", "redeploy 1.4"]));
        facts.set("downtime", json!({ "seconds": 0.25 }));
        facts.set(
            "verification",
            json!([{ "sql": "SELECT 1", "result": 1, "ok": true }, "looked at it"]),
        );
        assert_eq!(
            facts.migrations(),
            [
                "20251217083615_init_schema",
                "20251217095346_add_user_phone"
            ]
        );
        assert_eq!(
            facts.backup().as_deref(),
            Some("2026-01-17T02-00-00Z-full-1f2e")
        );
        assert_eq!(
            facts.rollback_plan().as_deref(),
            Some("drop the column; redeploy 1.4")
        );
        assert_eq!(facts.downtime(), Some(0.25));
        assert_eq!(facts.verification()[0].result.as_deref(), Some("1"));
        assert_eq!(facts.verification()[1].what, "looked at it");
        assert_eq!(facts.change(), None);

        let mut facts = Facts::default();
        facts.set("verification", json!(["first"]));
        facts.set("verification", json!([{ "sql": "SELECT 2" }]));
        assert_eq!(facts.verification().len(), 2);

        assert!(facts.proven().is_empty());
        facts.set("proven", json!({ "backup": "b1" }));
        assert_eq!(facts.get("proven"), Some(&json!({ "backup": "b1" })));
        assert_eq!(facts.proven(), [json!({ "backup": "b1" })]);
        facts.set("proven", json!({ "backup": "b2" }));
        facts.set("proven", json!({ "backup": "b3" }));
        let backups = facts.proven().iter().map(|proven| &proven["backup"]);
        assert_eq!(backups.collect::<Vec<_>>(), ["b1", "b2", "b3"]);

        facts.set("restore-command", json!("orchestrator restore b1"));
        assert_eq!(
            facts.rollback_plan().as_deref(),
            Some("orchestrator restore b1")
        );

        let mut facts = Facts::default();
        facts.set(
            "verification",
            json!({ "backup": "b1", "objects": 9, "problems": ["toc.dat is cut off"] }),
        );
        let checked = facts.verification().remove(0);
        assert_eq!(
            (checked.what.as_str(), checked.ok),
            (
                "backup b1: 1 of 9 objects are not as they were",
                Some(false)
            )
        );
    }

    #[test]
    fn another_shape_is_shown_as_json() {
        let mut facts = Facts::default();
        facts.set("change", json!({ "tables": 2 }));
        assert_eq!(facts.change().as_deref(), Some(r#"{"tables":2}"#));
    }
}
