//! The name of a binding, a job or a plugin.

use super::error::Problem;
use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

/// A letter, then letters, digits, `-` and `_`; at most 63 characters. It appears in URLs, file names and the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let goes_on_well = text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if begins_well && goes_on_well && text.len() <= 63 {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            format!("{text:?} is no name"),
            "begin with a letter, go on with letters, digits, - and _; at most 63 characters",
        ))
    }
}

impl FromStr for Name {
    type Err = super::ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
            .map_err(|problem| super::ConfigError::new(None, problem.message, problem.hint))
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
