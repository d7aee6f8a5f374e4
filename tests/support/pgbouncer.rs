//! The real PgBouncer in front of a server.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::PostgresServer;
use crate::guarded::{Guarded, User, free_port, wait_until};
use crate::postgres::server_user;

/// A running pooler; it stops when dropped. It lets everybody in, and is the server's superuser.
#[derive(Debug)]
pub struct PgBouncer {
    // Before the folder: it stops before its files go.
    _process: Guarded,
    folder: TempDir,
    port: u16,
}

impl PgBouncer {
    /// Starts one with this `pool_mode`: `session`, `transaction`, `statement`.
    pub fn start(server: &PostgresServer, pool_mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let config = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host={} port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = {pool_mode}\n",
            server.socket_folder().display(),
            server.port(),
        );
        fs::write(&config, text).expect("a file in a temporary folder");
        let user = server_user();
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid)).expect("root gives a folder away");
        }
        let mut command = Command::new(program());
        command.arg(&config).current_dir(folder.path());
        let log = folder.path().join("log");
        let pooler = Self {
            _process: Guarded::start(&command, "TERM", user, &log),
            folder,
            port,
        };
        let answers = wait_until(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        assert!(answers, "PgBouncer does not start: {}", pooler.log());
        pooler
    }

    /// A database's URL by way of the pooler.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

/// Debian has it where only administrators look.
fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/pgbouncer");
    if debian.exists() {
        debian.to_owned()
    } else {
        PathBuf::from("pgbouncer")
    }
}
