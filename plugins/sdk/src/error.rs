//! Errors that are easy to make and to read.

use std::fmt::Write;

use crate::{Error, ErrorKind};

impl Error {
    /// An error of a kind. The message is lowercase, without a full stop, and says what was tried on what.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            sqlstate: None,
            detail: None,
            hint: None,
        }
    }

    /// A parameter, a key or a statement that cannot be used as given.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// The binding, object, table or role that was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A right or a rule stands against it.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// The target holds something that would be lost or mixed up.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// Bytes that are not what was promised.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// Something that this version of the plugin cannot represent or apply.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// A mistake in the plugin itself.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// Adds what the person who reads it can do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Adds what is known beyond the message.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// Says before the message what was being done: `reading the catalog: relation "x" does not exist`.
    #[must_use]
    pub fn while_doing(self, what: impl std::fmt::Display) -> Self {
        Self {
            message: format!("{what}: {}", self.message),
            ..self
        }
    }

    /// All of it on one line, for the log. (`Display` is the contract's own and prints the record.)
    pub fn describe(&self) -> String {
        let mut line = self.message.clone();
        let parts = [
            ("SQLSTATE", &self.sqlstate),
            ("detail:", &self.detail),
            ("hint:", &self.hint),
        ];
        for (name, text) in parts {
            if let Some(text) = text {
                // Writing into a String cannot fail.
                let _ = write!(line, "; {name} {text}");
            }
        }
        line
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        let kind = if error.is_data() || error.is_syntax() || error.is_eof() {
            ErrorKind::Corrupt
        } else {
            ErrorKind::Internal
        };
        Self::new(kind, format!("reading JSON: {error}"))
    }
}

impl From<std::fmt::Error> for Error {
    fn from(error: std::fmt::Error) -> Self {
        Self::internal(format!("formatting a text: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, ErrorKind};

    #[test]
    fn an_error_reads_as_one_line() {
        let error = Error::not_found("no backup of \"shop\"")
            .detail("12 objects were looked at")
            .hint("see `backup list`")
            .while_doing("choosing a backup");
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert_eq!(
            error.describe(),
            "choosing a backup: no backup of \"shop\"; detail: 12 objects were looked at; hint: see `backup list`"
        );
    }

    #[test]
    fn bad_json_is_corrupt() {
        let error: Error = serde_json::from_str::<u8>("{").unwrap_err().into();
        assert_eq!(error.kind, ErrorKind::Corrupt);
    }
}
