//! What is wrong with the configuration, where, and what to do about it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration that cannot be used. Quotes no value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Where the mistake is, when it is in one place.
    pub place: Option<Place>,
    /// The key, as `databases.app.url`, when it is one.
    pub key: Option<String>,
    /// The key and what is wrong with it.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Where a value is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the configuration file, from 1.
    Line(PathBuf, usize),
    /// A file as a whole.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A command-line flag.
    Flag(&'static str),
}

/// What is wrong with a value, before it is known where it stands.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) hint: String,
}

impl ConfigError {
    /// The file that the mistake is in, where it is in one.
    pub fn file(&self) -> Option<&Path> {
        match self.place.as_ref()? {
            Place::Line(file, _) | Place::File(file) => Some(file),
            Place::Variable(_) | Place::Flag(_) => None,
        }
    }

    pub(super) fn new(
        place: Option<Place>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            place,
            key: None,
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// Says which key it is about.
    pub(super) fn about(self, key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }
}

/// `orchestrator.toml:4: databases.app.url: …`, without the hint.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{}:{line}", file.display()),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Problem {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }

    /// A name that is none of the known ones: the hint is the nearest, or all of them when none is near.
    pub(super) fn unknown<'a>(
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let hint = match crate::database::nearest(name, known.iter().copied()) {
            Some(nearest) => format!("did you mean {nearest:?}?"),
            None if known.is_empty() => "there is none yet".to_owned(),
            None => format!("there are: {}", known.join(", ")),
        };
        Self::new(format!("unknown {what} {name:?}"), hint)
    }
}
