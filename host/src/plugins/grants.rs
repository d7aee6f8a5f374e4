//! The manifest asks, the operator grants; both must agree before anything runs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use manifest::{Access, Manifest, SnapshotRight, StorageRight, TableName, TableRight};

use super::limits::StepLimits;
use crate::failure::Failure;

/// Tables of one database with their schemas, and what may be done with each.
pub type Tables = BTreeMap<TableName, BTreeSet<TableRight>>;

/// What the operator allows a plugin that is not built in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorGrants {
    /// By the name of the binding.
    pub databases: BTreeMap<String, Access>,
    /// By the name of the binding.
    pub storage: BTreeMap<String, BTreeSet<StorageRight>>,
    /// By the name of the database that is on the managed server.
    pub snapshots: BTreeMap<String, BTreeSet<SnapshotRight>>,
    /// By the name of the database's binding, in place of access to all of it.
    pub tables: BTreeMap<String, Tables>,
    /// Folders that may be read with all that lies below them, as canonical paths.
    pub files: Vec<PathBuf>,
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
    /// Where folders are, by the names that the step gives. Those of a configured plugin are canonical paths.
    pub folders: BTreeMap<String, PathBuf>,
    /// By the name of a database: the schema of tables that are named without one.
    pub schemas: BTreeMap<String, String>,
}

/// What a step may do: only what was both asked and granted, and only on the bindings that the step names.
#[derive(Clone, Debug)]
pub struct Grants {
    databases: BTreeMap<String, Access>,
    storage: BTreeMap<String, BTreeSet<StorageRight>>,
    folders: BTreeSet<String>,
    snapshots: BTreeMap<String, BTreeSet<SnapshotRight>>,
    tables: BTreeMap<String, Tables>,
    /// What is stored, and snapshots, may only be read.
    is_dry_run: bool,
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
            tables: BTreeMap::new(),
            is_dry_run: false,
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
        if !manifest.asks.tables.is_empty() {
            for binding in &named.databases {
                let asked = asked_tables(manifest, named.schema(binding));
                if let Operator::Configured(grants) = operator {
                    missing.extend(missing_tables(binding, &asked, grants));
                }
                agreed.tables.insert(binding.clone(), asked);
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
        for (binding, path) in &named.folders {
            let granted: &[PathBuf] = match operator {
                Operator::BuiltIn => std::slice::from_ref(path),
                Operator::Configured(grants) => &grants.files,
            };
            if manifest.asks.files && granted.iter().any(|folder| path.starts_with(folder)) {
                agreed.folders.insert(binding.clone());
            } else {
                missing.push(format!(
                    "folder {binding} ({}): the plugin asks to read its files, the configuration grants {}",
                    path.display(),
                    folders(granted)
                ));
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

    /// What is left of them in a dry run: objects and snapshots may be read. A database is written to all the same, in transactions that
    /// are rolled back.
    #[must_use]
    pub fn in_a_dry_run(self) -> Self {
        Self {
            is_dry_run: true,
            ..self
        }
    }

    /// The access to a database. To its tables it is as much as their rights take.
    pub fn database(&self, binding: &str) -> Result<Access, Failure> {
        let of_tables = || {
            let mut rights = self.tables.get(binding)?.values().flatten();
            Some(match rights.all(|right| *right == TableRight::Select) {
                true => Access::Read,
                false => Access::Write,
            })
        };
        self.databases
            .get(binding)
            .copied()
            .or_else(of_tables)
            .ok_or_else(|| not_granted("database", binding))
    }

    /// Whether it may do this with the objects of any storage.
    pub fn has_storage(&self, right: StorageRight) -> bool {
        self.storage.values().any(|rights| rights.contains(&right))
    }

    /// Whether it may do this with the snapshots of any server.
    pub fn has_snapshots(&self, right: SnapshotRight) -> bool {
        self.snapshots
            .values()
            .any(|rights| rights.contains(&right))
    }

    /// The databases of which the step may use these tables alone, by the names of their bindings.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Tables)> {
        self.tables
            .iter()
            .map(|(binding, tables)| (binding.as_str(), tables))
    }

    /// Fails unless the right is there.
    pub fn storage(&self, binding: &str, right: StorageRight) -> Result<(), Failure> {
        let rights = self
            .storage
            .get(binding)
            .ok_or_else(|| not_granted("storage", binding))?;
        let of = format!("the storage {binding}");
        if !rights.contains(&right) {
            return Err(lacks(&names(rights, StorageRight::name), &of, right.name()));
        }
        match self.is_dry_run && right != StorageRight::Read {
            true => Err(only_read(&of, right.name())),
            false => Ok(()),
        }
    }

    /// Fails unless the right on the managed server of a database is there.
    pub fn snapshots(&self, binding: &str, right: SnapshotRight) -> Result<(), Failure> {
        let rights = self
            .snapshots
            .get(binding)
            .ok_or_else(|| not_granted("managed server of a database", binding))?;
        let of = format!("the snapshots of the database {binding}");
        if !rights.contains(&right) {
            return Err(lacks(
                &names(rights, SnapshotRight::name),
                &of,
                right.name(),
            ));
        }
        match self.is_dry_run && right != SnapshotRight::Read {
            true => Err(only_read(&of, right.name())),
            false => Ok(()),
        }
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

impl NamedBindings {
    /// Where tables of this database are that are named without a schema.
    fn schema(&self, binding: &str) -> &str {
        self.schemas
            .get(binding)
            .map_or(DEFAULT_SCHEMA, String::as_str)
    }
}

fn lacks(held: &str, of: &str, needed: &str) -> Failure {
    Failure::refused(format!(
        "the step has the rights {held} on {of}, and this needs {needed}"
    ))
}

fn only_read(of: &str, needed: &str) -> Failure {
    Failure::refused(format!(
        "in a dry run a step may only read {of}, and this needs {needed}"
    ))
}

/// Where tables are when neither their names nor the database's URL say otherwise.
pub const DEFAULT_SCHEMA: &str = "public";

/// A manifest was validated: its names are names. A table that is named twice, with its schema and without, has both rights.
fn asked_tables(manifest: &Manifest, schema: &str) -> Tables {
    let mut tables = Tables::new();
    for (name, rights) in &manifest.asks.tables {
        if let Ok(table) = TableName::parse(name) {
            tables
                .entry(table.within(schema))
                .or_default()
                .extend(rights);
        }
    }
    tables
}

fn missing_tables(binding: &str, asked: &Tables, grants: &OperatorGrants) -> Vec<String> {
    let nothing = BTreeSet::new();
    let granted_of = |table| {
        let tables = grants.tables.get(binding);
        tables
            .and_then(|tables| tables.get(table))
            .unwrap_or(&nothing)
    };
    let lacking = asked
        .iter()
        .filter(|(table, rights)| !rights.is_subset(granted_of(table)));
    lacking
        .map(|(table, rights)| {
            let instead = match grants.databases.get(binding) {
                Some(access) => format!(" (but the access {} to all of the database)", access.name()),
                None => String::new(),
            };
            format!(
                "table {table} of the database {binding}: the plugin asks for {}, the configuration grants {}{instead}",
                names(rights, TableRight::name),
                names(granted_of(table), TableRight::name)
            )
        })
        .collect()
}

fn folders(granted: &[PathBuf]) -> String {
    match granted {
        [] => "nothing".to_owned(),
        folders => {
            let folders: Vec<String> = folders
                .iter()
                .map(|folder| folder.display().to_string())
                .collect();
            format!("what lies in {}", folders.join(", "))
        }
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
            seed: None,
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
            database_growth: 1 << 30,
            component_bytes: 1 << 20,
        }
    }

    fn named() -> NamedBindings {
        NamedBindings {
            databases: ["app".to_owned()].into(),
            storage: ["main".to_owned()].into(),
            ..NamedBindings::default()
        }
    }

    fn seed() -> Manifest {
        let tables = [
            ("User", vec![TableRight::Select, TableRight::Insert]),
            ("audit.log", vec![TableRight::Insert]),
        ];
        Manifest {
            asks: Asks {
                tables: tables
                    .into_iter()
                    .map(|(table, rights)| (table.to_owned(), rights))
                    .collect(),
                files: true,
                ..Asks::default()
            },
            ..plugin()
        }
    }

    /// Grants for `app`, as the configuration names them.
    fn granting(tables: &[(&str, &[TableRight])], files: &[&str]) -> Operator {
        let tables = tables.iter().map(|(table, rights)| {
            let table = TableName::parse(table).unwrap().within("shop");
            (table, rights.iter().copied().collect())
        });
        Operator::Configured(OperatorGrants {
            tables: [("app".to_owned(), tables.collect())].into(),
            files: files.iter().map(PathBuf::from).collect(),
            ..OperatorGrants::default()
        })
    }

    fn named_by_a_seed(folder: &str) -> NamedBindings {
        NamedBindings {
            databases: ["app".to_owned()].into(),
            folders: [("data".to_owned(), PathBuf::from(folder))].into(),
            schemas: [("app".to_owned(), "shop".to_owned())].into(),
            ..NamedBindings::default()
        }
    }

    #[test]
    fn tables_are_agreed_upon_one_by_one() {
        let all = TableRight::ALL.as_slice();
        let operator = granting(
            &[("shop.User", all), ("audit.log", all), ("Post", all)],
            &["/srv/data"],
        );
        let grants =
            Grants::agree(&seed(), &named_by_a_seed("/srv/data"), &operator, allowed()).unwrap();
        let agreed: Vec<_> = grants
            .tables()
            .flat_map(|(binding, tables)| tables.iter().map(move |table| (binding, table)))
            .map(|(binding, (table, rights))| {
                format!("{binding} {table} {}", names(rights, TableRight::name))
            })
            .collect();
        assert_eq!(
            agreed,
            ["app audit.log insert", "app shop.User select, insert"]
        );
        assert_eq!(grants.database("app").unwrap(), Access::Write);
        assert!(grants.database("other").is_err());
        let reading = Manifest {
            asks: Asks {
                tables: [("User".to_owned(), vec![TableRight::Select])].into(),
                files: true,
                ..Asks::default()
            },
            ..plugin()
        };
        let grants = Grants::agree(
            &reading,
            &named_by_a_seed("/srv/data"),
            &operator,
            allowed(),
        )
        .unwrap();
        assert_eq!(grants.database("app").unwrap(), Access::Read);
    }

    #[test]
    fn tables_that_are_not_granted_are_named_with_both_sides() {
        let operator = granting(
            &[
                ("User", &[TableRight::Select]),
                ("public.log", &[TableRight::Insert]),
            ],
            &["/srv/data"],
        );
        let failure = Grants::agree(&seed(), &named_by_a_seed("/srv/data"), &operator, allowed())
            .unwrap_err();
        insta::assert_snapshot!(failure, @"the plugin my-seed is not granted what it asks for: table audit.log of the database app: the plugin asks for insert, the configuration grants nothing; table shop.User of the database app: the plugin asks for select, insert, the configuration grants select");
        let whole = Operator::Configured(OperatorGrants {
            databases: [("app".to_owned(), Access::Write)].into(),
            files: vec!["/srv".into()],
            ..OperatorGrants::default()
        });
        let failure =
            Grants::agree(&seed(), &named_by_a_seed("/srv/data"), &whole, allowed()).unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("grants nothing (but the access write to all of the database)"),
            "{failure}"
        );
    }

    #[test]
    fn folders_are_granted_with_what_lies_below() {
        let all = TableRight::ALL.as_slice();
        let tables = [("User", all), ("audit.log", all)];
        for (granted, folder, is_granted) in [
            (&["/srv/data"][..], "/srv/data", true),
            (&["/other", "/srv/data"], "/srv/data/2026", true),
            (&["/srv/data"], "/srv/data2", false),
            (&["/srv/data"], "/srv", false),
            (&[], "/srv/data", false),
        ] {
            let operator = granting(&tables, granted);
            let agreed = Grants::agree(&seed(), &named_by_a_seed(folder), &operator, allowed());
            match agreed {
                Ok(grants) => assert!(is_granted && grants.folder("data").is_ok(), "{folder}"),
                Err(failure) => {
                    assert!(!is_granted, "{folder}");
                    assert!(
                        failure.to_string().contains(&format!(
                            "folder data ({folder}): the plugin asks to read its files"
                        )),
                        "{failure}"
                    );
                }
            }
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
