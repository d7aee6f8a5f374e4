//! What a step asks of a restore, and what of it cannot go together.

use orchestrator_sdk::Error;
use serde::Deserialize;

/// More connections than this help no server.
const JOBS_MAX: usize = 64;

/// As `plugin.toml` declares them.
#[derive(Clone, Debug, Deserialize)]
pub struct Parameters {
    /// The binding to restore into.
    pub database: String,
    /// The binding to read from.
    pub storage: String,
    /// The backup's prefix in the storage.
    pub backup: String,
    /// Connections that write at the same time.
    pub jobs: usize,
    /// What the target is.
    pub mode: Mode,
    /// Patterns of relations; empty for all.
    pub table: Vec<String>,
    /// Definitions alone.
    pub schema_only: bool,
    /// Data alone.
    pub data_only: bool,
    /// No `ALTER ... OWNER TO`.
    pub no_owner: bool,
    /// No `GRANT`, no `REVOKE`.
    pub no_privileges: bool,
    /// Everything in the default tablespace.
    pub no_tablespaces: bool,
    /// Do not read the backup before the target is changed.
    pub skip_verify: bool,
    /// `ANALYZE` at the end.
    pub analyze: bool,
}

/// What the target is before the restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A database that holds nothing of its own.
    IntoEmpty,
    /// No database yet.
    Create,
    /// A database whose objects are dropped where the backup has them too.
    Clean,
}

impl Mode {
    /// As the parameter is spelled.
    pub fn name(self) -> &'static str {
        match self {
            Mode::IntoEmpty => "into-empty",
            Mode::Create => "create",
            Mode::Clean => "clean",
        }
    }
}

impl Parameters {
    /// Refuses numbers out of range and parameters that contradict each other.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=JOBS_MAX).contains(&self.jobs) {
            return Err(Error::invalid_input(format!(
                "jobs is {}, and has to be 1 to {JOBS_MAX}",
                self.jobs
            )));
        }
        let contradiction = if self.schema_only && self.data_only {
            "schema_only and data_only leave nothing to restore"
        } else if self.data_only && self.mode != Mode::IntoEmpty {
            "data_only loads into tables that exist, and these modes replace them: use the mode into-empty"
        } else if self.schema_only && self.analyze {
            "analyze needs data, and schema_only restores none"
        } else {
            return Ok(());
        };
        Err(Error::invalid_input(contradiction))
    }

    /// The backup's prefix without a `/` at its end.
    pub fn prefix(&self) -> &str {
        self.backup.trim_end_matches('/')
    }
}
