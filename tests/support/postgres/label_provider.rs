//! A module that servers of the tests preload, so that they have a provider of security labels: `tests`.

use std::path::{Path, PathBuf};
use std::process::Command;

const SOURCE: &str = include_str!("label_provider.c");

/// Compiles the module for a release into a folder that the server may read; what `shared_preload_libraries` takes.
pub fn compile(major: u32, folder: &Path) -> PathBuf {
    let module = folder.join("label_provider.so");
    let source = folder.join("label_provider.c");
    std::fs::write(&source, SOURCE).expect("a file for the module's source");
    let output = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror"])
        .arg(format!("-DPG_MAJOR={major}"))
        .arg("-o")
        .args([&module, &source])
        .output()
        .expect("cc, the C compiler that Rust links with, runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    module
}
