//! Files that are no plugins, and plugins that were exchanged.

use std::io::Write;
use std::process::{Command, Stdio};

use super::{End, Hostile, Stage, components, failed, refused};

/// By a program of the system's, so that the tests do not check this program by itself.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum runs");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(bytes).expect("its input");
    drop(input);
    let output = child.wait_with_output().expect("sha256sum ends");
    String::from_utf8_lossy(&output.stdout)
        .chars()
        .take(64)
        .collect()
}

fn plugin(name: &str, component: Vec<u8>) -> Hostile {
    Hostile {
        name: name.to_owned(),
        sha256: sha256(&component),
        component,
    }
}

#[test]
fn files_that_are_no_plugins() {
    let good = components::wat("good", components::HARMLESS).component;
    let needle = br#""contract":"0.1.0""#;
    let at = good
        .windows(needle.len())
        .position(|window| window == needle)
        .expect("the manifest");
    let mut later = good.clone();
    later[at..at + needle.len()].copy_from_slice(br#""contract":"0.9.0""#);
    let plugins = [
        plugin("script", b"#!/bin/sh\necho no\n".to_vec()),
        plugin("core-module", b"\0asm\x01\0\0\0".to_vec()),
        plugin("cut", good[..good.len() / 2].to_vec()),
        plugin("later", later),
    ];
    let mut stage = Stage::new(&plugins, "");
    for (job, error) in [
        ("script", "not WebAssembly"),
        ("core-module", "core WebAssembly module"),
        ("cut", "not valid WebAssembly"),
        ("later", "contract 0.9.0"),
    ] {
        let end = End {
            code: 2,
            ..failed(error)
        };
        stage.attack(job, &end);
    }
    stage.check_log();
}

#[test]
fn a_plugin_that_was_exchanged_is_refused() {
    let good = components::wat("good", components::HARMLESS);
    let mut other = good.component.clone();
    other.extend_from_slice(&[0, 2, 1, b'x']);
    let mut stage = Stage::new(&[good], "");
    std::fs::write(stage.project.path().join("good.wasm"), other).expect("the plugin's file");
    stage.attack("good", &refused("the configuration pins"));
    stage.check_log();
}
