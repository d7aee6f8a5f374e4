//! Writes `sdk.rs`, through which the program carries the SDK's sources: `orchestrator plugin new` writes them beside a plugin,
//! so that it builds where this repository is not.
//!
//! The files keep the places that they have below `plugins/`, so that paths between them stay true. What a crate inherits from
//! its workspace is put into its `Cargo.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The SDK's folder below `plugins/`.
const SDK: &str = "sdk";
/// What it compiles in.
const CONTRACT: &str = "wit";
/// What a plugin's own `Cargo.toml` asks for, as packages of the lockfile.
const ROOTS: [&str; 3] = ["orchestrator-sdk", "serde", "serde_json"];

pub fn embed(plugins: &Path, out: &Path) -> Result<(), Box<dyn Error>> {
    let workspace = fs::read_to_string(plugins.join("Cargo.toml"))?;
    let mut table =
        "/// The SDK's files, and where they lie.\npub static FILES: &[(&str, &str)] = &[\n"
            .to_owned();
    let mut waiting = vec![SDK.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        let cargo_toml = alone(
            &fs::read_to_string(plugins.join(&name).join("Cargo.toml"))?,
            &workspace,
        )?;
        waiting.extend(siblings(&cargo_toml));
        let written = out.join(format!("{name}.Cargo.toml"));
        fs::write(&written, cargo_toml)?;
        writeln!(
            table,
            "    ({:?}, include_str!({written:?})),",
            format!("{name}/Cargo.toml")
        )?;
        list(plugins, &plugins.join(&name).join("src"), &mut table)?;
    }
    list(plugins, &plugins.join(CONTRACT), &mut table)?;
    table.push_str("];\n");
    let lock = fs::read_to_string(plugins.join("Cargo.lock"))?;
    writeln!(
        table,
        "/// The lockfile's packages that a plugin depends on, itself left out.\npub static LOCK: &[&str] = &{:?};",
        reachable(&lock)
    )?;
    fs::write(out.join("sdk.rs"), table)?;
    Ok(())
}

/// Every file below a folder.
fn list(plugins: &Path, folder: &Path, table: &mut String) -> Result<(), Box<dyn Error>> {
    let mut entries: Vec<PathBuf> = folder
        .read_dir()?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() {
            list(plugins, &entry, table)?;
        } else {
            let place = entry.strip_prefix(plugins)?;
            writeln!(
                table,
                "    ({place:?}, include_str!({:?})),",
                entry.canonicalize()?
            )?;
        }
    }
    Ok(())
}

/// A `Cargo.toml` without its workspace: what it inherits is written out, lints are left to whoever owns the code.
fn alone(cargo_toml: &str, workspace: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut section = "";
    for line in cargo_toml.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let inherited = line
            .split_once(".workspace = true")
            .or_else(|| line.split_once(" = { workspace = true }"));
        match inherited {
            _ if section == "[lints]" || line.starts_with("workspace = \"") => {}
            Some((key, _)) => {
                let from = section.replacen('[', "[workspace.", 1);
                let found = workspace
                    .lines()
                    .skip_while(|line| *line != from)
                    .skip(1)
                    .take_while(|line| !line.starts_with('['))
                    .find(|line| line.split(' ').next() == Some(key))
                    .ok_or_else(|| format!("{from} has no {key}"))?;
                // The workspace's paths start one folder above the crate.
                text += &found.replace("path = \"", "path = \"../");
                text += "\n";
            }
            None if line.contains("workspace") => return Err(format!("what is `{line}`?")),
            None => {
                text += line;
                text += "\n";
            }
        }
    }
    Ok(text)
}

/// The folders of the crates that it depends on by path.
fn siblings(cargo_toml: &str) -> Vec<String> {
    cargo_toml
        .lines()
        .filter_map(|line| line.split_once("path = \"../")?.1.split('"').next())
        .map(str::to_owned)
        .collect()
}

/// The packages that the roots need, as the lockfile writes them.
fn reachable(lock: &str) -> Vec<&str> {
    let blocks: Vec<&str> = lock
        .split("\n\n")
        .filter_map(|block| block.trim().strip_prefix("[[package]]\n"))
        .collect();
    let of = |block: &str, key: &str| {
        let value = block
            .lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        value
            .map(|value| value.trim_end_matches('"').to_owned())
            .unwrap_or_default()
    };
    // A dependency is a name, or a name and a version where there are several.
    let mut by_name: BTreeMap<String, &str> = BTreeMap::new();
    for block in blocks {
        let (name, version) = (of(block, "name"), of(block, "version"));
        by_name.insert(format!("{name} {version}"), block);
        by_name.insert(name, block);
    }
    let mut waiting: Vec<String> = ROOTS.map(str::to_owned).to_vec();
    let mut found = BTreeSet::new();
    while let Some(name) = waiting.pop() {
        if let Some(block) = by_name.get(&name).filter(|block| found.insert(**block)) {
            let needed = block
                .lines()
                .filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","));
            waiting.extend(needed.map(str::to_owned));
        }
    }
    found.into_iter().collect()
}
