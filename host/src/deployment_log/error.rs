//! What can go wrong with the deployment log.

use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// An error of the deployment log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file of the journal, the log or a report.
    #[error("{attempt} {}: {source}", path.display())]
    File {
        /// What was tried: `append to the journal`.
        attempt: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `DEPLOYMENT_LOG.md` holds something else than text.
    #[error("read {}: it is not UTF-8 text, so it is left as it is", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// The table `orchestrator.deployment_log`.
    #[error("{attempt} orchestrator.deployment_log: {}", text(source))]
    Table {
        /// What was tried: `write to`.
        attempt: &'static str,
        /// What PostgreSQL said.
        source: tokio_postgres::Error,
    },
    /// No run has this id.
    #[error("no run has an id that begins or ends with {0:?}")]
    UnknownRun(String),
    /// More than one run has this id.
    #[error("{count} runs have an id that begins or ends with {given:?}: {examples}")]
    AmbiguousRun {
        /// What the user gave.
        given: String,
        /// How many it fits.
        count: usize,
        /// Some of them.
        examples: String,
    },
    /// Another process runs under the same id.
    #[error("run {0} is already under way in another process")]
    AlreadyStarted(Uuid),
    /// The caller finished a run with a record that is still running.
    #[error("run {0} was finished with a record that is not closed, or is another run's")]
    NotClosed(Uuid),
}

impl LogError {
    /// What the person who reads it can do next.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied => Some(
                    "give this user the right to write there, or point the log's paths elsewhere",
                ),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("free some space on this disk")
                }
                io::ErrorKind::ReadOnlyFilesystem => {
                    Some("point the log's paths to a folder that can be written")
                }
                _ => None,
            },
            Self::NotText { .. } => Some("save the file as UTF-8, or move it away"),
            Self::Table { source, .. } => match source.code().map(|code| code.code()) {
                Some("42501") => Some(
                    "grant CREATE on the database (or USAGE on schema orchestrator and SELECT, INSERT, UPDATE on its table); the journal holds the run until then",
                ),
                Some("25006") => Some(
                    "this is a standby or a read-only session; point [log] database at the primary",
                ),
                _ => Some(
                    "the journal holds the run; it is written to the table when the database is back",
                ),
            },
            Self::UnknownRun(_) => Some("`orchestrator log list` shows the ids"),
            Self::AmbiguousRun { .. } => Some("give more characters of the id"),
            Self::AlreadyStarted(_) | Self::NotClosed(_) => None,
        }
    }

    pub(super) fn file(attempt: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            attempt,
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn table(attempt: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Table { attempt, source }
    }
}

/// tokio-postgres says "db error" and leaves the message to its source.
fn text(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(database) => format!(
            "{} (SQLSTATE {})",
            database.message(),
            database.code().code()
        ),
        None => error.to_string(),
    }
}
