//! A PostgreSQL server for one test: in a temporary folder, on a Unix socket, stopped at the end also after a panic.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A running server.
pub struct Server {
    tools: PathBuf,
    folder: TempDir,
}

impl Server {
    pub fn start() -> Server {
        let folder = tempfile::Builder::new()
            .prefix("archive-test-")
            .tempdir()
            .expect("a temporary folder");
        let server = Server {
            tools: tools(),
            folder,
        };
        server.open_to_all(&server.path(""));
        server.tool(
            "initdb",
            &[
                "-N",
                "-A",
                "trust",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-D",
                &server.path("data"),
            ],
        );
        // No TCP: nothing else can collide with the socket in this folder.
        let options = format!("-c listen_addresses= -c fsync=off -k '{}'", server.path(""));
        server.tool(
            "pg_ctl",
            &[
                "-w",
                "-s",
                "-D",
                &server.path("data"),
                "-l",
                &server.path("log"),
                "-o",
                &options,
                "start",
            ],
        );
        server
    }

    /// A file or folder that belongs to this test.
    pub fn path(&self, name: &str) -> String {
        self.folder
            .path()
            .join(name)
            .to_str()
            .expect("a temporary folder's name is text")
            .to_owned()
    }

    /// Runs one of PostgreSQL's programs against this server, and returns what it printed.
    pub fn tool(&self, name: &str, arguments: &[&str]) -> String {
        let output = as_other_user(&self.tools.join(name))
            .args(arguments)
            .current_dir(self.folder.path())
            .env("PGHOST", self.folder.path())
            .env("PGUSER", "postgres")
            .env("TZ", "UTC")
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            output.status.success(),
            "{name} {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Lets the server's user, who may be another one, use a folder.
    pub fn open_to_all(&self, folder: &str) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("own folder");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = as_other_user(&self.tools.join("pg_ctl"))
            .args(["-s", "-m", "immediate", "-D", &self.path("data"), "stop"])
            .current_dir(self.folder.path())
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            eprintln!("the server in {} did not stop", self.path("data"));
        }
    }
}

/// The folder of the stock tools.
fn tools() -> PathBuf {
    if let Some(config) = std::env::var_os("PG_CONFIG") {
        let output = Command::new(config)
            .arg("--bindir")
            .output()
            .expect("pg_config");
        return PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    }
    let major = |path: &Path| path.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("pg_dump").exists())
        .max_by_key(|bin| major(bin))
        .expect("PostgreSQL's programs: install them, or name pg_config by PG_CONFIG")
}

/// PostgreSQL refuses to run as root: root runs it as the user `postgres`, everyone else as themselves.
fn as_other_user(program: &Path) -> Command {
    let root = fs::metadata("/proc/self")
        .is_ok_and(|process| std::os::unix::fs::MetadataExt::uid(&process) == 0);
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program);
    command
}
