//! What a plugin says about itself: its name, what it asks for, its limits and its parameters.
//!
//! An author writes it as `plugin.toml` beside the plugin's `Cargo.toml` (which gives the name and the version); the
//! builder stamps it into the component as JSON, in the custom section [`SECTION`]; the host reads it from there.
//! A manifest only *asks*: what a plugin may do is decided by the grants in the operator's configuration.

mod tables;
mod validate;

pub use tables::{TableName, TableRight};
pub use validate::{ManifestError, NAME_RULE, is_plugin_name};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The custom section of a component that holds its manifest, as JSON.
pub const SECTION: &str = "orchestrator:manifest";

/// The version of the contract that this crate describes, as in the WIT package `orchestrator:plugin`.
pub const CONTRACT: &str = "0.1.0";

/// A plugin's description of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lowercase words with hyphens between them: `backup`, `my-seed`.
    pub name: String,
    /// As in the plugin's `Cargo.toml`.
    pub version: String,
    /// The version of the contract that the component was built against.
    #[serde(default = "current_contract")]
    pub contract: String,
    /// One line, for lists and help.
    pub description: String,
    /// What the plugin wants to use.
    #[serde(default)]
    pub asks: Asks,
    /// How much of it.
    #[serde(default)]
    pub limits: Limits,
    /// What a step may set.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// Of a plugin that writes seeds: `orchestrator seed NAME` runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
}

/// What a plugin that writes seeds says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seed {
    /// Whether they are meant for production too: never without being said.
    pub production: bool,
}

/// What a plugin wants to use. Nothing, unless it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asks {
    /// The strongest access to a database that it needs.
    pub database: Option<Access>,
    /// What it does with objects of a storage.
    pub storage: Vec<StorageRight>,
    /// Whether it reads the files of folders.
    pub files: bool,
    /// What it does with the snapshots of the managed server that a database is on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<SnapshotRight>,
    /// What it does with which tables of the databases that a step names, by their names: `User`, or `schema.table` (see
    /// [`TableName`]). In place of `database`, which asks for the whole of it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Vec<TableRight>>,
}

/// Access to a database; each one includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Read-only transactions.
    Read,
    /// Any statement in the database.
    Write,
    /// The maintenance database too: creates and drops databases.
    Admin,
}

impl Access {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

/// What a plugin does with the objects of a storage; none includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageRight {
    /// Lists and reads objects.
    Read,
    /// Creates objects, below prefixes that hold nothing yet.
    Write,
    /// Deletes objects.
    Delete,
}

impl StorageRight {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// What a plugin does with a managed server and its snapshots; none includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SnapshotRight {
    /// Looks at the server, lists and describes its snapshots.
    Read,
    /// Creates snapshots.
    Create,
    /// Deletes snapshots.
    Delete,
    /// Creates other servers from them.
    Restore,
}

impl SnapshotRight {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Restore => "restore",
        }
    }
}

/// How much a step may use. An operator may lower and raise these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// All of the component's memories and tables together, in MiB.
    pub memory_mib: u32,
    /// From the first instruction to the result, in seconds of the wall clock.
    pub deadline_seconds: u32,
    /// Connections to PostgreSQL that are open at the same time.
    pub connections: u32,
    /// Transfers that are under way at the same time.
    pub transfers: u32,
    /// All lines of the log together, in KiB.
    pub log_kib: u32,
    /// The result's JSON document, in KiB.
    pub result_kib: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            deadline_seconds: 86_400,
            connections: 16,
            transfers: 64,
            log_kib: 256,
            result_kib: 4_096,
        }
    }
}

/// One parameter of a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Lowercase words with underscores between them: `exclude_table`.
    pub name: String,
    /// What it accepts.
    pub kind: Kind,
    /// Whether a step without it is refused.
    #[serde(default)]
    pub required: bool,
    /// What a step without it gets; the plugin sees no such key when there is no default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// One line, for help.
    pub description: String,
}

/// What a parameter accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A JSON string.
    Text,
    /// A JSON number without a fraction, between -2^63 and 2^63 - 1.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A JSON array of strings.
    List,
    /// A JSON array of objects; on the command line it is written as JSON.
    Tables,
    /// A string: the name of a database's binding.
    Database,
    /// A string: the name of a storage's binding.
    Storage,
    /// A string: the name of a folder's binding.
    Folder,
    /// A string that nobody sets: the host says which environment the step's database belongs to (`local`, `staging`, `production`), the
    /// stricter of the configuration's and the database's own word.
    Environment,
    /// A string: a backup as people name it (`latest`, an id); the plugin gets the prefix of its folder in the storage.
    /// A step that names none gets the backup that the same run made before, or the latest one.
    Backup,
}

impl Kind {
    /// Whether a JSON value is of this kind.
    pub fn accepts(self, value: &Value) -> bool {
        match self {
            Self::Text
            | Self::Database
            | Self::Storage
            | Self::Folder
            | Self::Environment
            | Self::Backup => value.is_string(),
            Self::Integer => value.is_i64(),
            Self::Boolean => value.is_boolean(),
            Self::List => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Tables => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_object)),
        }
    }

    /// What it accepts, in words: `a text`, `a list of texts`.
    pub fn expectation(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Integer => "an integer",
            Self::Boolean => "true or false",
            Self::List => "a list of texts",
            Self::Tables => "a list of tables",
            Self::Database => "the name of a database",
            Self::Storage => "the name of a storage",
            Self::Folder => "the name of a folder",
            Self::Environment => "what the host says",
            Self::Backup => "a backup's id",
        }
    }
}

impl Manifest {
    /// Reads and validates the JSON of the custom section.
    pub fn from_json(json: &[u8]) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_slice(json)?;
        manifest.validate()?;
        Ok(manifest)
    }

    /// The JSON of the custom section.
    pub fn to_json(&self) -> Vec<u8> {
        // The types hold strings, numbers and JSON values alone: nothing that JSON could refuse.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters
            .iter()
            .find(|parameter| parameter.name == name)
    }
}

fn current_contract() -> String {
    CONTRACT.to_owned()
}
