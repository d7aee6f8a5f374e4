//! What a storage could not do, why, and what the person who reads it can do next.

use std::fmt;

/// What stands against an operation. [`StorageErrorKind::is_permanent`] decides whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageErrorKind {
    /// There is no object of this key.
    NotFound,
    /// The credentials are valid and do not allow it, or the file's rights don't.
    AccessDenied,
    /// There are no credentials, or wrong or expired ones.
    Unauthenticated,
    /// There is no bucket of this name.
    BucketMissing,
    /// The bucket lies in another region.
    WrongRegion,
    /// No answer, a broken connection or an internal error of the server.
    Unavailable,
    /// The server asks for fewer requests.
    Throttled,
    /// Not the bytes that were asked for: the object is too short, or it changed.
    Corrupt,
    /// No space is left, or a quota is used up.
    Full,
    /// A key that no object can have.
    InvalidKey,
    /// A location that is not one of a storage.
    InvalidLocation,
    /// Anything else; trying again does not help.
    Other,
}

impl StorageErrorKind {
    /// Trying again does not help.
    pub fn is_permanent(self) -> bool {
        !matches!(
            self,
            StorageErrorKind::Unavailable | StorageErrorKind::Throttled
        )
    }

    fn hint(self) -> Option<&'static str> {
        match self {
            StorageErrorKind::NotFound => Some("list the storage to see what it holds"),
            StorageErrorKind::AccessDenied => {
                Some("allow this user to list, read, write and delete there")
            }
            StorageErrorKind::Unauthenticated => Some(
                "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile or the instance's role",
            ),
            StorageErrorKind::BucketMissing => Some(
                "create the bucket, or check its name and the endpoint; buckets are never made by this program",
            ),
            StorageErrorKind::WrongRegion => Some("set `region` to the bucket's region"),
            StorageErrorKind::Unavailable => {
                Some("check the endpoint and the network, and try again")
            }
            StorageErrorKind::Throttled => Some("lower the number of jobs, or try again later"),
            StorageErrorKind::Corrupt => Some("verify the backup; another copy may be whole"),
            StorageErrorKind::Full => Some("free some space, or prune old backups"),
            StorageErrorKind::InvalidKey => None,
            StorageErrorKind::InvalidLocation => {
                Some("a storage is s3://bucket/prefix, file:folder or a folder")
            }
            StorageErrorKind::Other => None,
        }
    }
}

/// What was tried, on what, and why it did not work. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct StorageError {
    kind: StorageErrorKind,
    doing: String,
    cause: String,
    hint: Option<String>,
}

impl StorageError {
    /// `doing` names what was tried and on what: `read app/toc.dat in s3://bucket`.
    pub fn new(
        kind: StorageErrorKind,
        doing: impl Into<String>,
        cause: impl fmt::Display,
    ) -> StorageError {
        StorageError {
            kind,
            doing: doing.into(),
            cause: cause.to_string(),
            hint: kind.hint().map(str::to_owned),
        }
    }

    /// With a better hint than the one of its kind.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> StorageError {
        self.hint = Some(hint.into());
        self
    }

    /// What stood against it.
    pub fn kind(&self) -> StorageErrorKind {
        self.kind
    }

    /// Trying again does not help.
    pub fn is_permanent(&self) -> bool {
        self.kind.is_permanent()
    }

    /// What the reader can do next.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// An error of the file system.
    pub(super) fn io(doing: impl Into<String>, error: &std::io::Error) -> StorageError {
        use std::io::ErrorKind;
        let kind = match error.kind() {
            ErrorKind::NotFound => StorageErrorKind::NotFound,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                StorageErrorKind::AccessDenied
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                StorageErrorKind::Full
            }
            ErrorKind::TimedOut | ErrorKind::StaleNetworkFileHandle => {
                StorageErrorKind::Unavailable
            }
            _ => StorageErrorKind::Other,
        };
        StorageError::new(kind, doing, error)
    }
}
