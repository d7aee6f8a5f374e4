//! `orchestrator plugin`: what plugins there are, what a file asks for, and how one's own is made.

mod build;
mod new;
mod query;
mod test;

use std::path::PathBuf;

use clap::Subcommand;
use manifest::Manifest;
use serde_json::{Value, json};

use super::globals::Globals;
use super::output::Output;
use super::table;
use crate::exit;
use crate::failure::Failure;
use crate::plugins::{Inspection, builtin};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Write the crate of a new plugin, with all that it needs to be built
    New(new::NewCommand),
    /// Compile a plugin's crate, and print what to put into the configuration
    Build(build::BuildCommand),
    /// Run a plugin's own tests, each with a database of its own
    Test(test::TestCommand),
    /// List the plugins of this program and of the configuration
    List,
    /// Print a component's manifest, digest, imports and exports
    Inspect {
        /// A component, or the name of a built-in plugin
        file: PathBuf,
    },
    /// Run SQL in the database of a plugin's test
    #[command(hide = true)]
    Query,
}

pub(super) async fn execute(
    command: PluginCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    match command {
        PluginCommand::New(command) => new::execute(command, output),
        PluginCommand::Build(command) => build::execute(command, globals, output).await,
        PluginCommand::Test(command) => test::execute(command, globals, output).await,
        PluginCommand::Query => query::execute(output).await,
        PluginCommand::List => list(globals, output),
        PluginCommand::Inspect { file } => inspect(&file, output),
    }
}

fn list(globals: &Globals, output: &Output) -> Result<u8, Failure> {
    let mut plugins = Vec::new();
    for plugin in builtin::BUILTIN {
        plugins.push((
            plugin.name.to_owned(),
            "built in".to_owned(),
            Inspection::read(plugin.component),
        ));
    }
    for (name, plugin) in &globals.load_config()?.plugins {
        let read = std::fs::read(&plugin.file)
            .map_err(|error| {
                Failure::not_found(format!("reading {}: {error}", plugin.file.display()))
            })
            .and_then(|component| Inspection::read(&component));
        plugins.push((name.to_string(), plugin.file.display().to_string(), read));
    }
    let broken = plugins.iter().any(|(_, _, inspection)| inspection.is_err());
    let document = json!({ "plugins": plugins.iter().map(|(name, source, inspection)| match inspection {
        Ok(inspection) => json!({
            "name": name,
            "version": inspection.manifest.version,
            "contract": inspection.manifest.contract,
            "sha256": inspection.sha256,
            "source": source,
            "description": inspection.manifest.description,
            "asks": inspection.manifest.asks,
        }),
        Err(failure) => json!({ "name": name, "source": source, "error": failure }),
    }).collect::<Vec<Value>>() });
    output.result(&document, || {
        let rows = plugins
            .iter()
            .map(|(name, source, inspection)| match inspection {
                Ok(inspection) => vec![
                    name.clone(),
                    inspection.manifest.version.clone(),
                    inspection.sha256.chars().take(12).collect(),
                    source.clone(),
                    inspection.manifest.description.clone(),
                    asks(&inspection.manifest).join("; "),
                ],
                Err(failure) => vec![
                    name.clone(),
                    String::new(),
                    String::new(),
                    source.clone(),
                    format!("error: {failure}"),
                    String::new(),
                ],
            })
            .collect();
        table::table(
            &[
                "NAME",
                "VERSION",
                "SHA256",
                "SOURCE",
                "DESCRIPTION",
                "ASKS FOR",
            ],
            &[],
            rows,
        )
    })?;
    Ok(if broken { exit::WARNINGS } else { exit::DONE })
}

fn inspect(file: &std::path::Path, output: &Output) -> Result<u8, Failure> {
    let builtin = file
        .to_str()
        .and_then(builtin::find)
        .filter(|_| !file.exists());
    let inspection = match builtin {
        Some(plugin) => Inspection::read(plugin.component)?,
        None => {
            let component = std::fs::read(file).map_err(|error| {
                Failure::not_found(format!("reading {}: {error}", file.display()))
            })?;
            Inspection::read(&component).map_err(|failure| failure.context(file.display()))?
        }
    };
    let document = json!({
        "manifest": inspection.manifest,
        "sha256": inspection.sha256,
        "bytes": inspection.bytes,
        "imports": inspection.imports,
        "exports": inspection.exports,
    });
    output.result(&document, || describe(&inspection))?;
    Ok(exit::DONE)
}

fn describe(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let mut text = format!(
        "{} {}: {}\n",
        manifest.name, manifest.version, manifest.description
    );
    text.push_str(&format!(
        "contract  {}\nsha256    {}\nsize      {}\n",
        manifest.contract,
        inspection.sha256,
        table::bytes(inspection.bytes as u64)
    ));
    text.push_str("asks for\n");
    for ask in asks(manifest) {
        text.push_str(&format!("  {ask}\n"));
    }
    let limits = manifest.limits;
    text.push_str(&format!(
        "limits\n  {} MiB of memory, {} s, {} connections, {} transfers, {} KiB of log, {} KiB of result\n",
        limits.memory_mib, limits.deadline_seconds, limits.connections, limits.transfers, limits.log_kib, limits.result_kib
    ));
    text.push_str("parameters\n");
    for parameter in &manifest.parameters {
        let default = match (&parameter.default, parameter.required) {
            (Some(default), _) => format!(" [default: {default}]"),
            (None, true) => " [required]".to_owned(),
            (None, false) => String::new(),
        };
        text.push_str(&format!(
            "  {}: {}{default}\n",
            parameter.name, parameter.description
        ));
    }
    text.push_str("imports\n");
    for import in &inspection.imports {
        text.push_str(&format!("  {import}\n"));
    }
    text
}

/// What a plugin asks for: a line for each thing, and for each table.
fn asks(manifest: &Manifest) -> Vec<String> {
    let asks = &manifest.asks;
    let mut all: Vec<String> = [
        asks.database
            .map(|access| format!("database: {access:?}").to_lowercase()),
        (!asks.storage.is_empty()).then(|| format!("storage: {:?}", asks.storage).to_lowercase()),
        (!asks.snapshots.is_empty())
            .then(|| format!("snapshots: {:?}", asks.snapshots).to_lowercase()),
        asks.files.then(|| "files".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    all.extend(asks.tables.iter().map(|(table, rights)| {
        let rights: Vec<&str> = rights.iter().map(|right| right.name()).collect();
        format!("table {table}: {}", rights.join(", "))
    }));
    all
}
