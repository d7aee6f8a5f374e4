//! What went wrong, in the form in which the contract, the record of a run and the command line carry it.

mod sources;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::text::shortened;

/// Decides the outcome of a run and its exit code; the same cases as the contract's `error-kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// Something that cannot be used as given.
    InvalidInput,
    /// What was named does not exist.
    NotFound,
    /// What was to be made is there.
    AlreadyExists,
    /// A grant, an environment rule or a right in the database.
    Refused,
    /// The target holds something that would be lost or mixed up.
    Conflict,
    /// Somebody ended it.
    Cancelled,
    /// A deadline has passed.
    Timeout,
    /// A limit was reached.
    LimitExceeded,
    /// A server or a storage does not answer.
    Unavailable,
    /// Bytes are not what was promised.
    Corrupt,
    /// PostgreSQL reported an error.
    Database,
    /// Something that this version cannot do.
    Unsupported,
    /// A fault of this program or of a plugin.
    Internal,
}

impl FailureKind {
    /// The word that the contract, the log and `--output json` use.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::NotFound => "not-found",
            Self::AlreadyExists => "already-exists",
            Self::Refused => "refused",
            Self::Conflict => "conflict",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::LimitExceeded => "limit-exceeded",
            Self::Unavailable => "unavailable",
            Self::Corrupt => "corrupt",
            Self::Database => "database",
            Self::Unsupported => "unsupported",
            Self::Internal => "internal",
        }
    }
}

/// Lowercase, without a full stop; holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What a caller decides by.
    pub kind: FailureKind,
    /// What was tried, on what, and what came of it.
    pub message: String,
    /// PostgreSQL's five characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlstate: Option<String>,
    /// What is known beyond the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What the reader can do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without detail and hint.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            sqlstate: None,
            detail: None,
            hint: None,
        }
    }

    /// See [`FailureKind::InvalidInput`].
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(FailureKind::InvalidInput, message)
    }

    /// See [`FailureKind::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(FailureKind::NotFound, message)
    }

    /// See [`FailureKind::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// See [`FailureKind::Conflict`].
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Conflict, message)
    }

    /// See [`FailureKind::Corrupt`]. Whoever reads it wants to know whether the bytes are wrong where they lie, or were on their way.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Corrupt, message)
            .hint("verify the backup; where it is damaged, an older one may be whole")
    }

    /// See [`FailureKind::Internal`].
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Internal, message)
    }

    /// See [`FailureKind::LimitExceeded`].
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(FailureKind::LimitExceeded, message)
    }

    /// See [`FailureKind::Cancelled`].
    pub fn cancelled() -> Self {
        Self::new(FailureKind::Cancelled, "the run was cancelled")
    }

    /// Says what the reader can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what is known beyond the message.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same with texts that a reader gets to the end of: a server or a plugin may send megabytes.
    #[must_use]
    pub fn shortened(self) -> Self {
        const BYTES: usize = 4_096;
        let cut = |text: &str| shortened(text, BYTES);
        Self {
            message: cut(&self.message),
            sqlstate: self.sqlstate.as_deref().map(cut),
            detail: self.detail.as_deref().map(cut),
            hint: self.hint.as_deref().map(cut),
            ..self
        }
    }

    /// Says what was being done, before the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        if let Some(sqlstate) = &self.sqlstate {
            write!(formatter, " (SQLSTATE {sqlstate})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(report) = error.as_db_error() else {
            // The library's own message hides its cause: a closed connection, an I/O error.
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let message = format!("{error}{}", cause.as_deref().unwrap_or_default());
            return if error.is_closed() || cause.is_some() {
                Self::new(
                    FailureKind::Unavailable,
                    format!("the connection to the server was lost: {message}"),
                )
                .hint(SERVER_GONE)
            } else {
                Self::new(FailureKind::Database, message)
            };
        };
        let kind = match report.code().code() {
            "57014" => FailureKind::Cancelled,
            "42501" => FailureKind::Refused,
            "57P01" | "57P02" | "57P03" => FailureKind::Unavailable,
            "55P03" => FailureKind::Timeout,
            _ => FailureKind::Database,
        };
        let place = report.where_().map(|place| format!("at: {place}"));
        let detail = match (report.detail(), place) {
            (Some(detail), Some(place)) => Some(format!("{detail}; {place}")),
            (Some(detail), None) => Some(detail.to_owned()),
            (None, place) => place,
        };
        Self {
            kind,
            message: report.message().to_owned(),
            sqlstate: Some(report.code().code().to_owned()),
            detail,
            hint: report
                .hint()
                .or_else(|| hint_of(report.code().code()))
                .map(str::to_owned),
        }
    }
}

/// For sessions that ended from the other side.
pub(crate) const SERVER_GONE: &str = "the server's log says why: it may have restarted, or somebody ended the session; run it again when the server is back";

/// Where the server's own words need some more.
fn hint_of(sqlstate: &str) -> Option<&'static str> {
    match sqlstate {
        // admin_shutdown, crash_shutdown, cannot_connect_now
        "57P01" | "57P02" | "57P03" => Some(SERVER_GONE),
        _ => None,
    }
}
