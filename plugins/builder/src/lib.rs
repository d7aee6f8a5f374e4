//! Builds plugins: a crate with a `plugin.toml` becomes a component that carries its manifest.
//!
//! The steps: cargo compiles the crate to a core module for wasm32-unknown-unknown; its imports are checked (the contract
//! and nothing else); wit-component wraps it as a component; the component is checked against the contract's world; the
//! manifest is stamped into a custom section. The same sources and tools give the same bytes, wherever they lie.

mod component;
mod crates;
mod error;
mod reference;
mod toolchain;

pub use component::componentize;
pub use error::Error;
pub use reference::contract_reference;

use std::path::{Path, PathBuf};

use manifest::Manifest;

/// A plugin, ready to be loaded.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// What it says about itself; the same as in the component's custom section.
    pub manifest: Manifest,
    /// The component.
    pub component: Vec<u8>,
    /// Of the component: 64 lowercase hex digits.
    pub sha256: String,
}

/// How plugins are built.
#[derive(Clone, Debug)]
pub struct Builder {
    /// Cargo's target folder for the wasm side; `None` is `target/plugins` in each workspace.
    pub target_folder: Option<PathBuf>,
    /// Whether the workspaces' lockfiles must be there and up to date.
    pub locked: bool,
}

impl Builder {
    /// Builds the plugins whose crates lie in these folders, with one run of cargo for each workspace among them. The
    /// results stand in the order of the folders.
    pub fn build<P: AsRef<Path>>(&self, folders: &[P]) -> Result<Vec<Plugin>, Error> {
        let cargo = toolchain::Toolchain::find()?;
        let crates = folders
            .iter()
            .map(|folder| crates::PluginCrate::read(&cargo, folder.as_ref()))
            .collect::<Result<Vec<_>, _>>()?;
        crates::compile(&cargo, &crates, self)?
            .iter()
            .zip(crates)
            .map(|(module, plugin)| componentize(module, plugin.manifest))
            .collect()
    }
}
