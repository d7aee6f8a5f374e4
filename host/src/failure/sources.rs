//! Every room's own error, as one failure.

use super::{Failure, FailureKind};
use crate::config::ConfigError;
use crate::database::{DatabaseError, DatabaseErrorKind, SettingsError};
use crate::deployment_log::LogError;
use crate::storage::{StorageError, StorageErrorKind};

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let kind = match error.kind {
            DatabaseErrorKind::InvalidSettings => FailureKind::InvalidInput,
            DatabaseErrorKind::Unreachable | DatabaseErrorKind::TooManyConnections => {
                FailureKind::Unavailable
            }
            DatabaseErrorKind::AuthenticationFailed
            | DatabaseErrorKind::TlsFailed
            | DatabaseErrorKind::Query
            | DatabaseErrorKind::Protocol => FailureKind::Database,
            DatabaseErrorKind::NoSuchDatabase => FailureKind::NotFound,
            DatabaseErrorKind::PermissionDenied => FailureKind::Refused,
            DatabaseErrorKind::Cancelled => FailureKind::Cancelled,
            DatabaseErrorKind::Timeout => FailureKind::Timeout,
            DatabaseErrorKind::TooLong => FailureKind::LimitExceeded,
        };
        let report = error.report.as_deref();
        // Which is told beside the message here.
        let code = error.sqlstate().map(|code| format!(" (SQLSTATE {code})"));
        let message = match code.and_then(|code| error.message.strip_suffix(&code)) {
            Some(message) => message.to_owned(),
            None => error.message.clone(),
        };
        Self {
            sqlstate: report.map(|report| report.sqlstate.clone()),
            detail: report.and_then(|report| report.detail.clone()),
            hint: error
                .hint
                .clone()
                .or_else(|| report.and_then(|report| report.hint.clone())),
            ..Self::new(kind, message)
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        let kind = match error.kind() {
            StorageErrorKind::NotFound | StorageErrorKind::BucketMissing => FailureKind::NotFound,
            StorageErrorKind::AccessDenied | StorageErrorKind::Unauthenticated => {
                FailureKind::Refused
            }
            StorageErrorKind::WrongRegion
            | StorageErrorKind::InvalidKey
            | StorageErrorKind::InvalidLocation => FailureKind::InvalidInput,
            StorageErrorKind::Unavailable | StorageErrorKind::Throttled => FailureKind::Unavailable,
            StorageErrorKind::Corrupt => FailureKind::Corrupt,
            StorageErrorKind::Full => FailureKind::LimitExceeded,
            StorageErrorKind::Other => FailureKind::Internal,
        };
        Self {
            hint: error.hint().map(Into::into),
            ..Self::new(kind, error.to_string())
        }
    }
}

impl From<builder::Error> for Failure {
    fn from(error: builder::Error) -> Self {
        use builder::Error;
        let kind = match &error {
            Error::NoTarget { .. } | Error::Run { .. } => FailureKind::NotFound,
            Error::Read { .. }
            | Error::Describe { .. }
            | Error::NoLibrary { .. }
            | Error::Manifest { .. } => FailureKind::InvalidInput,
            // What the plugin's own code is at fault for.
            Error::Compile { .. } | Error::ForeignImport { .. } | Error::Contract { .. } => {
                FailureKind::Internal
            }
        };
        let hint = match &error {
            Error::Run { .. } => Some("install Rust, as https://rustup.rs says"),
            Error::Describe { .. } => {
                Some("name the folder of a plugin; `orchestrator plugin new NAME` makes one")
            }
            _ => error.hint(),
        };
        Self {
            hint: hint.map(str::to_owned),
            ..Self::new(kind, error.to_string())
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::invalid_input(error.to_string()).hint(error.hint)
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        Self::from(DatabaseError::from(error))
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::UnknownRun(_) | LogError::AmbiguousRun { .. } => FailureKind::NotFound,
            LogError::Table { .. } => FailureKind::Unavailable,
            _ => FailureKind::Internal,
        };
        Self {
            hint: error.hint().map(Into::into),
            ..Self::new(kind, error.to_string())
        }
    }
}
