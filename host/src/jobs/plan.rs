//! What a job will do: its plugins compiled, its parameters complete, its grants agreed. Nothing has an effect yet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use manifest::Kind;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::parameters::{Inherited, complete};
use super::project::{Project, unknown, unmanaged};
use crate::config::{self, DatabaseGrant, PluginGrant};
use crate::failure::Failure;
use crate::plugins::grants::{DEFAULT_SCHEMA, NamedBindings, OperatorGrants};
use crate::plugins::limits::StepLimits;
use crate::plugins::{Grants, Operator, Plugin, builtin};

/// A step as a person or the configuration wrote it.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRequest {
    /// The plugin's name.
    pub plugin: String,
    /// By name, as given.
    pub parameters: Map<String, Value>,
}

/// A step that can run.
pub(super) struct PlannedStep {
    pub plugin: Arc<Plugin>,
    /// It is not built in.
    pub is_configured: bool,
    /// By name, as given.
    pub parameters: Map<String, Value>,
    pub named: NamedBindings,
    pub grants: Grants,
}

/// Plans all steps, so that a refusal comes before anything runs. `overrides` go to every step that has such a parameter.
pub(super) async fn plan(
    project: &Project,
    steps: &[StepRequest],
    overrides: &Map<String, Value>,
) -> Result<Vec<PlannedStep>, Failure> {
    let mut planned: Vec<PlannedStep> = Vec::with_capacity(steps.len());
    let mut unused: BTreeSet<&str> = overrides.keys().map(String::as_str).collect();
    for step in steps {
        let source = Source::of(project, &step.plugin)?;
        let plugin = compile(project, &source).await?;
        check_name(&step.plugin, &plugin)?;
        let inherited = Inherited {
            database: inherited(&planned, Kind::Database)
                .or_else(|| only(project.config.databases.keys().map(|name| name.as_str()))),
            storage: inherited(&planned, Kind::Storage)
                .or_else(|| only(project.config.storage.keys().map(|name| name.as_str()))),
        };
        let mut given = step.parameters.clone();
        for (name, value) in overrides {
            if plugin.manifest.parameter(name).is_some() {
                given.insert(name.clone(), value.clone());
                unused.remove(name.as_str());
            }
        }
        let parameters = complete(&plugin.manifest, &given, &inherited)?;
        let mut named = NamedBindings {
            databases: named_of(&plugin, &parameters, Kind::Database),
            storage: named_of(&plugin, &parameters, Kind::Storage),
            ..NamedBindings::default()
        };
        let is_managed = !plugin.manifest.asks.snapshots.is_empty();
        for database in &named.databases {
            if project.database(database)?.rds.is_none() && is_managed {
                return Err(unmanaged(database));
            }
            let schema = schema(project, database)?;
            named.schemas.insert(database.clone(), schema);
        }
        for storage in &named.storage {
            if !project.config.storage.contains_key(storage.as_str()) {
                return Err(unknown(
                    "storage",
                    storage,
                    project.config.storage.keys().map(|name| name.as_str()),
                ));
            }
        }
        for folder in named_of(&plugin, &parameters, Kind::Folder) {
            let path = source.folder(project, &folder)?;
            named.folders.insert(folder, path);
        }
        let limits = limits(project.config.limits_of(&step.plugin));
        let operator = source.operator(project)?;
        let grants = Grants::agree(&plugin.manifest, &named, &operator, limits)?;
        planned.push(PlannedStep {
            plugin,
            is_configured: matches!(source, Source::Configured(_)),
            parameters,
            named,
            grants,
        });
    }
    if let Some(name) = unused.first() {
        let known = planned
            .iter()
            .flat_map(|step| &step.plugin.manifest.parameters)
            .map(|parameter| parameter.name.as_str());
        return Err(unknown("parameter of this job", name, known));
    }
    Ok(planned)
}

/// What a plugin calls itself stands in the log, and decides what an environment asks for: it has to be what the operator calls it.
fn check_name(name: &str, plugin: &Plugin) -> Result<(), Failure> {
    let own = &plugin.manifest.name;
    if own == name {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "the plugin {name} calls itself {own} in its manifest"
    ))
    .hint(format!(
        "if you trust it, call it [plugins.{own}] in the configuration; a name of a built-in plugin is nobody else's"
    )))
}

/// Where a plugin's component is from, and who grants.
pub(super) enum Source<'a> {
    BuiltIn(&'static builtin::BuiltinPlugin),
    Configured(&'a PluginGrant),
}

impl<'a> Source<'a> {
    pub fn of(project: &'a Project, name: &str) -> Result<Self, Failure> {
        if let Some(plugin) = builtin::find(name) {
            return Ok(Self::BuiltIn(plugin));
        }
        if let Some(plugin) = project.config.plugins.get(name) {
            return Ok(Self::Configured(plugin));
        }
        let known = builtin::BUILTIN
            .iter()
            .map(|plugin| plugin.name)
            .chain(project.config.plugins.keys().map(|name| name.as_str()));
        Err(unknown("plugin", name, known))
    }

    fn operator(&self, project: &Project) -> Result<Operator, Failure> {
        let plugin = match self {
            Self::BuiltIn(_) => return Ok(Operator::BuiltIn),
            Self::Configured(plugin) => plugin,
        };
        let mut grants = OperatorGrants::default();
        for (name, grant) in &plugin.grants.databases {
            let database = name.to_string();
            match grant {
                DatabaseGrant::Whole(access) => {
                    grants.databases.insert(database, *access);
                }
                DatabaseGrant::Tables(tables) => {
                    let schema = schema(project, &database)?;
                    let granted = grants.tables.entry(database).or_default();
                    for (table, rights) in tables {
                        let table = table.clone().within(&schema);
                        granted.entry(table).or_default().extend(rights);
                    }
                }
            }
        }
        for (name, grant) in &plugin.grants.storage {
            let rights = grant.rights.clone();
            grants.storage.insert(name.to_string(), rights);
        }
        for (name, rights) in &plugin.grants.snapshots {
            grants.snapshots.insert(name.to_string(), rights.clone());
        }
        // A folder that is not there grants nothing.
        let folders = plugin.grants.files.iter();
        grants.files = folders
            .filter_map(|folder| folder.canonicalize().ok())
            .collect();
        Ok(Operator::Configured(grants))
    }

    /// Where the folder is that a step names: a binding's, or for a plugin of the operator's own also a path. Of such a path nothing is
    /// left to be led astray by, no link and no `..`, so that it can be compared with those that are granted.
    fn folder(&self, project: &Project, name: &str) -> Result<PathBuf, Failure> {
        let bound = project.folder(name).map(Path::to_path_buf);
        match self {
            Self::BuiltIn(_) => bound,
            Self::Configured(_) => {
                let path = bound.unwrap_or_else(|_| project.config.folder.join(name));
                path.canonicalize().map_err(|error| {
                    Failure::invalid_input(format!("looking for the folder {}: {error}", path.display()))
                        .hint("a folder is named by its path, relative to the folder of orchestrator.toml")
                })
            }
        }
    }
}

/// Where tables of a database are that are named without a schema.
fn schema(project: &Project, database: &str) -> Result<String, Failure> {
    let settings = project.database(database)?.direct();
    let schema = settings.schema.as_deref().unwrap_or(DEFAULT_SCHEMA);
    Ok(schema.to_owned())
}

/// What the operator allows; sizes beyond this machine's memory are no limit.
fn limits(limits: &config::Limits) -> StepLimits {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    StepLimits {
        memory_bytes: size(limits.memory),
        deadline: limits.deadline,
        grace: limits.grace,
        call_bytes: size(limits.call),
        log_bytes: size(limits.log),
        result_bytes: size(limits.result),
        connections: limits.connections as usize,
        transfers: limits.transfers as usize,
        resources: limits.resources as usize,
        database_growth: limits.database_growth,
        component_bytes: size(limits.component),
    }
}

pub(super) async fn compile(
    project: &Project,
    source: &Source<'_>,
) -> Result<Arc<Plugin>, Failure> {
    let runtime = project.runtime()?;
    let plugin = match source {
        Source::BuiltIn(plugin) => {
            let component = plugin.component;
            tokio::task::spawn_blocking(move || runtime.load(component)).await
        }
        Source::Configured(plugin) => {
            let file = plugin.file.clone();
            let sha256 = plugin.sha256.clone();
            tokio::task::spawn_blocking(move || {
                let component = read_pinned(&file, &sha256)?;
                runtime
                    .load(&component)
                    .map_err(|failure| failure.context(file.display()))
            })
            .await
        }
    };
    let plugin =
        plugin.map_err(|error| Failure::internal(format!("compiling a plugin: {error}")))??;
    Ok(Arc::new(plugin))
}

/// The file, if it is the one that the operator looked at.
fn read_pinned(file: &Path, sha256: &str) -> Result<Vec<u8>, Failure> {
    let size = std::fs::metadata(file)
        .map_err(|error| {
            Failure::not_found(format!("reading the plugin {}: {error}", file.display()))
        })?
        .len();
    if size > crate::plugins::component::COMPONENT_BYTES as u64 {
        return Err(Failure::limit(format!(
            "{} has {} MiB, too much for a plugin",
            file.display(),
            size >> 20
        )));
    }
    let component = std::fs::read(file).map_err(|error| {
        Failure::not_found(format!("reading the plugin {}: {error}", file.display()))
    })?;
    let found = hex::encode(Sha256::digest(&component));
    if found != sha256 {
        return Err(Failure::refused(format!(
            "{} has the SHA-256 {found}, and the configuration pins {sha256}",
            file.display()
        ))
        .hint("look at the new file with `orchestrator plugin inspect`, then change `sha256` if you trust it"));
    }
    Ok(component)
}

/// The binding that the nearest step before names.
fn inherited(planned: &[PlannedStep], kind: Kind) -> Option<&str> {
    planned.iter().rev().find_map(|step| {
        let names = match kind {
            Kind::Database => &step.named.databases,
            _ => &step.named.storage,
        };
        names.first().map(String::as_str)
    })
}

fn only<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = names.next()?;
    names.next().is_none().then_some(first)
}

fn named_of(plugin: &Plugin, parameters: &Map<String, Value>, kind: Kind) -> BTreeSet<String> {
    plugin
        .manifest
        .parameters
        .iter()
        .filter(|parameter| parameter.kind == kind)
        .filter_map(|parameter| parameters.get(&parameter.name)?.as_str().map(str::to_owned))
        .collect()
}
