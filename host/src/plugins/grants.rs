//! The manifest asks, the operator grants; both must agree before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use manifest::{Access, Manifest, SnapshotRight, StorageRight};

use super::limits::StepLimits;
use crate::failure::Failure;

/// What the operator allows a plugin that is not built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorGrants {
    /// By the name of the binding.
    pub databases: BTreeMap<String, Access>,
    /// By the name of the binding.
    pub storage: BTreeMap<String, BTreeSet<StorageRight>>,
    /// By the name of the database that is on the managed server.
    pub snapshots: BTreeMap<String, BTreeSet<SnapshotRight>>,
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
    snapshots: BTreeMap<String, BTreeSet<SnapshotRight>>,
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
        let asked_snapshots: BTreeSet<_> = manifest.asks.snapshots.iter().copied().collect();
        let mut missing = Vec::new();
        let mut agreed = Self {
            databases: BTreeMap::new(),
            storage: BTreeMap::new(),
            folders: BTreeSet::new(),
            snapshots: BTreeMap::new(),
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
                        asked.name(),
                        granted.map_or("nothing", Access::name)
                    )),
                }
            }
        }
        if !asked_snapshots.is_empty() {
            for binding in &named.databases {
                let granted = match operator {
                    Operator::BuiltIn => asked_snapshots.clone(),
                    Operator::Configured(grants) => {
                        grants.snapshots.get(binding).cloned().unwrap_or_default()
                    }
                };
                if asked_snapshots.is_subset(&granted) {
                    agreed
                        .snapshots
                        .insert(binding.clone(), asked_snapshots.clone());
                } else {
                    missing.push(format!(
                        "snapshots of the database {binding}: the plugin asks for {}, the configuration grants {}",
                        names(&asked_snapshots, SnapshotRight::name),
                        names(&granted, SnapshotRight::name)
                    ));
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
                    names(&asked_storage, StorageRight::name),
                    names(&granted, StorageRight::name)
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
            names(rights, StorageRight::name),
            right.name()
        )))
    }

    /// Fails unless the right on the managed server of a database is there.
    pub fn snapshots(&self, binding: &str, right: SnapshotRight) -> Result<(), Failure> {
        let rights = self
            .snapshots
            .get(binding)
            .ok_or_else(|| not_granted("managed server of a database", binding))?;
        if rights.contains(&right) {
            return Ok(());
        }
        Err(Failure::refused(format!(
            "the step has the rights {} on the snapshots of the database {binding}, and this needs {}",
            names(rights, SnapshotRight::name),
            right.name()
        )))
    }

    /// Fails unless any right on the managed server of a database is there.
    pub fn any_snapshots(&self, binding: &str) -> Result<(), Failure> {
        match self.snapshots.contains_key(binding) {
            true => Ok(()),
            false => Err(not_granted("managed server of a database", binding)),
        }
    }

    /// Databases whose managed servers the step may reach.
    pub fn managed(&self) -> impl Iterator<Item = &str> {
        self.snapshots.keys().map(String::as_str)
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

fn names<R: Copy>(rights: &BTreeSet<R>, name: impl Fn(R) -> &'static str) -> String {
    if rights.is_empty() {
        return "nothing".to_owned();
    }
    rights
        .iter()
        .map(|right| name(*right))
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
                ..Asks::default()
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
            ..OperatorGrants::default()
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
            ..OperatorGrants::default()
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

    #[test]
    fn snapshots_are_granted_by_themselves() {
        let plugin = Manifest {
            asks: Asks {
                snapshots: vec![SnapshotRight::Read, SnapshotRight::Delete],
                ..Asks::default()
            },
            ..plugin()
        };
        let named = NamedBindings {
            storage: BTreeSet::new(),
            ..named()
        };
        let granting = |rights: &[SnapshotRight]| {
            Operator::Configured(OperatorGrants {
                databases: [("app".to_owned(), Access::Admin)].into(),
                snapshots: [("app".to_owned(), rights.iter().copied().collect())].into(),
                ..OperatorGrants::default()
            })
        };
        let failure = Grants::agree(
            &plugin,
            &named,
            &granting(&[SnapshotRight::Read]),
            allowed(),
        )
        .unwrap_err();
        insta::assert_snapshot!(failure, @"the plugin my-seed is not granted what it asks for: snapshots of the database app: the plugin asks for read, delete, the configuration grants read");
        let rights = [
            SnapshotRight::Read,
            SnapshotRight::Create,
            SnapshotRight::Delete,
        ];
        let grants = Grants::agree(&plugin, &named, &granting(&rights), allowed()).unwrap();
        assert!(grants.snapshots("app", SnapshotRight::Delete).is_ok());
        assert!(grants.snapshots("app", SnapshotRight::Create).is_err());
        assert!(grants.any_snapshots("other").is_err());
        assert!(grants.database("app").is_err());
    }
}
