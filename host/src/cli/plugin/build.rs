//! `orchestrator plugin build`: a component out of a crate, and what an operator has to write to let it do what it asks for.

use std::fs;
use std::path::{Path, PathBuf};

use builder::{Builder, Plugin};
use clap::Args;
use serde_json::json;

use super::describe;
use crate::authoring;
use crate::cli::globals::Globals;
use crate::cli::output::Output;
use crate::config::{Glance, Pin, Sources};
use crate::database::ProcessEnvironment;
use crate::exit;
use crate::failure::Failure;
use crate::plugins::Inspection;

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildCommand {
    /// The plugin's crate
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The file to write [default: NAME.wasm in the folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn execute(
    command: BuildCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let plugin = compile(&command.folder, output).await?;
    let inspection = Inspection::read(&plugin.component)?;
    let name = &plugin.manifest.name;
    let file = command
        .out
        .unwrap_or_else(|| command.folder.join(format!("{name}.wasm")));
    fs::write(&file, &plugin.component)
        .map_err(|error| Failure::invalid_input(format!("writing {}: {error}", file.display())))?;
    let glance = glance(name, &command.folder, globals)?;
    let configuration = authoring::section(
        &plugin.manifest,
        &path_in_configuration(&file, glance.as_ref())?,
        &plugin.sha256,
    );
    let pin = glance.and_then(|glance| glance.pin);
    let document = json!({
        "name": name,
        "file": file,
        "sha256": plugin.sha256,
        "bytes": inspection.bytes,
        "imports": inspection.imports,
        "exports": inspection.exports,
        "manifest": inspection.manifest,
        "configuration": configuration,
        "pinned": pin.as_ref().map(|pin| json!({
            "place": pin.place.to_string(),
            "sha256": pin.sha256,
            "matches": matches(pin, &plugin),
        })),
    });
    output.result(&document, || {
        format!(
            "{}\nwrote {}\n{}",
            describe(&inspection),
            file.display(),
            what_to_write(pin.as_ref(), &plugin, &configuration)
        )
    })?;
    Ok(exit::DONE)
}

/// The component of the crate in a folder.
pub(super) async fn compile(folder: &Path, output: &Output) -> Result<Plugin, Failure> {
    if !output.is_quiet() {
        eprintln!("compiling the crate in {} to WebAssembly", folder.display());
    }
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        let builder = Builder {
            // As cargo has it; the builder keeps an outer cargo's variables from its own.
            target_folder: std::env::var_os("CARGO_TARGET_DIR")
                .filter(|folder| !folder.is_empty())
                .map(|target| std::path::absolute(target).map(|target| target.join("plugins")))
                .transpose()
                .map_err(|error| Failure::invalid_input(format!("CARGO_TARGET_DIR: {error}")))?,
            // An author who adds a dependency has not written a lockfile by hand.
            locked: false,
        };
        let built = builder.build(&[&folder])?;
        built
            .into_iter()
            .next()
            .ok_or_else(|| Failure::internal("the builder gave no plugin"))
    })
    .await
    .map_err(|error| Failure::internal(format!("building the plugin: {error}")))?
}

/// What the nearest configuration says of a plugin, looked for upward from the plugin's folder.
pub(super) fn glance(
    plugin: &str,
    folder: &Path,
    globals: &Globals,
) -> Result<Option<Glance>, Failure> {
    let absolute = |path: &Path| {
        std::path::absolute(path)
            .map_err(|error| Failure::invalid_input(format!("{}: {error}", path.display())))
    };
    let process = ProcessEnvironment::from_process();
    let named = globals
        .config
        .as_deref()
        .or_else(|| process.variable("ORCHESTRATOR_CONFIG").map(Path::new));
    let file = named.map(absolute).transpose()?;
    let sources = Sources {
        file: file.as_deref(),
        environment: None,
        working_folder: &folder
            .canonicalize()
            .map_err(|error| Failure::invalid_input(format!("{}: {error}", folder.display())))?,
        process: &process,
    };
    Ok(Glance::of(plugin, &sources)?)
}

/// Relative to the configuration, where the plugin lies below it: so both can be moved together.
fn path_in_configuration(file: &Path, glance: Option<&Glance>) -> Result<String, Failure> {
    let broken = |error| Failure::invalid_input(format!("{}: {error}", file.display()));
    let file = file.canonicalize().map_err(broken)?;
    let folder = glance.and_then(|glance| glance.file.parent());
    let shown = match folder.map(Path::canonicalize).transpose().map_err(broken)? {
        Some(folder) => file.strip_prefix(folder).unwrap_or(&file),
        None => &file,
    };
    Ok(shown.to_string_lossy().into_owned())
}

fn matches(pin: &Pin, plugin: &Plugin) -> bool {
    pin.sha256.eq_ignore_ascii_case(&plugin.sha256)
}

fn what_to_write(pin: Option<&Pin>, plugin: &Plugin, configuration: &str) -> String {
    match pin {
        None => format!(
            "\nto let it do what it asks for, put this into orchestrator.toml:\n\n{configuration}"
        ),
        Some(pin) if matches(pin, plugin) => format!("{} pins this digest already\n", pin.place),
        Some(pin) => format!(
            "{} pins another digest: after reading what it asks for, change that line to\n\nsha256 = \"{}\"\n",
            pin.place, plugin.sha256
        ),
    }
}
