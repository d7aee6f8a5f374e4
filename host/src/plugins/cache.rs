//! Compiled code, kept between runs in a folder that only the host writes.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tracing::debug;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::failure::Failure;

/// Compiles, or loads what an earlier run compiled. A cache that cannot be used costs time, never a run.
pub(super) struct CompiledCode {
    folder: Option<PathBuf>,
}

impl CompiledCode {
    /// `None`: nothing is kept.
    pub fn in_folder(folder: Option<&Path>) -> Self {
        let folder = folder.and_then(|folder| match prepare(folder) {
            Ok(()) => Some(folder.to_owned()),
            Err(reason) => {
                debug!(
                    "compiled code is not kept in {}: {reason}",
                    folder.display()
                );
                None
            }
        });
        Self { folder }
    }

    pub fn component(
        &self,
        engine: &Engine,
        sha256: &str,
        bytes: &[u8],
    ) -> Result<Component, Failure> {
        let file = self
            .folder
            .as_ref()
            .map(|folder| folder.join(file_name(engine, sha256)));
        if let Some(component) = file.as_deref().and_then(|file| load(engine, file)) {
            return Ok(component);
        }
        let component = Component::from_binary(engine, bytes).map_err(|error| {
            Failure::invalid_input(format!("the component cannot be compiled: {error:#}"))
        })?;
        if let Some(file) = file
            && let Err(reason) = save(&component, &file)
        {
            debug!("compiled code is not kept in {}: {reason}", file.display());
        }
        Ok(component)
    }
}

/// The folder is ours alone: whoever could write into it could run native code in this process.
fn prepare(folder: &Path) -> Result<(), String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| error.to_string())?;
    let metadata = fs::symlink_metadata(folder).map_err(|error| error.to_string())?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it is not a folder of this user".to_owned());
    }
    if metadata.permissions().mode() & 0o022 != 0 {
        return Err("others can write into it".to_owned());
    }
    Ok(())
}

/// Code compiled by another version, or with other settings, has another name.
fn file_name(engine: &Engine, sha256: &str) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{sha256}-{:016x}.cwasm", hasher.finish())
}

#[allow(unsafe_code)]
fn load(engine: &Engine, file: &Path) -> Option<Component> {
    let metadata = fs::symlink_metadata(file).ok()?;
    let ours = metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.permissions().mode() & 0o022 == 0;
    if !ours {
        return None;
    }
    // SAFETY: only this program writes into the folder (checked: owner and mode of folder and file), by an atomic rename of
    // what `Component::serialize` gave it; a file of a user's own is never loaded.
    let loaded = unsafe { Component::deserialize_file(engine, file) };
    loaded
        .inspect_err(|error| debug!("compiled code in {} is not used: {error}", file.display()))
        .ok()
}

fn save(component: &Component, file: &Path) -> Result<(), String> {
    let compiled = component.serialize().map_err(|error| error.to_string())?;
    let folder = file.parent().ok_or("it has no folder")?;
    let mut partial = tempfile::NamedTempFile::new_in(folder).map_err(|error| error.to_string())?;
    partial
        .write_all(&compiled)
        .map_err(|error| error.to_string())?;
    partial.persist(file).map_err(|error| error.to_string())?;
    Ok(())
}
