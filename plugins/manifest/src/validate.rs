//! The rules of a manifest that its types don't carry.

use crate::{Kind, Manifest, Parameter, TableName};

/// A manifest that cannot be used as it stands.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or JSON of another shape: an unknown key, a missing one, a value of another type.
    #[error("reading a plugin's manifest: {0}")]
    Shape(#[from] serde_json::Error),
    /// A rule of the manifest is broken.
    #[error("the manifest of plugin `{plugin}`: {problem}")]
    Rule {
        /// The name that the manifest gives.
        plugin: String,
        /// What is wrong, and where.
        problem: String,
    },
}

/// Keys of a step that belong to the job, so that no parameter can have their names.
const RESERVED: [&str; 4] = ["plugin", "name", "limits", "parameters"];

/// More than a host can honestly offer to one step.
const MEMORY_MIB_MAX: u32 = 4_096;

/// What the name of a plugin has to be, in words.
pub const NAME_RULE: &str = "lowercase words with hyphens between them";

/// Whether a plugin can have this name: see [`NAME_RULE`].
pub fn is_plugin_name(text: &str) -> bool {
    is_words(text, '-')
}

impl Manifest {
    /// Checks names, limits and parameters, and that what the parameters name is also asked for.
    pub fn validate(&self) -> Result<(), ManifestError> {
        self.check().map_err(|problem| ManifestError::Rule {
            plugin: self.name.clone(),
            problem,
        })
    }

    fn check(&self) -> Result<(), String> {
        if !is_plugin_name(&self.name) {
            return Err(format!("the name `{}` is not {NAME_RULE}", self.name));
        }
        if self.version.is_empty() {
            return Err("the version is empty".to_owned());
        }
        if !is_release(&self.contract) {
            return Err(format!(
                "the contract `{}` is not a version like 0.1.0",
                self.contract
            ));
        }
        if self.description.trim().is_empty() || self.description.contains('\n') {
            return Err("the description is not one line".to_owned());
        }
        self.check_asks()?;
        self.check_limits()?;
        for (index, parameter) in self.parameters.iter().enumerate() {
            parameter.check()?;
            if self.parameters[..index]
                .iter()
                .any(|earlier| earlier.name == parameter.name)
            {
                return Err(format!("two parameters are named `{}`", parameter.name));
            }
        }
        let database = self.parameter("database").map(|parameter| parameter.kind);
        if self.seed.is_some() && database != Some(Kind::Database) {
            return Err(
                "a seed has no parameter `database` of the kind `database`: that is where it writes"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// A plugin reaches a binding only by a parameter, so asks and parameters belong together.
    fn check_asks(&self) -> Result<(), String> {
        for (index, right) in self.asks.storage.iter().enumerate() {
            if self.asks.storage[..index].contains(right) {
                return Err(format!("asks.storage names {} twice", right.name()));
            }
        }
        for (index, right) in self.asks.snapshots.iter().enumerate() {
            if self.asks.snapshots[..index].contains(right) {
                return Err(format!("asks.snapshots names {} twice", right.name()));
            }
        }
        self.check_tables()?;
        let named = |kind| {
            self.parameters
                .iter()
                .any(|parameter| parameter.kind == kind)
        };
        let on_database = self.asks.database.is_some() || !self.asks.snapshots.is_empty();
        let on_tables = !self.asks.tables.is_empty();
        let pairs = [
            match on_tables {
                true => ("tables", true, Kind::Database),
                false => ("database", on_database, Kind::Database),
            },
            ("storage", !self.asks.storage.is_empty(), Kind::Storage),
            ("files", self.asks.files, Kind::Folder),
        ];
        for (what, asked, kind) in pairs {
            let named = named(kind);
            let kind = format!("{kind:?}").to_lowercase();
            match (asked, named) {
                (true, false) => {
                    return Err(format!(
                        "asks.{what} is set, but no parameter has the kind `{kind}`"
                    ));
                }
                (false, true) => {
                    return Err(format!(
                        "a parameter has the kind `{kind}`, but asks.{what} is not set"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A plugin asks for a whole database or for tables of it: the one would make the other mean nothing.
    fn check_tables(&self) -> Result<(), String> {
        let asks = &self.asks;
        if let (Some(access), false) = (asks.database, asks.tables.is_empty()) {
            return Err(format!(
                "asks.tables stands beside asks.database = \"{}\", which is every table: leave one of them out",
                access.name()
            ));
        }
        for (table, rights) in &asks.tables {
            TableName::parse(table).map_err(|problem| format!("asks.tables: {problem}"))?;
            if rights.is_empty() {
                return Err(format!("asks.tables names {table:?} without any right"));
            }
            for (index, right) in rights.iter().enumerate() {
                if rights[..index].contains(right) {
                    return Err(format!(
                        "asks.tables names {} of {table:?} twice",
                        right.name()
                    ));
                }
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), String> {
        let limits = &self.limits;
        let positive = [
            ("memory_mib", limits.memory_mib),
            ("deadline_seconds", limits.deadline_seconds),
            ("connections", limits.connections),
            ("transfers", limits.transfers),
            ("log_kib", limits.log_kib),
            ("result_kib", limits.result_kib),
        ];
        if let Some((name, _)) = positive.iter().find(|(_, value)| *value == 0) {
            return Err(format!("limits.{name} is 0"));
        }
        if limits.memory_mib > MEMORY_MIB_MAX {
            return Err(format!(
                "limits.memory_mib is {}, and a 32-bit component has at most {MEMORY_MIB_MAX}",
                limits.memory_mib
            ));
        }
        Ok(())
    }
}

impl Parameter {
    fn check(&self) -> Result<(), String> {
        let name = &self.name;
        if !is_words(name, '_') {
            return Err(format!(
                "the parameter `{name}` is not lowercase words with underscores between them"
            ));
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(format!(
                "a parameter cannot be named `{name}`: a step has that key already"
            ));
        }
        if self.description.trim().is_empty() {
            return Err(format!("the parameter `{name}` has no description"));
        }
        match &self.default {
            Some(_) if self.required => Err(format!(
                "the parameter `{name}` is required and has a default"
            )),
            Some(default) if !self.kind.accepts(default) => Err(format!(
                "the default of the parameter `{name}` is not {}: {default}",
                self.kind.expectation()
            )),
            _ => Ok(()),
        }
    }
}

/// Words of a-z and 0-9 that begin with a letter, with one separator between two of them.
fn is_words(text: &str, separator: char) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split(separator).all(|word| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Three numbers with dots between them.
fn is_release(version: &str) -> bool {
    let mut parts = version.split('.');
    parts
        .by_ref()
        .take(3)
        .filter(|part| part.parse::<u32>().is_ok())
        .count()
        == 3
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Access, Limits, Manifest, StorageRight, TableRight};

    fn example() -> serde_json::Value {
        json!({
            "name": "my-seed",
            "version": "1.2.3",
            "description": "Fills tables",
            "asks": { "database": "write", "storage": ["read"] },
            "limits": { "memory_mib": 64 },
            "parameters": [
                { "name": "database", "kind": "database", "required": true, "description": "where to" },
                { "name": "storage", "kind": "storage", "default": "main", "description": "where from" },
                { "name": "only_table", "kind": "list", "default": ["User"], "description": "which" },
            ],
        })
    }

    fn problem_of(change: impl FnOnce(&mut serde_json::Value)) -> String {
        let mut manifest = example();
        change(&mut manifest);
        Manifest::from_json(manifest.to_string().as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_left_out_has_defaults_and_json_keeps_everything() {
        let manifest = Manifest::from_json(example().to_string().as_bytes()).unwrap();
        assert_eq!(manifest.contract, crate::CONTRACT);
        assert_eq!(manifest.asks.database, Some(Access::Write));
        assert_eq!(manifest.asks.storage, [StorageRight::Read]);
        assert_eq!(
            manifest.limits,
            Limits {
                memory_mib: 64,
                ..Limits::default()
            }
        );
        assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
    }

    #[test]
    fn every_broken_rule_is_named() {
        let cases: [(&str, serde_json::Value, &str); 15] = [
            ("/name", json!("My Seed"), "the name `My Seed` is not"),
            ("/contract", json!("0.1"), "the contract `0.1` is not"),
            (
                "/description",
                json!(" "),
                "the description is not one line",
            ),
            (
                "/limits",
                json!({"connections": 0}),
                "limits.connections is 0",
            ),
            (
                "/asks",
                json!({"storage": ["read"]}),
                "asks.database is not set",
            ),
            ("/asks/storage", json!(["read", "read"]), "names read twice"),
            (
                "/asks",
                json!({"storage": ["read"], "tables": {}}),
                "asks.database is not set",
            ),
            (
                "/asks/tables",
                json!({"User": ["select"]}),
                "beside asks.database = \"write\"",
            ),
            (
                "/asks",
                json!({"tables": {"User": []}}),
                "names \"User\" without any right",
            ),
            (
                "/asks",
                json!({"tables": {"User": ["select", "select"]}}),
                "names select of \"User\" twice",
            ),
            (
                "/asks",
                json!({"tables": {"a.b.c": ["select"]}}),
                "asks.tables: \"a.b.c\" is no name of a table",
            ),
            (
                "/asks",
                json!({"tables": {"User": ["references"]}}),
                "unknown variant `references`, expected one of `select`",
            ),
            (
                "/parameters/0/name",
                json!("plugin"),
                "cannot be named `plugin`",
            ),
            (
                "/parameters/1/name",
                json!("database"),
                "two parameters are named",
            ),
            (
                "/parameters/2/default",
                json!("User"),
                "is not a list of texts: \"User\"",
            ),
        ];
        for (pointer, value, expected) in cases {
            let problem = problem_of(|manifest| {
                let (parent, key) = pointer.rsplit_once('/').unwrap();
                match manifest.pointer_mut(parent).unwrap() {
                    serde_json::Value::Object(map) => map.insert(key.to_owned(), value),
                    _ => unreachable!("{pointer}"),
                };
            });
            assert!(problem.contains(expected), "{pointer}: {problem}");
        }
    }

    #[test]
    fn tables_are_asked_for_in_place_of_a_database() {
        let mut asking = example();
        asking["asks"] = json!({"storage": ["read"], "tables": {"User": ["select", "insert"], "audit.log": ["insert"]}});
        let manifest = Manifest::from_json(asking.to_string().as_bytes()).unwrap();
        assert_eq!(
            manifest.asks.tables["User"],
            [TableRight::Select, TableRight::Insert]
        );
        assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
        asking["parameters"].as_array_mut().unwrap().remove(0);
        let problem = Manifest::from_json(asking.to_string().as_bytes()).unwrap_err();
        assert!(
            problem
                .to_string()
                .contains("asks.tables is set, but no parameter has the kind `database`"),
            "{problem}"
        );
    }

    #[test]
    fn a_manifest_without_tables_is_written_as_before() {
        let manifest = Manifest::from_json(example().to_string().as_bytes()).unwrap();
        let written: serde_json::Value = serde_json::from_slice(&manifest.to_json()).unwrap();
        assert_eq!(
            written["asks"],
            json!({"database": "write", "storage": ["read"], "files": false})
        );
    }

    #[test]
    fn unknown_keys_are_named() {
        let problem = problem_of(|manifest| manifest["asks"]["network"] = json!(true));
        assert!(problem.contains("unknown field `network`"), "{problem}");
    }
}
