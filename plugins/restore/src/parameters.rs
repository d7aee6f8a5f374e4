//! What a step asks of a restore, and what of it cannot go together.

use crate::drill::{self, Query};
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
    /// No `SECURITY LABEL`.
    pub no_security_labels: bool,
    /// Everything in the default tablespace.
    pub no_tablespaces: bool,
    /// Do not read the backup before the target is changed.
    pub skip_verify: bool,
    /// `ANALYZE` at the end.
    pub analyze: bool,
    /// Go on with a restore that was cut.
    pub resume: bool,
    /// Restore what can be, and name what could not.
    pub keep_going: bool,
    /// Create the roles of the backup that the server lacks.
    pub globals: bool,
    /// What the restored database is asked before it is removed.
    pub queries: Vec<Query>,
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
    /// A database that the restored one takes the place of, when it is whole.
    Swap,
    /// None: the backup is restored beside the target and held against what was restored, and that goes again.
    Check,
}

impl Mode {
    /// As the parameter is spelled.
    pub fn name(self) -> &'static str {
        match self {
            Mode::IntoEmpty => "into-empty",
            Mode::Create => "create",
            Mode::Clean => "clean",
            Mode::Swap => "swap",
            Mode::Check => "check",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Mode> {
        const ALL: [Mode; 5] = [
            Mode::IntoEmpty,
            Mode::Create,
            Mode::Clean,
            Mode::Swap,
            Mode::Check,
        ];
        ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The restore creates the database that it works in.
    pub fn creates(self) -> bool {
        matches!(self, Mode::Create) || self.is_beside()
    }

    /// It works in a database of another name than the target's.
    pub fn is_beside(self) -> bool {
        matches!(self, Mode::Swap | Mode::Check)
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
        drill::check(&self.queries)?;
        let contradiction = if !self.queries.is_empty() && self.mode != Mode::Check {
            "queries are asked of a database that is removed again: use the mode check"
        } else if self.schema_only && self.data_only {
            "schema_only and data_only leave nothing to restore"
        } else if self.data_only && self.mode != Mode::IntoEmpty {
            "data_only loads into tables that exist, and these modes replace them: use the mode into-empty"
        } else if self.mode.is_beside()
            && (self.schema_only || self.data_only || !self.table.is_empty())
        {
            "these modes are for whole databases: leave out table, schema_only and data_only"
        } else if self.mode.is_beside() && self.keep_going {
            "keep_going leaves something out, and these modes are for whole databases"
        } else if self.mode.is_beside() && self.resume {
            "a restore beside the target is removed when it is cut: there is nothing to resume"
        } else if self.data_only && self.resume {
            "a restore of data alone leaves no account of itself: empty the tables and begin again"
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
