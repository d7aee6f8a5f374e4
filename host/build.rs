//! Builds the built-in plugins and writes `builtin.rs`, the table through which the host embeds them.
//!
//! A folder of `plugins/` that holds a `plugin.toml` is a built-in plugin. `build/sdk.rs` embeds what their authors depend on.

#[path = "build/sdk.rs"]
mod sdk;

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, process};

use builder::Builder;

fn main() {
    if let Err(error) = embed_plugins() {
        eprintln!("building the built-in plugins: {error}");
        if let Some(hint) = error
            .downcast_ref::<builder::Error>()
            .and_then(builder::Error::hint)
        {
            eprintln!("{hint}");
        }
        process::exit(1);
    }
}

fn embed_plugins() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let plugins = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../plugins");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let mut crates = Vec::new();
    for entry in plugins.read_dir()? {
        let folder = entry?.path();
        // The builder is a dependency of this script already.
        if !folder.ends_with("target") && !folder.ends_with("builder") {
            println!("cargo::rerun-if-changed={}", folder.display());
        }
        if folder.join("plugin.toml").exists() {
            crates.push(folder);
        }
    }
    crates.sort();

    let builder = Builder {
        target_folder: Some(target_folder(&out)),
        locked: true,
    };
    let mut table =
        "/// The built-in plugins, by name.\npub static BUILTIN: &[BuiltinPlugin] = &[\n"
            .to_owned();
    for plugin in builder.build(&crates)? {
        let file = out.join(&plugin.manifest.name).with_extension("wasm");
        fs::write(&file, &plugin.component)?;
        writeln!(
            table,
            "    BuiltinPlugin {{ name: {:?}, sha256: {:?}, component: include_bytes!({file:?}) }},",
            plugin.manifest.name, plugin.sha256,
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("builtin.rs"), table)?;
    sdk::embed(&plugins, &out)
}

/// `target/plugins`, which outlives this script's own folder (`target/<profile>/build/<crate>/out`), so that a change of
/// one plugin compiles that plugin alone.
fn target_folder(out: &Path) -> PathBuf {
    out.ancestors().nth(4).unwrap_or(out).join("plugins")
}
