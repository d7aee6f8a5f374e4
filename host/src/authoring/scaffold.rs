//! `plugin new`: a crate that builds where nothing of this program's repository is.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::sdk;
use crate::config::BUILT_IN_PLUGINS;
use crate::failure::Failure;

/// Where the SDK lies in a plugin's folder.
const SDK_FOLDER: &str = "orchestrator-sdk";

/// Names that cargo or the compiler would trip over, beside Rust's keywords.
const TAKEN: [&str; 9] = [
    "alloc",
    "core",
    "orchestrator-sdk",
    "proc-macro",
    "serde",
    "serde-json",
    "std",
    "test",
    "wit-bindgen",
];

/// Jobs that are built in and no plugins: the block that `plugin build` prints has a job of the plugin's name.
const JOBS: [&str; 3] = ["deploy", "drill", "pre-migrate"];

/// Words of the language: the crate's name is one in `use`.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// What a crate begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// Rows by their key: it writes users.
    Seed,
    /// Any operation: it counts the rows of a table.
    Operation,
}

impl Template {
    /// Its files: where they lie, and their text with `{{name}}` for the plugin's name.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Seed => &[
                ("plugin.toml", include_str!("templates/seed/plugin.toml")),
                ("src/lib.rs", include_str!("templates/seed/lib.rs")),
                (
                    "tests/behaviour.rs",
                    include_str!("templates/seed/behaviour.rs"),
                ),
            ],
            Self::Operation => &[
                (
                    "plugin.toml",
                    include_str!("templates/operation/plugin.toml"),
                ),
                ("src/lib.rs", include_str!("templates/operation/lib.rs")),
                (
                    "tests/behaviour.rs",
                    include_str!("templates/operation/behaviour.rs"),
                ),
            ],
        }
    }

    /// What is typed to see it at work, after its block stands in the configuration.
    pub fn command(self, name: &str) -> String {
        match self {
            Self::Seed => format!("orchestrator seed {name} --param count=100"),
            Self::Operation => format!("orchestrator run {name} --param table=User"),
        }
    }
}

/// The files that every template has.
const COMMON: [(&str, &str); 3] = [
    ("Cargo.toml", include_str!("templates/Cargo.toml.in")),
    (".gitignore", "/target/\n"),
    ("README.md", include_str!("templates/README.md")),
];

/// A name that a plugin of somebody's own can have, or what is wrong with it.
pub fn check_name(name: &str) -> Result<(), Failure> {
    let problem = if !manifest::is_plugin_name(name) {
        format!("the name {name:?} is not {}", manifest::NAME_RULE)
    } else if name.len() > 63 {
        format!("the name {name:?} has more than 63 characters")
    } else if BUILT_IN_PLUGINS.contains(&name) {
        format!("the plugin {name} is built in")
    } else if JOBS.contains(&name) {
        format!("the job {name} is built in")
    } else if TAKEN.contains(&name) || KEYWORDS.contains(&name) {
        format!("Rust has something else of the name {name}")
    } else {
        return Ok(());
    };
    Err(Failure::invalid_input(problem).hint("choose another, such as my-seed"))
}

/// Writes a crate into a folder that is not there yet, or is empty. Its files, in the order in which they were written.
pub fn write(name: &str, template: Template, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    check_name(name)?;
    check_folder(folder)?;
    let own = COMMON.iter().chain(template.files());
    let filled = own.map(|(path, text)| (PathBuf::from(path), fill(text, name)));
    let sdk = sdk::FILES
        .iter()
        .map(|(path, text)| (Path::new(SDK_FOLDER).join(path), (*text).to_owned()));
    let lock = std::iter::once((PathBuf::from("Cargo.lock"), lockfile(name)));
    let mut written = Vec::new();
    for (path, text) in filled.chain(lock).chain(sdk) {
        let file = folder.join(&path);
        let broken = |error| Failure::invalid_input(format!("writing {}: {error}", file.display()));
        fs::create_dir_all(file.parent().unwrap_or(folder)).map_err(broken)?;
        fs::write(&file, text).map_err(broken)?;
        written.push(path);
    }
    Ok(written)
}

fn check_folder(folder: &Path) -> Result<(), Failure> {
    let refusal = |what: &str| {
        Failure::refused(format!("{} {what}", folder.display()))
            .hint("choose another folder: --folder DIR")
    };
    match fs::read_dir(folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(refusal("is there already, and is not empty")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => Err(refusal("is a file")),
        Err(error) => Err(Failure::invalid_input(format!(
            "reading the folder {}: {error}",
            folder.display()
        ))),
    }
}

fn fill(text: &str, name: &str) -> String {
    text.replace("{{name}}", name)
        .replace("{{crate}}", &name.replace('-', "_"))
        .replace("{{contract}}", manifest::CONTRACT)
        .replace("{{program}}", env!("CARGO_PKG_VERSION"))
}

/// The versions of all dependencies that the built-in plugins are built with, so that a plugin builds with what was tested.
fn lockfile(name: &str) -> String {
    let own = format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\ndependencies = [\n \"orchestrator-sdk\",\n \"serde\",\n \"serde_json\",\n]"
    );
    let mut packages: Vec<&str> = sdk::LOCK.iter().copied().chain([own.as_str()]).collect();
    packages.sort_unstable();
    let mut text =
        "# This file is automatically @generated by Cargo.\n# It is not intended for manual editing.\nversion = 4\n".to_owned();
    for package in packages {
        text += &format!("\n[[package]]\n{package}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::database::ProcessEnvironment;

    #[test]
    fn names_are_those_that_manifests_and_cargo_take() {
        check_name("my-seed2").unwrap();
        let refusals = [
            "My-Seed",
            "my_seed",
            "-a",
            "",
            "2a",
            "seed",
            "fn",
            "serde-json",
            "naïve",
            &"a".repeat(64),
        ]
        .map(|name| check_name(name).unwrap_err().to_string());
        for (refusal, expected) in refusals.iter().zip([
            "lowercase words",
            "lowercase words",
            "lowercase words",
            "lowercase words",
            "lowercase words",
            "built in",
            "something else",
            "something else",
            "lowercase words",
            "more than 63",
        ]) {
            assert!(refusal.contains(expected), "{refusal}");
        }
    }

    #[test]
    fn nothing_built_in_can_be_replaced_by_mistake() {
        let process = ProcessEnvironment::of([("DATABASE_URL", "postgresql://me@localhost/app")]);
        let sources = Sources {
            file: None,
            environment: None,
            working_folder: Path::new("/"),
            process: &process,
        };
        let config = Config::parse("", None, &sources).unwrap();
        assert!(config.jobs.len() >= 6);
        let jobs = config.jobs.keys().map(|name| name.as_str());
        let plugins = crate::plugins::builtin::BUILTIN
            .iter()
            .map(|plugin| plugin.name);
        for name in jobs.chain(plugins) {
            let refusal = check_name(name).unwrap_err();
            assert!(refusal.message.ends_with("is built in"), "{refusal}");
        }
    }

    #[test]
    fn nothing_of_a_workspace_is_left_in_the_sdk() {
        for (path, text) in sdk::FILES {
            if path.ends_with("Cargo.toml") {
                assert!(!text.contains("workspace"), "{path}: {text}");
            }
        }
        let has = |path: &str| sdk::FILES.iter().any(|(each, _)| *each == path);
        assert!(has("sdk/Cargo.toml") && has("sdk/src/lib.rs") && has("wit/0.1.0/world.wit"));
    }

    #[test]
    fn nothing_that_is_there_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("count");
        let written = write("count", Template::Operation, &inside).unwrap();
        assert!(
            written.contains(&PathBuf::from("orchestrator-sdk/sdk/src/testing.rs")),
            "{written:?}"
        );
        let refusal = write("count", Template::Operation, &inside).unwrap_err();
        assert!(
            refusal
                .message
                .ends_with("is there already, and is not empty"),
            "{refusal}"
        );
        let file = inside.join("README.md");
        assert!(!fs::read_to_string(&file).unwrap().contains("{{"));
        let refusal = write("count", Template::Operation, &file).unwrap_err();
        assert!(refusal.message.ends_with("is a file"), "{refusal}");
    }
}
