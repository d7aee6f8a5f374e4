//! What a job will do: its plugins compiled, its parameters complete, its grants agreed. Nothing has an effect yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use manifest::Kind;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::parameters::{Inherited, complete};
use super::project::{Project, unknown, unmanaged};
use crate::config::{self, PluginGrant};
use crate::failure::Failure;
use crate::plugins::grants::{NamedBindings, OperatorGrants};
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
        let named = NamedBindings {
            databases: named(&plugin, &parameters, Kind::Database),
            storage: named(&plugin, &parameters, Kind::Storage),
            folders: named(&plugin, &parameters, Kind::Folder),
        };
        let is_managed = !plugin.manifest.asks.snapshots.is_empty();
        for database in &named.databases {
            if project.database(database)?.rds.is_none() && is_managed {
                return Err(unmanaged(database));
            }
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
        for folder in &named.folders {
            project.folder(folder)?;
        }
        let limits = limits(project.config.limits_of(&step.plugin));
        let grants = Grants::agree(&plugin.manifest, &named, &source.operator(), limits)?;
        planned.push(PlannedStep {
            plugin,
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

    fn operator(&self) -> Operator {
        match self {
            Self::BuiltIn(_) => Operator::BuiltIn,
            Self::Configured(plugin) => Operator::Configured(OperatorGrants {
                databases: plugin
                    .grants
                    .databases
                    .iter()
                    .map(|(name, grant)| (name.to_string(), grant.access))
                    .collect(),
                storage: plugin
                    .grants
                    .storage
                    .iter()
                    .map(|(name, grant)| (name.to_string(), grant.rights.clone()))
                    .collect(),
                snapshots: plugin
                    .grants
                    .snapshots
                    .iter()
                    .map(|(name, rights)| (name.to_string(), rights.clone()))
                    .collect(),
            }),
        }
    }
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
fn read_pinned(file: &std::path::Path, sha256: &str) -> Result<Vec<u8>, Failure> {
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

fn named(plugin: &Plugin, parameters: &Map<String, Value>, kind: Kind) -> BTreeSet<String> {
    plugin
        .manifest
        .parameters
        .iter()
        .filter(|parameter| parameter.kind == kind)
        .filter_map(|parameter| parameters.get(&parameter.name)?.as_str().map(str::to_owned))
        .collect()
}
