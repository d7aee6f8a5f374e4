//! The parameters of a step: checked against the plugin's manifest, defaults filled in.

use manifest::{Kind, Manifest, Parameter};
use serde_json::{Map, Value};

use super::project::unknown;
use crate::capabilities::json;
use crate::failure::Failure;

/// Where a step's bindings come from when it does not name them.
pub(super) struct Inherited<'a> {
    pub database: Option<&'a str>,
    pub storage: Option<&'a str>,
}

/// Checks what was given, and fills in what was not: bindings from the steps before or the only one there is, the number of
/// jobs from the machine, the rest from the manifest.
pub(super) fn complete(
    manifest: &Manifest,
    given: &Map<String, Value>,
    inherited: &Inherited<'_>,
) -> Result<Map<String, Value>, Failure> {
    for name in given.keys() {
        if manifest.parameter(name).is_none() {
            let known = manifest
                .parameters
                .iter()
                .map(|parameter| parameter.name.as_str());
            return Err(unknown(
                &format!("parameter of {}", manifest.name),
                name,
                known,
            ));
        }
    }
    let mut complete = Map::new();
    for parameter in &manifest.parameters {
        let is_given = given.contains_key(&parameter.name);
        if parameter.kind == Kind::Environment && is_given {
            return Err(Failure::invalid_input(format!(
                "the parameter {} of {} is nobody's to set: the configuration and the database say it",
                parameter.name, manifest.name
            )));
        }
        let value = match given.get(&parameter.name) {
            Some(value) => {
                let value = accepted(manifest, parameter, value)?;
                let what = format!("the parameter {} of {}", parameter.name, manifest.name);
                json::check_depth(&what, &value.to_string())?;
                Some(value)
            }
            None => match (parameter.kind, &parameter.default) {
                (Kind::Database, None) => inherited.database.map(Value::from),
                (Kind::Storage, None) => inherited.storage.map(Value::from),
                (Kind::Integer, None) if parameter.name == "jobs" => Some(Value::from(cores())),
                (_, default) => default.clone(),
            },
        };
        match value {
            Some(value) => {
                complete.insert(parameter.name.clone(), value);
            }
            None if parameter.required => {
                return Err(Failure::invalid_input(format!(
                    "the plugin {} needs the parameter {}: {}",
                    manifest.name, parameter.name, parameter.description
                )));
            }
            None => {}
        }
    }
    Ok(complete)
}

/// The value, or what a text from the command line stands for.
fn accepted(manifest: &Manifest, parameter: &Parameter, value: &Value) -> Result<Value, Failure> {
    if parameter.kind.accepts(value) {
        return Ok(value.clone());
    }
    let parsed = match (parameter.kind, value.as_str()) {
        (Kind::Integer, Some(text)) => text.parse::<i64>().ok().map(Value::from),
        (Kind::Boolean, Some(text)) => text.parse::<bool>().ok().map(Value::from),
        (Kind::List, Some(text)) => Some(text.split(',').map(str::trim).map(Value::from).collect()),
        (Kind::Tables, Some(text)) => serde_json::from_str(text)
            .ok()
            .filter(|value| parameter.kind.accepts(value)),
        _ => None,
    };
    parsed.ok_or_else(|| {
        Failure::invalid_input(format!(
            "the parameter {} of {} is {value}, not {}",
            parameter.name,
            manifest.name,
            parameter.kind.expectation()
        ))
    })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::Limits;
    use serde_json::json;

    fn plugin() -> Manifest {
        serde_json::from_value(json!({
            "name": "backup", "version": "1.0.0", "description": "x",
            "asks": {"database": "read"},
            "parameters": [
                {"name": "database", "kind": "database", "required": true, "description": "which"},
                {"name": "jobs", "kind": "integer", "description": "how many"},
                {"name": "level", "kind": "integer", "default": 6, "description": "how small"},
                {"name": "table", "kind": "list", "description": "which"},
            ],
        }))
        .unwrap()
    }

    fn complete_with(given: Value, database: Option<&str>) -> Result<Value, Failure> {
        let inherited = Inherited {
            database,
            storage: None,
        };
        complete(&plugin(), given.as_object().unwrap(), &inherited).map(Value::Object)
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        assert_eq!(plugin().limits, Limits::default());
        let complete = complete_with(json!({"jobs": "3", "table": "a, b"}), Some("app")).unwrap();
        assert_eq!(
            complete,
            json!({"database": "app", "jobs": 3, "level": 6, "table": ["a", "b"]})
        );
    }

    #[test]
    fn mistakes_are_named() {
        let failure = complete_with(json!({"lvel": 1}), Some("app")).unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("did you mean \"level\"?"));
        let failure = complete_with(json!({"level": "high"}), Some("app")).unwrap_err();
        assert!(failure.message.contains("not an integer"), "{failure}");
        assert!(
            complete_with(json!({}), None)
                .unwrap_err()
                .message
                .contains("needs the parameter database")
        );
    }
}
