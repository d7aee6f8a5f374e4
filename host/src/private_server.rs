//! A PostgreSQL server of one's own: in a temporary folder, on a socket in it, gone at the end.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::failure::{Failure, FailureKind};

/// Runs until it is dropped.
pub struct PrivateServer {
    folder: TempDir,
    programs: PathBuf,
    account: Option<Account>,
}

/// PostgreSQL refuses to run as root.
#[derive(Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

/// The name of the superuser that initdb makes here.
const SUPERUSER: &str = "postgres";
const PORT: u16 = 5432;

impl PrivateServer {
    /// Makes a cluster and starts it. Takes a few seconds.
    pub fn start() -> Result<Self, Failure> {
        let programs = find_programs()?;
        let account = if rustix::process::geteuid().is_root() {
            Some(account_named("postgres")?)
        } else {
            None
        };
        let folder = tempfile::Builder::new()
            .prefix("orchestrator-server-")
            .tempdir()
            .map_err(|error| broken("making a temporary folder", &error))?;
        if let Some(account) = account {
            chown(folder.path(), Some(account.user), Some(account.group))
                .map_err(|error| broken("giving the folder to postgres", &error))?;
        }
        let server = Self {
            folder,
            programs,
            account,
        };
        let data = server.data();
        server.run(
            "initdb",
            &[
                "--no-sync",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--username",
                SUPERUSER,
                "-D",
                &data,
            ],
        )?;
        let options = format!(
            "-c listen_addresses= -c fsync=off -c port={PORT} -c unix_socket_directories={}",
            server.folder.path().display()
        );
        let log = server.folder.path().join("server.log");
        server.run(
            "pg_ctl",
            &[
                "start",
                "-w",
                "-s",
                "-D",
                &data,
                "-o",
                &options,
                "-l",
                &log.to_string_lossy(),
            ],
        )?;
        Ok(server)
    }

    /// The URL of a database on it.
    pub fn url(&self, database: &str) -> String {
        let socket: String =
            url::form_urlencoded::byte_serialize(self.folder.path().as_os_str().as_encoded_bytes())
                .collect();
        format!("postgresql://{SUPERUSER}@/{database}?host={socket}&port={PORT}")
    }

    fn data(&self) -> String {
        self.folder
            .path()
            .join("data")
            .to_string_lossy()
            .into_owned()
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Failure> {
        let output_file = self.folder.path().join("output");
        let output =
            fs::File::create(&output_file).map_err(|error| broken("making a file", &error))?;
        let errors = output
            .try_clone()
            .map_err(|error| broken("making a file", &error))?;
        let mut command = Command::new(self.programs.join(program));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            // A server must not hold on to what this program reads and writes.
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        if let Some(account) = self.account {
            command.uid(account.user).gid(account.group);
        }
        let status = command
            .status()
            .map_err(|error| broken(&format!("running {program}"), &error))?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read_to_string(output_file).unwrap_or_default();
        Err(Failure::new(
            FailureKind::Unavailable,
            format!("{program} ended with {status}"),
        )
        .detail(said.trim().to_owned()))
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        let data = self.data();
        if let Err(failure) = self.run("pg_ctl", &["stop", "-m", "immediate", "-s", "-D", &data]) {
            tracing::warn!("stopping the private server: {failure}");
        }
    }
}

/// The folder with initdb and pg_ctl: the newest of the places where packages put them, else of PATH.
fn find_programs() -> Result<PathBuf, Failure> {
    if let Some(folder) = std::env::var_os("ORCHESTRATOR_POSTGRES") {
        return Ok(PathBuf::from(folder).join("bin"));
    }
    let mut packaged: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, folder)| is_server(folder))
        .collect();
    packaged.sort();
    let on_path =
        || std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| is_server(folder));
    packaged.pop().map(|(_, folder)| folder).or_else(on_path).ok_or_else(|| {
        Failure::not_found("no PostgreSQL server is installed on this machine")
            .hint("install one (`apt-get install postgresql`, `brew install postgresql`), or set ORCHESTRATOR_POSTGRES to its folder")
    })
}

fn is_server(folder: &Path) -> bool {
    folder.join("initdb").is_file() && folder.join("pg_ctl").is_file()
}

fn account_named(name: &str) -> Result<Account, Failure> {
    let accounts =
        fs::read_to_string("/etc/passwd").map_err(|error| broken("reading /etc/passwd", &error))?;
    accounts
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let found = fields.next()? == name;
            let user = fields.nth(1)?.parse().ok()?;
            let group = fields.next()?.parse().ok()?;
            found.then_some(Account { user, group })
        })
        .ok_or_else(|| {
            Failure::not_found(format!(
                "PostgreSQL refuses to run as root, and there is no user {name}"
            ))
            .hint("run this as another user, or make one: useradd --system postgres")
        })
}

fn broken(doing: &str, error: &io::Error) -> Failure {
    Failure::internal(format!("{doing}: {error}"))
}
