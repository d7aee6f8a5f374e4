//! What can stand in the way of a plugin's build.

use std::io;
use std::path::PathBuf;

/// A build that did not end in a component.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No compiler here can make code for wasm32-unknown-unknown.
    #[error(
        "this machine has no Rust standard library for wasm32-unknown-unknown, which plugins are compiled for"
    )]
    NoTarget {
        /// The command that helps.
        remedy: &'static str,
    },
    /// A program could not be run.
    #[error("running `{program}`: {source}")]
    Run {
        /// Which one.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("reading {path}: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The folder holds no crate that cargo can describe.
    #[error("asking cargo about the crate in {folder}: {problem}")]
    Describe {
        /// The crate's folder.
        folder: PathBuf,
        /// Cargo's answer.
        problem: String,
    },
    /// The crate has no `cdylib` target.
    #[error(
        "the crate `{name}` makes no component: its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`"
    )]
    NoLibrary {
        /// The crate's name.
        name: String,
    },
    /// `plugin.toml` is not a manifest.
    #[error("reading {path}: {problem}")]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong in it, and where.
        problem: String,
    },
    /// The compiler refused the plugin.
    #[error("compiling {names}:\n{log}")]
    Compile {
        /// The crates' names.
        names: String,
        /// What cargo and the compiler said.
        log: String,
    },
    /// The module imports something that is not the contract.
    #[error(
        "the plugin `{plugin}` imports `{import}`, and a plugin can import the contract (`orchestrator:plugin/*`) alone"
    )]
    ForeignImport {
        /// The plugin's name.
        plugin: String,
        /// The import's module and name.
        import: String,
    },
    /// The module is no component of the contract's world.
    #[error("the plugin `{plugin}` does not fit the contract {contract}: {problem}")]
    Contract {
        /// The plugin's name.
        plugin: String,
        /// The contract's version.
        contract: String,
        /// What wit-component found.
        problem: String,
    },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoTarget { remedy } => Some(remedy),
            Self::ForeignImport { .. } => Some(
                "a dependency wants an operating system or a browser: look for a feature of it, such as `js` or `wasi`, \
                 that can be turned off",
            ),
            _ => None,
        }
    }
}
