//! The manifest asks, the operator grants; both must agree before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use manifest::{Access, Manifest, StorageRight};

use super::limits::StepLimits;
use crate::failure::Failure;

/// What the operator allows a plugin that is not built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorGrants {
    /// By the name of the binding.
    pub databases: BTreeMap<String, Access>,
    /// By the name of the binding.
    pub storage: BTreeMap<String, BTreeSet<StorageRight>>,
}

/// Who grants.
#[derive(Clone, Debug)]
pub enum Operator {
    /// A plugin of this program: whoever names a binding in a step grants what the plugin asks for on it.
    BuiltIn,
    /// A plugin of the operator's own.
    Configured(OperatorGrants),
}

/// The bindings that a step names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedBindings {
    /// Names of databases.
    pub databases: BTreeSet<String>,
    /// Names of storages.
    pub storage: BTreeSet<String>,
    /// Names of folders.
    pub folders: BTreeSet<String>,
}

/// What a step may do: only what was both asked and granted, and only on the bindings that the step names.
#[derive(Clone, Debug)]
pub struct Grants {
    databases: BTreeMap<String, Access>,
    storage: BTreeMap<String, BTreeSet<StorageRight>>,
    folders: BTreeSet<String>,
    /// What it may use up.
    pub limits: StepLimits,
}

impl Grants {
    /// Both sides, or a refusal that shows both.
    pub fn agree(
        manifest: &Manifest,
        named: &NamedBindings,
        operator: &Operator,
        limits: StepLimits,
    ) -> Result<Self, Failure> {
        let asked_storage: BTreeSet<_> = manifest.asks.storage.iter().copied().collect();
        let mut missing = Vec::new();
        let mut agreed = Self {
            databases: BTreeMap::new(),
            storage: BTreeMap::new(),
            folders: BTreeSet::new(),
            limits: limits.asked(&manifest.limits),
        };
        if let Some(asked) = manifest.asks.database {
            for binding in &named.databases {
                let granted = match operator {
                    Operator::BuiltIn => Some(asked),
                    Operator::Configured(grants) => grants.databases.get(binding).copied(),
                };
                match granted {
                    Some(granted) if granted >= asked => {
                        agreed.databases.insert(binding.clone(), asked);
                    }
                    granted => missing.push(format!(
                        "database {binding}: the plugin asks for {}, the configuration grants {}",
                        access_name(asked),
                        granted.map_or("nothing", access_name)
                    )),
                }
            }
        }
        for binding in &named.storage {
            let granted = match operator {
                Operator::BuiltIn => asked_storage.clone(),
                Operator::Configured(grants) => {
                    grants.storage.get(binding).cloned().unwrap_or_default()
                }
            };
            if asked_storage.is_subset(&granted) {
                agreed
                    .storage
                    .insert(binding.clone(), asked_storage.clone());
            } else {
                missing.push(format!(
                    "storage {binding}: the plugin asks for {}, the configuration grants {}",
                    right_names(&asked_storage),
                    right_names(&granted)
                ));
            }
        }
        for binding in &named.folders {
            match operator {
                Operator::BuiltIn if manifest.asks.files => {
                    agreed.folders.insert(binding.clone());
                }
                _ => missing.push(format!(
                    "folder {binding}: the plugin asks to read its files, the configuration grants nothing"
                )),
            }
        }
        if missing.is_empty() {
            return Ok(agreed);
        }
        Err(Failure::refused(format!(
            "the plugin {} is not granted what it asks for: {}",
            manifest.name,
            missing.join("; ")
        ))
        .hint(format!(
            "if you trust it with that, grant it under [plugins.{}] in orchestrator.toml",
            manifest.name
        )))
    }

    /// The access to a database.
    pub fn database(&self, binding: &str) -> Result<Access, Failure> {
        self.databases
            .get(binding)
            .copied()
            .ok_or_else(|| not_granted("database", binding))
    }

    /// Fails unless the right is there.
    pub fn storage(&self, binding: &str, right: StorageRight) -> Result<(), Failure> {
        let rights = self
            .storage
            .get(binding)
            .ok_or_else(|| not_granted("storage", binding))?;
        if rights.contains(&right) {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "the step has the rights {} on the storage {binding}, and this needs {}",
            right_names(rights),
            right_name(right)
        )))
    }

    /// Fails unless the folder may be read.
    pub fn folder(&self, binding: &str) -> Result<(), Failure> {
        match self.folders.contains(binding) {
            true => Ok(()),
            false => Err(not_granted("folder", binding)),
        }
    }

    /// Fails unless any right is there.
    pub fn any_storage(&self, binding: &str) -> Result<(), Failure> {
        self.storage
            .get(binding)
            .map(|_| ())
            .ok_or_else(|| not_granted("storage", binding))
    }
}

/// The same words whether the binding exists or not: a plugin cannot learn the names of others.
fn not_granted(kind: &str, binding: &str) -> Failure {
    Failure::refused(format!("no {kind} {binding:?} is granted to this step"))
        .hint("a step is granted the bindings that its parameters name")
}

fn access_name(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::Write => "write",
        Access::Admin => "admin",
    }
}

fn right_name(right: StorageRight) -> &'static str {
    match right {
        StorageRight::Read => "read",
        StorageRight::Write => "write",
        StorageRight::Delete => "delete",
    }
}

fn right_names(rights: &BTreeSet<StorageRight>) -> String {
    if rights.is_empty() {
        return "nothing".to_owned();
    }
    rights
        .iter()
        .map(|right| right_name(*right))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifest::{Asks, Limits};
    use std::time::Duration;

    fn plugin() -> Manifest {
        Manifest {
            name: "my-seed".into(),
            version: "1.0.0".into(),
            contract: "0.1.0".into(),
            description: "x".into(),
            asks: Asks {
                database: Some(Access::Write),
                storage: vec![StorageRight::Read],
                files: false,
            },
            limits: Limits::default(),
            parameters: Vec::new(),
        }
    }

    fn allowed() -> StepLimits {
        StepLimits {
            memory_bytes: 1 << 20,
            deadline: Duration::from_secs(60),
            grace: Duration::from_secs(1),
            call_bytes: 1 << 20,
            log_bytes: 1024,
            result_bytes: 1024,
            connections: 100,
            transfers: 1,
            resources: 100,
            component_bytes: 1 << 20,
        }
    }

    fn named() -> NamedBindings {
        NamedBindings {
            databases: ["app".to_owned()].into(),
            storage: ["main".to_owned()].into(),
            folders: BTreeSet::new(),
        }
    }

    #[test]
    fn a_refusal_shows_both_sides() {
        let operator = Operator::Configured(OperatorGrants {
            databases: [("app".to_owned(), Access::Read)].into(),
            storage: BTreeMap::new(),
        });
        let failure = Grants::agree(&plugin(), &named(), &operator, allowed()).unwrap_err();
        insta::assert_snapshot!(failure, @"the plugin my-seed is not granted what it asks for: database app: the plugin asks for write, the configuration grants read; storage main: the plugin asks for read, the configuration grants nothing");
    }

    #[test]
    fn more_than_was_asked_is_not_given() {
        let operator = Operator::Configured(OperatorGrants {
            databases: [
                ("app".to_owned(), Access::Admin),
                ("other".to_owned(), Access::Admin),
            ]
            .into(),
            storage: [(
                "main".to_owned(),
                [StorageRight::Read, StorageRight::Delete].into(),
            )]
            .into(),
        });
        let grants = Grants::agree(&plugin(), &named(), &operator, allowed()).unwrap();
        assert_eq!(grants.database("app").unwrap(), Access::Write);
        assert_eq!(
            (grants.limits.connections, grants.limits.transfers),
            (16, 1)
        );
        assert!(grants.database("other").is_err());
        assert!(grants.storage("main", StorageRight::Delete).is_err());
    }
}
