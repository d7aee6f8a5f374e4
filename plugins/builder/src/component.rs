//! From a core module to a component of the contract that carries its manifest.

use manifest::Manifest;
use sha2::{Digest, Sha256};
use wasm_encoder::{CustomSection, Encode, Section};
use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;
use wit_parser::{Resolve, SourceMap, WorldId};

use crate::{Error, Plugin};

/// The contract, as the plugins' SDK compiles it in.
const CONTRACT_FILES: [(&str, &str); 8] = [
    ("files.wit", include_str!("../../wit/0.1.0/files.wit")),
    ("postgres.wit", include_str!("../../wit/0.1.0/postgres.wit")),
    ("run.wit", include_str!("../../wit/0.1.0/run.wit")),
    (
        "snapshots.wit",
        include_str!("../../wit/0.1.0/snapshots.wit"),
    ),
    ("storage.wit", include_str!("../../wit/0.1.0/storage.wit")),
    ("streams.wit", include_str!("../../wit/0.1.0/streams.wit")),
    ("types.wit", include_str!("../../wit/0.1.0/types.wit")),
    ("world.wit", include_str!("../../wit/0.1.0/world.wit")),
];

/// The world that every plugin implements.
const WORLD: &str = "operation";

/// What the name of every import begins with.
const CONTRACT_PACKAGE: &str = "orchestrator:plugin/";

/// Wraps a core module that wit-bindgen's guest code is compiled into, checks it against the contract and stamps the
/// manifest into it.
pub fn componentize(module: &[u8], manifest: Manifest) -> Result<Plugin, Error> {
    let misfit = |problem: String| Error::Contract {
        plugin: manifest.name.clone(),
        contract: manifest.contract.clone(),
        problem,
    };
    if manifest.contract != manifest::CONTRACT {
        return Err(misfit(format!(
            "this builder knows the contract {} alone",
            manifest::CONTRACT
        )));
    }
    if let Some(import) = foreign_import(module).map_err(|error| misfit(error.to_string()))? {
        return Err(Error::ForeignImport {
            plugin: manifest.name,
            import,
        });
    }
    let mut component = ComponentEncoder::default()
        .module(module)
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(|error| misfit(format!("{error:#}")))?;
    contract()
        .and_then(|(resolve, world)| {
            wit_component::targets(&resolve, world, &component)
                .map_err(|error| format!("{error:#}"))
        })
        .map_err(misfit)?;
    stamp(&mut component, &manifest);
    Ok(Plugin {
        sha256: hex::encode(Sha256::digest(&component)),
        component,
        manifest,
    })
}

/// The first import that is not the contract's, as `module.name`.
fn foreign_import(module: &[u8]) -> Result<Option<String>, wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::ImportSection(imports) = payload? else {
            continue;
        };
        for import in imports.into_imports() {
            let import = import?;
            if !import.module.starts_with(CONTRACT_PACKAGE) {
                return Ok(Some(format!("{}.{}", import.module, import.name)));
            }
        }
    }
    Ok(None)
}

pub(crate) fn contract() -> Result<(Resolve, WorldId), String> {
    let mut sources = SourceMap::default();
    for (name, text) in CONTRACT_FILES {
        sources.push(name.as_ref(), text);
    }
    let group = sources
        .parse()
        .map_err(|(sources, error)| error.render(&sources))?;
    let mut resolve = Resolve::default();
    let package = resolve
        .push_group(group)
        .map_err(|error| error.to_string())?;
    let world = resolve
        .select_world(&[package], Some(WORLD))
        .map_err(|error| format!("{error:#}"))?;
    Ok((resolve, world))
}

/// Appends the manifest's section; a component may have custom sections anywhere.
fn stamp(component: &mut Vec<u8>, manifest: &Manifest) {
    let section = CustomSection {
        name: manifest::SECTION.into(),
        data: manifest.to_json().into(),
    };
    component.push(section.id());
    section.encode(component);
}

#[cfg(test)]
mod tests {
    use manifest::{Asks, Limits, Manifest};
    use wasm_encoder::{EntityType, ImportSection, Module, TypeSection};

    use super::{componentize, contract, stamp};
    use crate::Error;

    fn example() -> Manifest {
        Manifest {
            name: "example".to_owned(),
            version: "1.0.0".to_owned(),
            contract: manifest::CONTRACT.to_owned(),
            description: "An example".to_owned(),
            asks: Asks::default(),
            limits: Limits::default(),
            parameters: Vec::new(),
            seed: None,
        }
    }

    #[test]
    fn the_contract_has_its_world() {
        contract().unwrap();
    }

    #[test]
    fn a_foreign_import_is_named() {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        imports.import(
            "wasi_snapshot_preview1",
            "fd_write",
            EntityType::Function(0),
        );
        let mut module = Module::new();
        module.section(&types).section(&imports);
        let error = componentize(&module.finish(), example()).unwrap_err();
        assert!(matches!(
            &error,
            Error::ForeignImport { import, .. } if import == "wasi_snapshot_preview1.fd_write"
        ));
    }

    #[test]
    fn a_module_without_the_export_does_not_fit() {
        let error = componentize(&Module::new().finish(), example()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the plugin `example` does not fit the contract 0.1.0: "),
            "{error}"
        );
    }

    #[test]
    fn another_contract_is_refused() {
        let manifest = Manifest {
            contract: "9.0.0".to_owned(),
            ..example()
        };
        let error = componentize(&Module::new().finish(), manifest).unwrap_err();
        assert!(
            error.to_string().contains("knows the contract 0.1.0 alone"),
            "{error}"
        );
    }

    #[test]
    fn a_stamped_manifest_is_read_back() {
        let mut component = wasm_encoder::Component::new().finish();
        stamp(&mut component, &example());
        let section = wasmparser::Parser::new(0)
            .parse_all(&component)
            .find_map(|payload| match payload.unwrap() {
                wasmparser::Payload::CustomSection(section) => Some(section),
                _ => None,
            })
            .unwrap();
        assert_eq!(section.name(), manifest::SECTION);
        assert_eq!(Manifest::from_json(section.data()).unwrap(), example());
    }
}
