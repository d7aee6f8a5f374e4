//! What an operator writes into `orchestrator.toml` to let a plugin do what it asks for.

use std::fmt::Write;

use manifest::{Kind, Manifest};
use serde_json::Value;

/// The bindings that most configurations have.
const DATABASE: &str = "app";
const STORAGE: &str = "main";

/// The folder of files that a plugin reads, where its manifest names none.
const FOLDER: &str = "seeds";

/// The plugin with its digest and grants, and a job of one step that runs it.
pub fn section(manifest: &Manifest, file: &str, sha256: &str) -> String {
    let defaults = manifest
        .parameters
        .iter()
        .filter(|parameter| parameter.kind == Kind::Folder)
        .map(|parameter| parameter.default.as_ref().and_then(Value::as_str));
    let folders: Vec<&str> = defaults.map(|folder| folder.unwrap_or(FOLDER)).collect();
    section_with(manifest, file, sha256, &folders)
}

/// The same with these folders for a plugin that asks for files.
pub(super) fn section_with(
    manifest: &Manifest,
    file: &str,
    sha256: &str,
    folders: &[&str],
) -> String {
    let name = &manifest.name;
    format!(
        "[plugins.{name}]\nfile = {}\nsha256 = \"{sha256}\"\n{}\n[jobs.{name}]\nsteps = [{{ plugin = \"{name}\"{} }}]\n",
        basic_string(file),
        grants(manifest, folders),
        bindings(manifest),
    )
}

/// Everything that the manifest asks for, on the bindings that most configurations have.
fn grants(manifest: &Manifest, folders: &[&str]) -> String {
    let asks = &manifest.asks;
    let table = |kind: &str, binding: &str| {
        format!("\n[plugins.{}.grants.{kind}.{binding}]\n", manifest.name)
    };
    let mut text = String::new();
    if asks.files {
        text += &format!("\n[plugins.{}.grants]\n", manifest.name);
        text += &list("files", folders.iter().copied());
    }
    if !asks.tables.is_empty() {
        text += &table("databases", &format!("{DATABASE}.tables"));
        for (name, rights) in &asks.tables {
            text += &list(&basic_string(name), rights.iter().map(|right| right.name()));
        }
    }
    if let Some(access) = asks.database {
        text += &table("databases", DATABASE);
        text += &format!("access = \"{}\"\n", access.name());
    }
    if !asks.storage.is_empty() {
        text += &table("storage", STORAGE);
        text += &list("rights", asks.storage.iter().map(|right| right.name()));
    }
    if !asks.snapshots.is_empty() {
        text += &table("snapshots", DATABASE);
        text += &list("rights", asks.snapshots.iter().map(|right| right.name()));
    }
    text
}

fn list<'a>(key: &str, texts: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = texts.map(basic_string).collect();
    format!("{key} = [{}]\n", quoted.join(", "))
}

/// The parameters that name a binding, where the manifest leaves them open.
fn bindings(manifest: &Manifest) -> String {
    let mut text = String::new();
    for parameter in manifest
        .parameters
        .iter()
        .filter(|parameter| parameter.default.is_none())
    {
        let binding = match parameter.kind {
            Kind::Database => DATABASE,
            Kind::Storage => STORAGE,
            Kind::Folder => FOLDER,
            _ => continue,
        };
        // Writing into a String cannot fail.
        let _ = write!(text, ", {} = \"{binding}\"", parameter.name);
    }
    text
}

/// A string of TOML. `Debug` of Rust escapes other characters than TOML knows.
pub(super) fn basic_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DatabaseGrant, Sources};
    use crate::database::ProcessEnvironment;
    use manifest::Access;
    use serde_json::json;
    use std::path::Path;

    fn read(manifest: &Manifest, file: &str) -> Config {
        let text = section(manifest, file, &"ab".repeat(32));
        let process = ProcessEnvironment::of([("DATABASE_URL", "postgresql://me@localhost/app")]);
        let sources = Sources {
            file: None,
            environment: None,
            working_folder: Path::new("/x"),
            process: &process,
        };
        let whole = format!(
            "[databases.app]\nurl = \"${{DATABASE_URL}}\"\n[storage.main]\nurl = \"file:backups\"\n{text}"
        );
        Config::parse(&whole, Some(Path::new("orchestrator.toml")), &sources).unwrap()
    }

    #[test]
    fn the_block_is_a_configuration_that_grants_what_is_asked() {
        let manifest: Manifest = serde_json::from_value(json!({
            "name": "my-seed", "version": "1.0.0", "description": "Fills tables",
            "asks": {"database": "write", "storage": ["read", "write"], "snapshots": ["create"]},
            "parameters": [
                {"name": "database", "kind": "database", "required": true, "description": "where"},
                {"name": "storage", "kind": "storage", "required": true, "description": "from"},
                {"name": "rows", "kind": "integer", "default": 3, "description": "how many"},
            ],
        }))
        .unwrap();
        let file = "a \"b\"\\\u{1}c.wasm";
        let config = read(&manifest, file);
        let plugin = &config.plugins["my-seed"];
        assert_eq!(plugin.file, Path::new("/x").join(file));
        assert_eq!(
            plugin.grants.databases["app"],
            DatabaseGrant::Whole(Access::Write)
        );
        assert_eq!(plugin.grants.storage["main"].rights.len(), 2);
        assert_eq!(plugin.grants.snapshots["app"].len(), 1);
        let step = &config.job("my-seed").unwrap().steps[0];
        assert_eq!(step.parameters["storage"], "main");
        assert_eq!(step.parameters.get("rows"), None);
    }

    #[test]
    fn tables_and_folders_are_granted_by_name() {
        let manifest: Manifest = serde_json::from_value(json!({
            "name": "my-seed", "version": "1.0.0", "description": "Fills tables",
            "asks": {"tables": {"User": ["select", "insert"], "audit.log": ["insert"]}, "files": true},
            "parameters": [
                {"name": "database", "kind": "database", "required": true, "description": "where"},
                {"name": "folder", "kind": "folder", "default": "seeds/data", "description": "from"},
            ],
        }))
        .unwrap();
        let config = read(&manifest, "my-seed.wasm");
        let grants = &config.plugins["my-seed"].grants;
        assert_eq!(grants.files, [Path::new("/x/seeds/data")]);
        let DatabaseGrant::Tables(tables) = &grants.databases["app"] else {
            panic!("{grants:?}");
        };
        let rights: Vec<usize> = tables.values().map(|rights| rights.len()).collect();
        assert_eq!(tables.len(), 2);
        assert_eq!(rights.iter().sum::<usize>(), 3);
    }
}
