//! What can go wrong with a database: one kind to act on, a message that says what was tried where, a hint.

use super::pieces::TooLong;
use super::settings::SettingsError;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

/// A connection or a statement that came to nothing. Holds no secret.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct DatabaseError {
    /// What a caller decides by.
    pub kind: DatabaseErrorKind,
    /// What was tried, on what, and what came of it.
    pub message: String,
    /// What the user can do.
    pub hint: Option<String>,
    /// PostgreSQL's own report, when it made one.
    pub report: Option<Box<ServerReport>>,
}

/// What a caller decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseErrorKind {
    /// The connection string, a variable or a file of libpq's cannot be used.
    InvalidSettings,
    /// No server answers, it is not ready, or the connection was lost.
    Unreachable,
    /// The server refuses the role: password, `pg_hba.conf`, missing role.
    AuthenticationFailed,
    /// The server has no such database.
    NoSuchDatabase,
    /// No agreement on encryption, or the server is not who it should be.
    TlsFailed,
    /// SQLSTATE 42501.
    PermissionDenied,
    /// A statement was cancelled on request.
    Cancelled,
    /// A limit of time: connecting, a statement, a lock, an idle transaction.
    Timeout,
    /// SQLSTATE 53300.
    TooManyConnections,
    /// Any other error that PostgreSQL reported; see the report's SQLSTATE.
    Query,
    /// The server sent more at once than is kept in memory.
    TooLong,
    /// The driver and the server do not understand each other, or a value is of another type.
    Protocol,
}

/// The fields of PostgreSQL's ErrorResponse that help a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerReport {
    /// Five characters.
    pub sqlstate: String,
    /// ERROR, FATAL or PANIC, in the server's language.
    pub severity: String,
    /// The primary message.
    pub message: String,
    /// DETAIL.
    pub detail: Option<String>,
    /// HINT.
    pub hint: Option<String>,
    /// CONTEXT: the call stack of functions, or the line of a COPY.
    pub context: Option<String>,
    /// Characters into the statement, from 1.
    pub position: Option<u32>,
    /// The table concerned, with its schema.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The constraint that was violated.
    pub constraint: Option<String>,
}

impl DatabaseError {
    /// An error of this kind without a report.
    pub fn new(
        kind: DatabaseErrorKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: Some(hint.into()),
            report: None,
        }
    }

    /// The same error, with what was being done in front: `reading the catalog: permission denied …`.
    pub fn while_doing(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The SQLSTATE, when PostgreSQL reported one.
    pub fn sqlstate(&self) -> Option<&str> {
        self.report.as_ref().map(|report| report.sqlstate.as_str())
    }

    /// Whether trying again later may help, with nothing changed.
    pub fn is_transient(&self) -> bool {
        use DatabaseErrorKind::{Timeout, TooManyConnections, Unreachable};
        // Serialization failure, deadlock, lock not available.
        matches!(self.kind, Unreachable | TooManyConnections | Timeout)
            || matches!(self.sqlstate(), Some("40001" | "40P01" | "55P03"))
    }

    /// From PostgreSQL's report.
    pub(super) fn from_report(error: &DbError) -> Self {
        let kind = kind_of(error.code(), error.message());
        Self {
            kind,
            message: format!("{} (SQLSTATE {})", error.message(), error.code().code()),
            hint: error
                .hint()
                .map(str::to_owned)
                .or_else(|| hint_of(kind, error.code()).map(str::to_owned)),
            report: Some(Box::new(ServerReport::from(error))),
        }
    }
}

/// For statements on an open connection.
impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(report) = error.as_db_error() {
            return Self::from_report(report);
        }
        let cause = std::error::Error::source(&error);
        let lost = cause.is_some_and(|cause| cause.downcast_ref::<std::io::Error>().is_some());
        let too_long = cause
            .and_then(|cause| cause.downcast_ref::<std::io::Error>())
            .and_then(|error| error.get_ref()?.downcast_ref::<TooLong>());
        if let Some(too_long) = too_long {
            return Self::new(
                DatabaseErrorKind::TooLong,
                too_long.to_string(),
                "read long values by COPY, or a part of them at a time",
            );
        }
        if error.is_closed() || lost {
            let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
            return Self::new(
                DatabaseErrorKind::Unreachable,
                format!("the connection to the server was lost{cause}"),
                "look into the server's log: it may have restarted, or ended the session",
            );
        }
        Self {
            kind: DatabaseErrorKind::Protocol,
            message: error.to_string(),
            hint: None,
            report: None,
        }
    }
}

impl From<SettingsError> for DatabaseError {
    fn from(error: SettingsError) -> Self {
        Self::new(
            DatabaseErrorKind::InvalidSettings,
            error.message,
            error.hint,
        )
    }
}

impl From<&DbError> for ServerReport {
    fn from(error: &DbError) -> Self {
        let table = match (error.schema(), error.table()) {
            (Some(schema), Some(table)) => Some(format!("{schema}.{table}")),
            (_, table) => table.map(str::to_owned),
        };
        Self {
            sqlstate: error.code().code().to_owned(),
            severity: error.severity().to_owned(),
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            context: error.where_().map(str::to_owned),
            position: match error.position() {
                Some(ErrorPosition::Original(position)) => Some(*position),
                _ => None,
            },
            table,
            column: error.column().map(str::to_owned),
            constraint: error.constraint().map(str::to_owned),
        }
    }
}

/// Source: PostgreSQL's `src/backend/utils/errcodes.txt`.
fn kind_of(code: &SqlState, message: &str) -> DatabaseErrorKind {
    match code.code() {
        "42501" => DatabaseErrorKind::PermissionDenied,
        "53300" => DatabaseErrorKind::TooManyConnections,
        "3D000" => DatabaseErrorKind::NoSuchDatabase,
        // One code for a cancel request and for statement_timeout; only the message tells them apart.
        "57014" if message.contains("timeout") => DatabaseErrorKind::Timeout,
        "57014" => DatabaseErrorKind::Cancelled,
        // Lock, idle session, idle transaction, transaction. NOWAIT has lock_timeout's code too.
        "55P03" | "57P05" | "25P03" | "25P04" => DatabaseErrorKind::Timeout,
        "57P01" | "57P02" | "57P03" => DatabaseErrorKind::Unreachable,
        code if code.starts_with("28") => DatabaseErrorKind::AuthenticationFailed,
        code if code.starts_with("08") && code != "08P01" => DatabaseErrorKind::Unreachable,
        _ => DatabaseErrorKind::Query,
    }
}

fn hint_of(kind: DatabaseErrorKind, code: &SqlState) -> Option<&'static str> {
    Some(match (kind, code.code()) {
        (DatabaseErrorKind::AuthenticationFailed, "28P01") => {
            "check the password: the URL's comes first, then PGPASSWORD, then ~/.pgpass"
        }
        (DatabaseErrorKind::AuthenticationFailed, _) => {
            "check that the role exists and may log in, and that the server's pg_hba.conf lets it in from here"
        }
        (DatabaseErrorKind::NoSuchDatabase, _) => "check the name, or create the database",
        (DatabaseErrorKind::TooManyConnections, _) => {
            "wait for other sessions to end, lower --jobs, or raise max_connections"
        }
        (DatabaseErrorKind::PermissionDenied, _) => {
            "grant the privilege to the role, or connect as its owner"
        }
        (DatabaseErrorKind::Unreachable, "57P03") => {
            "the server is starting up or recovering: try again in a moment"
        }
        (DatabaseErrorKind::Unreachable, _) => {
            "the server is shutting down or ended this session: see its log"
        }
        (DatabaseErrorKind::Timeout, _) => {
            "try again when the server is less busy, or raise the timeout"
        }
        _ => return None,
    })
}
