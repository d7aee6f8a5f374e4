//! Plugin crates as cargo sees them: what they are called, what their manifests say, and the modules they compile to.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use manifest::Manifest;
use serde::Deserialize;

use crate::toolchain::{Toolchain, output};
use crate::{Builder, Error};

/// The author's part of the manifest, beside `Cargo.toml`.
const MANIFEST_FILE: &str = "plugin.toml";

/// One crate that makes a plugin.
#[derive(Debug)]
pub(crate) struct PluginCrate {
    /// As cargo names the package: unambiguous among all dependencies.
    id: String,
    workspace: PathBuf,
    pub(crate) manifest: Manifest,
}

impl PluginCrate {
    /// Reads the crate in a folder, without compiling or fetching anything.
    pub(crate) fn read(cargo: &Toolchain, folder: &Path) -> Result<Self, Error> {
        let describe = |problem: String| Error::Describe {
            folder: folder.to_owned(),
            problem,
        };
        let cargo_toml = folder
            .join("Cargo.toml")
            .canonicalize()
            .map_err(|error| describe(format!("Cargo.toml: {error}")))?;
        // A canonical path of a file has a parent.
        let folder = cargo_toml.parent().unwrap_or(folder);
        let answer =
            output(
                cargo
                    .cargo(folder)
                    .args(["metadata", "--no-deps", "--format-version=1"]),
            )?;
        if !answer.status.success() {
            return Err(describe(
                String::from_utf8_lossy(&answer.stderr).trim().to_owned(),
            ));
        }
        let metadata: Metadata =
            serde_json::from_slice(&answer.stdout).map_err(|error| describe(error.to_string()))?;
        let package = metadata
            .packages
            .into_iter()
            .find(|package| package.manifest_path == cargo_toml)
            .ok_or_else(|| describe("it is a workspace, not a crate".to_owned()))?;
        if !package.targets.iter().any(Target::is_cdylib) {
            return Err(Error::NoLibrary { name: package.name });
        }
        Ok(Self {
            manifest: read_manifest(&folder.join(MANIFEST_FILE), &package.name, &package.version)?,
            id: package.id,
            workspace: metadata.workspace_root,
        })
    }
}

/// Compiles the crates, and gives their core modules in the same order.
pub(crate) fn compile(
    cargo: &Toolchain,
    crates: &[PluginCrate],
    builder: &Builder,
) -> Result<Vec<Vec<u8>>, Error> {
    let mut workspaces: BTreeMap<&Path, Vec<&PluginCrate>> = BTreeMap::new();
    for plugin in crates {
        workspaces
            .entry(&plugin.workspace)
            .or_default()
            .push(plugin);
    }
    let mut modules = BTreeMap::new();
    for (workspace, members) in workspaces {
        modules.append(&mut compile_workspace(cargo, workspace, &members, builder)?);
    }
    crates
        .iter()
        .map(|plugin| {
            let path = modules.get(&plugin.id).ok_or_else(|| Error::NoLibrary {
                name: plugin.manifest.name.clone(),
            })?;
            fs::read(path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })
        })
        .collect()
}

/// One run of cargo; the path of each crate's module, by the crate's id.
fn compile_workspace(
    cargo: &Toolchain,
    workspace: &Path,
    members: &[&PluginCrate],
    builder: &Builder,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let target = builder
        .target_folder
        .clone()
        .unwrap_or_else(|| workspace.join("target/plugins"));
    let mut command = cargo.cargo_build(workspace);
    command
        .args([
            "--lib",
            "--message-format=json-render-diagnostics",
            "--target-dir",
        ])
        .arg(target);
    if builder.locked {
        command.arg("--locked");
    }
    for member in members {
        command.args(["--package", &member.id]);
    }
    let answer = output(&mut command)?;
    if !answer.status.success() {
        let names: Vec<_> = members
            .iter()
            .map(|member| format!("`{}`", member.manifest.name))
            .collect();
        return Err(Error::Compile {
            names: names.join(", "),
            log: with_hint(String::from_utf8_lossy(&answer.stderr).trim()),
        });
    }
    Ok(answer
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok())
        .filter(|artifact| artifact.reason == "compiler-artifact")
        .filter_map(Artifact::into_module)
        .collect())
}

/// What cargo said, and what it cannot know: where a plugin's entropy comes from.
fn with_hint(log: &str) -> String {
    if log.contains("__getrandom_v03_custom") {
        format!(
            "{log}\n\na dependency asks for entropy: turn on the feature `getrandom` of orchestrator-sdk"
        )
    } else {
        log.to_owned()
    }
}

/// `plugin.toml` with the crate's name and version put in.
fn read_manifest(path: &Path, name: &str, version: &str) -> Result<Manifest, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    parse_manifest(&text, name, version).map_err(|problem| Error::Manifest {
        path: path.to_owned(),
        problem,
    })
}

fn parse_manifest(text: &str, name: &str, version: &str) -> Result<Manifest, String> {
    let mut table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    for (key, value) in [("name", name), ("version", version)] {
        if table.insert(key.to_owned(), value.into()).is_some() {
            return Err(format!(
                "`{key}` stands in Cargo.toml and cannot be given here again"
            ));
        }
    }
    let manifest: Manifest = table.try_into().map_err(|error| error.to_string())?;
    manifest.validate().map_err(|error| error.to_string())?;
    Ok(manifest)
}

/// What `cargo metadata` prints, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Target {
    fn is_cdylib(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

/// A line that `cargo build` prints for each thing it made.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    package_id: String,
    filenames: Vec<PathBuf>,
}

impl Artifact {
    fn into_module(self) -> Option<(String, PathBuf)> {
        let path = self.filenames.into_iter().find(|path| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        })?;
        Some((self.package_id, path))
    }
}

#[cfg(test)]
mod tests {
    use manifest::{Access, Kind};

    use super::parse_manifest;

    const EXAMPLE: &str = r#"
        description = "Fills tables"
        asks.database = "write"

        [[parameters]]
        name = "database"
        kind = "database"
        required = true
        description = "Where to"

        [[parameters]]
        name = "rows"
        kind = "integer"
        default = 20
        description = "How many"
    "#;

    #[test]
    fn a_manifest_takes_name_and_version_from_the_crate() {
        let manifest = parse_manifest(EXAMPLE, "my-seed", "1.2.3").unwrap();
        assert_eq!((&*manifest.name, &*manifest.version), ("my-seed", "1.2.3"));
        assert_eq!(manifest.asks.database, Some(Access::Write));
        assert_eq!(manifest.parameters[1].kind, Kind::Integer);
        assert_eq!(manifest.parameters[1].default, Some(20.into()));
    }

    #[test]
    fn what_is_wrong_in_it_is_named() {
        let cases = [
            ("name = \"x\"\n", "`name` stands in Cargo.toml"),
            ("colour = \"red\"\n", "unknown field `colour`"),
            ("limits.connections = 0\n", "limits.connections is 0"),
            ("limits.connections = \n", "expected"),
        ];
        for (line, expected) in cases {
            let problem =
                parse_manifest(&format!("{line}{EXAMPLE}"), "my-seed", "1.2.3").unwrap_err();
            assert!(problem.contains(expected), "{line}: {problem}");
        }
    }
}
