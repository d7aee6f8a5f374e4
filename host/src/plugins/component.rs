//! What a file is before anything of it is compiled: a component with a manifest, or a clear error.

use manifest::Manifest;
use sha2::{Digest, Sha256};
use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload};

use crate::failure::Failure;

/// Larger files are refused before they are compiled: compiling is not protected by wasmtime's limits.
pub const COMPONENT_BYTES: usize = 64 * 1024 * 1024;

/// The versions of the contract that this host speaks.
pub const CONTRACTS: [&str; 1] = ["0.1.0"];

/// All that can be told of a component without running it.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// What it says about itself.
    pub manifest: Manifest,
    /// 64 lowercase hex digits.
    pub sha256: String,
    /// Its size.
    pub bytes: usize,
    /// Interfaces that it imports, with their versions.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
}

impl Inspection {
    /// Reads a file, or says why it is no plugin of this host.
    pub fn read(file: &[u8]) -> Result<Self, Failure> {
        if file.len() > COMPONENT_BYTES {
            return Err(Failure::limit(format!(
                "the component has {} MiB; at most {} are compiled",
                file.len() >> 20,
                COMPONENT_BYTES >> 20
            )));
        }
        if !file.starts_with(b"\0asm") {
            return Err(Failure::invalid_input(
                "the file is not WebAssembly: it does not begin with \\0asm",
            ));
        }
        let mut depth = 0usize;
        let mut manifest = None;
        let mut imports = Vec::new();
        let mut exports = Vec::new();
        for payload in Parser::new(0).parse_all(file) {
            let payload = payload.map_err(|error| {
                Failure::invalid_input(format!("the file is not valid WebAssembly: {error}"))
            })?;
            match payload {
                Payload::Version {
                    encoding: Encoding::Module,
                    ..
                } if depth == 0 => {
                    return Err(Failure::invalid_input("the file is a core WebAssembly module, not a component")
                        .hint("build it with `orchestrator plugin build`, or turn it into a component with wasm-tools"));
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section)
                    if depth == 0 && section.name() == manifest::SECTION =>
                {
                    manifest = Some(section.data());
                }
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        let import = import.map_err(|error| malformed(&error))?;
                        // A type is no way to reach anything: the names that the world gives to types of the contract.
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            imports.push(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(
                            export
                                .map_err(|error| malformed(&error))?
                                .name
                                .name
                                .to_owned(),
                        );
                    }
                }
                _ => {}
            }
        }
        check_imports(&imports)?;
        let manifest = manifest.ok_or_else(|| {
            Failure::invalid_input(
                "the component has no manifest: no custom section `orchestrator:manifest`",
            )
            .hint("build it with `orchestrator plugin build`, which stamps plugin.toml into it")
        })?;
        let manifest = Manifest::from_json(manifest)
            .map_err(|error| Failure::invalid_input(error.to_string()))?;
        if !CONTRACTS.contains(&manifest.contract.as_str()) {
            return Err(other_contract(&manifest.contract));
        }
        Ok(Self {
            manifest,
            sha256: hex::encode(Sha256::digest(file)),
            bytes: file.len(),
            imports,
            exports,
        })
    }
}

/// Nothing but the contract can be imported, in a version that this host speaks.
fn check_imports(imports: &[String]) -> Result<(), Failure> {
    for import in imports {
        let Some(interface) = import.strip_prefix("orchestrator:plugin/") else {
            return Err(Failure::refused(format!(
                "the component imports {import}, which is not of the contract"
            ))
            .hint("a plugin has no WASI: no files, clocks, environment or network of its own"));
        };
        let version = interface.split_once('@').map_or("", |(_, version)| version);
        if !CONTRACTS.contains(&version) {
            return Err(other_contract(version));
        }
    }
    Ok(())
}

fn other_contract(version: &str) -> Failure {
    Failure::invalid_input(format!(
        "the component was built for contract {version}; this host speaks {}",
        CONTRACTS.join(", ")
    ))
    .hint("upgrade orchestrator, or build the plugin against a contract from the list")
}

fn malformed(error: &wasmparser::BinaryReaderError) -> Failure {
    Failure::invalid_input(format!("the component is malformed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(file: &[u8]) -> String {
        Inspection::read(file).unwrap_err().to_string()
    }

    #[test]
    fn each_wrong_file_is_named() {
        assert!(refusal(b"#!/bin/sh\n").contains("not WebAssembly"));
        assert!(refusal(b"\0asm\x01\0\0\0").contains("core WebAssembly module"));
        assert!(refusal(b"\0asm\x0d\0\x01\0").contains("no manifest"));
        assert!(refusal(b"\0asm\x0d\0\x01\0\xff").contains("not valid WebAssembly"));
    }

    #[test]
    fn the_built_in_plugins_are_what_they_say() {
        assert!(!crate::plugins::builtin::BUILTIN.is_empty());
        for plugin in crate::plugins::builtin::BUILTIN {
            let inspection = Inspection::read(plugin.component).unwrap();
            assert_eq!(inspection.sha256, plugin.sha256);
            assert_eq!(inspection.manifest.name, plugin.name);
        }
    }
}
