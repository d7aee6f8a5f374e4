//! Servers that follow another one.

use std::os::unix::fs::chown;
use std::path::Path;

use super::{PostgresServer, server_user, text};
use crate::guarded::{User, become_user, wait_until};

impl PostgresServer {
    /// A hot standby of this server, by pg_basebackup and streaming replication, that has caught up.
    pub fn standby(&self, settings: &[(&str, &str)]) -> PostgresServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        if let Some(User { uid, gid }) = server_user() {
            chown(folder.path(), Some(uid), Some(gid)).expect("root gives a folder away");
        }
        self.copy_to(&folder.path().join("data"));
        let mut standby = PostgresServer {
            server: None,
            folder,
            version: self.version,
            installation: self.installation.clone(),
            tools: self.tools.clone(),
            port: 0,
            settings: settings
                .iter()
                .map(|(name, value)| format!("--{name}={value}"))
                .collect(),
        };
        standby.launch();
        standby.catch_up_with(self);
        standby
    }

    /// Waits until the standby has applied all that its primary has written.
    pub fn catch_up_with(&self, primary: &PostgresServer) {
        let position = primary.psql("postgres", "SELECT pg_current_wal_lsn()");
        let reached = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
        assert!(
            wait_until(|| self.psql("postgres", &reached) == "t"),
            "the standby does not catch up"
        );
    }

    fn copy_to(&self, data: &Path) {
        let mut copy = self.tool("pg_basebackup");
        copy.args(["--write-recovery-conf", "--wal-method=stream"])
            .args(["--checkpoint=fast", "--no-sync", "--pgdata"])
            .arg(data)
            .current_dir(data.parent().expect("data lies in a folder"));
        become_user(&mut copy, server_user());
        let output = copy.output().expect("pg_basebackup runs");
        assert!(
            output.status.success(),
            "pg_basebackup: {}",
            text(output.stderr)
        );
    }
}
