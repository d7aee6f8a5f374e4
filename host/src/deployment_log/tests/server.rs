//! A PostgreSQL server of its own for one test: in a temporary folder, on a socket, stopped when the test ends.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio_postgres::{Client, NoTls};

/// Stopped on drop, also after a panic.
pub(super) struct Server {
    process: Child,
    folder: tempfile::TempDir,
}

impl Server {
    /// Initialised and started; `client` waits until it answers.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            // PostgreSQL refuses to run as root.
            run(Command::new("chown")
                .arg("postgres:postgres")
                .arg(folder.path()));
        }
        let data = folder.path().join("data");
        run(postgres("initdb")
            .args([
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
                "-D",
            ])
            .arg(&data)
            .stdout(Stdio::null()));
        let process = postgres("postgres")
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=20",
                "-c",
                "timezone=Asia/Kathmandu",
            ])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, folder }
    }

    /// A connection to the database `postgres`.
    pub async fn client(&self, user: &str) -> Client {
        self.database(user, "postgres").await
    }

    /// A connection to any database.
    pub async fn database(&self, user: &str, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(self.folder.path())
            .user(user)
            .dbname(database);
        for _ in 0..600 {
            if let Ok((client, connection)) = config.connect(NoTls).await {
                tokio::spawn(connection);
                return client;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the server does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An immediate shutdown (SIGQUIT), by the process that was started here.
        if let Some(pid) = i32::try_from(self.process.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = self.process.wait();
    }
}

fn postgres(program: &str) -> Command {
    let path = binaries().join(program);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(path);
    command
}

/// Where Debian keeps the newest server's programs.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let newest = versions
        .flatten()
        .filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok())
        .max();
    Path::new("/usr/lib/postgresql")
        .join(newest.unwrap().to_string())
        .join("bin")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}
