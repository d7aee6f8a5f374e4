//! `builder OUT CRATE...`: builds the plugins in the folders CRATE... and writes OUT/<name>.wasm for each.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use builder::Builder;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((out, crates)) = arguments
        .split_first()
        .filter(|(_, crates)| !crates.is_empty())
    else {
        eprintln!("usage: builder OUT CRATE...");
        return ExitCode::from(2);
    };
    match build(Path::new(out), crates) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            if let Some(hint) = error
                .downcast_ref::<builder::Error>()
                .and_then(builder::Error::hint)
            {
                eprintln!("  hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn build(out: &Path, crates: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let builder = Builder {
        target_folder: None,
        locked: false,
    };
    let plugins = builder.build(crates)?;
    fs::create_dir_all(out)?;
    for plugin in plugins {
        let path = out.join(&plugin.manifest.name).with_extension("wasm");
        fs::write(&path, &plugin.component)?;
        println!(
            "{} {}  {} bytes  sha256 {}",
            path.display(),
            plugin.manifest.version,
            plugin.component.len(),
            plugin.sha256
        );
    }
    Ok(())
}
