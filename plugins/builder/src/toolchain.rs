//! Finds a cargo and a compiler that can make code for wasm32-unknown-unknown, and runs them undisturbed by the cargo that
//! may have started this program.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::Error;

/// What plugins are compiled for: no operating system, and so nothing to import but the contract.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Debian's compiler (packages cargo-web, rustc-web, rust-web-src) beside the one that rustup installed.
const DEBIAN: (&str, &str) = ("/usr/bin/cargo", "/usr/bin/rustc");

/// A cargo, its compiler, and where the target's standard library comes from.
#[derive(Debug)]
pub(crate) struct Toolchain {
    cargo: OsString,
    rustc: OsString,
    /// Of the compiler: the folder that holds `lib/rustlib`.
    sysroot: PathBuf,
    standard_library: StandardLibrary,
}

#[derive(Debug)]
enum StandardLibrary {
    /// Installed for the target, as by `rustup target add`.
    Installed,
    /// Compiled along with the plugins, from the compiler's own sources.
    Source { linker: PathBuf },
}

impl Toolchain {
    /// The compiler in use when it has the target installed; else one whose standard library's sources are installed.
    pub(crate) fn find() -> Result<Self, Error> {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let sysroot = print(&rustc, &["sysroot"])?;
        if target_is_installed(&rustc)? {
            return Ok(Self {
                cargo,
                rustc,
                sysroot,
                standard_library: StandardLibrary::Installed,
            });
        }
        let mut candidates = vec![(cargo, rustc, sysroot.clone())];
        if Path::new(DEBIAN.0).exists() && Path::new(DEBIAN.1).exists() {
            let debian = print(OsStr::new(DEBIAN.1), &["sysroot"])?;
            candidates.push((DEBIAN.0.into(), DEBIAN.1.into(), debian));
        }
        let sysroots: Vec<PathBuf> = candidates.iter().map(|(_, _, root)| root.clone()).collect();
        let with_sources = candidates
            .into_iter()
            .find(|(_, _, root)| library_sources(root).join("Cargo.lock").exists());
        match (with_sources, find_linker(&sysroots)) {
            (Some((cargo, rustc, sysroot)), Some(linker)) => Ok(Self {
                cargo,
                rustc,
                sysroot,
                standard_library: StandardLibrary::Source { linker },
            }),
            _ => Err(Error::NoTarget { remedy: remedy() }),
        }
    }

    /// Cargo in a folder, without what an outer cargo said about *its* build.
    pub(crate) fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = Command::new(&self.cargo);
        cargo.current_dir(folder);
        for (name, _) in env::vars_os() {
            if name.to_str().is_some_and(belongs_to_outer_build) {
                cargo.env_remove(name);
            }
        }
        cargo.env("RUSTC", &self.rustc);
        cargo
    }

    /// `cargo build` for the target, with the standard library built along where it has to be. Paths of this machine are
    /// taken out of the code: the workspace's own, and those that are the same for everybody.
    pub(crate) fn cargo_build(&self, workspace: &Path) -> Command {
        let mut cargo = self.cargo(workspace);
        cargo.args(["build", "--release", "--target", TARGET]);
        if let StandardLibrary::Source { linker } = &self.standard_library {
            cargo
                .arg("-Zbuild-std=std,panic_abort")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags(workspace));
        cargo
    }

    /// Flags for the compiler, in cargo's encoding. Of two prefixes that fit a path the later one counts.
    fn flags(&self, workspace: &Path) -> OsString {
        let sources = self.sysroot.join("lib/rustlib/src/rust");
        let real_sources = sources.canonicalize().unwrap_or_else(|_| sources.clone());
        let home = env::home_dir();
        let cargo_home = env::var_os("CARGO_HOME").map_or_else(
            || home.clone().map(|home| home.join(".cargo")),
            |set| Some(set.into()),
        );
        let prefixes = [
            (home, "home"),
            (
                cargo_home.map(|folder| folder.join("registry/src")),
                "registry",
            ),
            (Some(workspace.to_owned()), "plugins"),
            (Some(sources), "rust"),
            (Some(real_sources), "rust"),
        ];
        let mut flags = OsString::from("--cfg=getrandom_backend=\"custom\"");
        for (prefix, name) in prefixes {
            if let Some(prefix) = prefix.filter(|prefix| prefix.parent().is_some()) {
                flags.push("\u{1f}--remap-path-prefix=");
                flags.push(prefix);
                flags.push("=");
                flags.push(name);
            }
        }
        flags
    }
}

/// Runs a command to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<Output, Error> {
    command.output().map_err(|source| Error::Run {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })
}

fn target_is_installed(rustc: &OsStr) -> Result<bool, Error> {
    let folder = print(rustc, &["target-libdir", "--target", TARGET])?;
    Ok(folder.read_dir().is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    }))
}

/// `rustc --print WHAT`, which is a path for all that is asked here.
fn print(rustc: &OsStr, what: &[&str]) -> Result<PathBuf, Error> {
    let printed = output(Command::new(rustc).arg("--print").args(what))?;
    Ok(String::from_utf8_lossy(&printed.stdout).trim().into())
}

fn library_sources(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust/library")
}

/// LLVM's linker for wasm: rustc's own copy (in `lib/rustlib/<host>/bin`), else one on the path.
fn find_linker(sysroots: &[PathBuf]) -> Option<PathBuf> {
    let own = sysroots
        .iter()
        .filter_map(|root| root.join("lib/rustlib").read_dir().ok())
        .flat_map(|entries| entries.flatten())
        .map(|entry| entry.path().join("bin/rust-lld"));
    let path = env::var_os("PATH").unwrap_or_default();
    let shared: Vec<PathBuf> = env::split_paths(&path)
        .flat_map(|folder| [folder.join("rust-lld"), folder.join("wasm-ld")])
        .collect();
    own.chain(shared).find(|linker| linker.exists())
}

/// Cargo's settings for a machine and a user stay; what describes one build goes.
fn belongs_to_outer_build(name: &str) -> bool {
    const KEPT: [&str; 5] = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    const GONE: [&str; 10] = [
        "DEBUG",
        "HOST",
        "MAKEFLAGS",
        "MFLAGS",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTFLAGS",
        "TARGET",
    ];
    GONE.contains(&name)
        || name.starts_with("RUSTC")
        || name.starts_with("CARGO") && !KEPT.iter().any(|kept| name.starts_with(kept))
}

fn remedy() -> &'static str {
    if Path::new("/etc/debian_version").exists() {
        "run `rustup target add wasm32-unknown-unknown`, or where that cannot be fetched \
         `apt-get install rustc-web cargo-web rust-web-src`"
    } else {
        "run `rustup target add wasm32-unknown-unknown`"
    }
}

#[cfg(test)]
mod tests {
    use super::belongs_to_outer_build;

    #[test]
    fn an_outer_build_is_forgotten_and_the_users_settings_stay() {
        for name in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "CARGO_ENCODED_RUSTFLAGS",
            "RUSTC_WRAPPER",
            "RUSTC",
            "TARGET",
        ] {
            assert!(belongs_to_outer_build(name), "{name}");
        }
        for name in [
            "PATH",
            "HOME",
            "CARGO_HOME",
            "CARGO_HTTP_PROXY",
            "CARGO_NET_OFFLINE",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(!belongs_to_outer_build(name), "{name}");
        }
    }
}
