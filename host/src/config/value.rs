//! Values as people write them: in TOML, in a variable, in the reference's defaults.

use super::error::Problem;
use super::interpolation::interpolate;
use super::quantities;
use super::reader::Document;
use super::reference::{Key, Kind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// A type that the value of a key can have.
pub(super) trait Value: Sized {
    /// From a variable, a default or a TOML string after `${…}`; relative paths start at the folder.
    fn from_text(text: &str, key: &Key, folder: &Path) -> Result<Self, Problem>;

    /// From TOML. A string always serves, so that `${…}` can stand for any value.
    fn from_toml(value: &DeValue<'_>, key: &Key, document: &Document<'_>) -> Result<Self, Problem> {
        match value {
            DeValue::String(text) => {
                Self::from_text(&interpolate(text, document.process)?, key, document.folder)
            }
            other => Err(wrong_kind(&key.kind.to_string(), other)),
        }
    }
}

impl Value for String {
    fn from_text(text: &str, key: &Key, _: &Path) -> Result<Self, Problem> {
        if text.trim().is_empty() {
            return Err(Problem::new(
                "it is empty",
                "give it a value, or leave the key out",
            ));
        }
        match key.kind {
            Kind::OneOf(words) => known_word(text, words),
            _ => Ok(text.to_owned()),
        }
    }
}

impl Value for PathBuf {
    fn from_text(text: &str, _: &Key, folder: &Path) -> Result<Self, Problem> {
        if text.is_empty() {
            return Err(Problem::new("the path is empty", "name a file or a folder"));
        }
        Ok(folder.join(text))
    }
}

/// Paths, of which a text holds one.
impl Value for Vec<PathBuf> {
    fn from_text(text: &str, key: &Key, folder: &Path) -> Result<Self, Problem> {
        PathBuf::from_text(text, key, folder).map(|path| vec![path])
    }

    fn from_toml(value: &DeValue<'_>, key: &Key, document: &Document<'_>) -> Result<Self, Problem> {
        let path = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
            item @ DeValue::String(_) => PathBuf::from_toml(item, key, document),
            other => Err(wrong_kind("text in the list", other)),
        };
        match value {
            DeValue::Array(items) => items.iter().map(path).collect(),
            DeValue::String(_) => PathBuf::from_toml(value, key, document).map(|path| vec![path]),
            other => Err(wrong_kind(&key.kind.to_string(), other)),
        }
    }
}

impl Value for bool {
    fn from_text(text: &str, _: &Key, _: &Path) -> Result<Self, Problem> {
        text.parse().map_err(|_| {
            Problem::new(
                format!("{text:?} is neither true nor false"),
                "write true or false",
            )
        })
    }

    fn from_toml(value: &DeValue<'_>, key: &Key, document: &Document<'_>) -> Result<Self, Problem> {
        match value {
            DeValue::Boolean(flag) => Ok(*flag),
            DeValue::String(text) => {
                Self::from_text(&interpolate(text, document.process)?, key, document.folder)
            }
            other => Err(wrong_kind("true or false", other)),
        }
    }
}

/// Whole numbers from 1.
impl Value for u32 {
    fn from_text(text: &str, _: &Key, _: &Path) -> Result<Self, Problem> {
        let number = text.parse().ok().filter(|number| *number > 0);
        number.ok_or_else(|| {
            Problem::new(
                format!("{text:?} is no whole number from 1"),
                "write a whole number, such as 8",
            )
        })
    }

    fn from_toml(value: &DeValue<'_>, key: &Key, document: &Document<'_>) -> Result<Self, Problem> {
        match value {
            DeValue::Integer(number) => Self::from_text(&plain(number)?, key, document.folder),
            DeValue::String(text) => {
                Self::from_text(&interpolate(text, document.process)?, key, document.folder)
            }
            other => Err(wrong_kind("a whole number", other)),
        }
    }
}

/// A size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

impl Value for Bytes {
    fn from_text(text: &str, _: &Key, _: &Path) -> Result<Self, Problem> {
        quantities::size(text).map(Self)
    }

    fn from_toml(value: &DeValue<'_>, key: &Key, document: &Document<'_>) -> Result<Self, Problem> {
        match value {
            DeValue::Integer(number) => Self::from_text(&plain(number)?, key, document.folder),
            DeValue::String(text) => {
                Self::from_text(&interpolate(text, document.process)?, key, document.folder)
            }
            other => Err(wrong_kind("a size, as \"64MiB\"", other)),
        }
    }
}

impl Value for Duration {
    fn from_text(text: &str, _: &Key, _: &Path) -> Result<Self, Problem> {
        quantities::duration(text)
    }
}

/// Words, of which a variable holds several between commas.
impl Value for Vec<String> {
    fn from_text(text: &str, key: &Key, _: &Path) -> Result<Self, Problem> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(|word| listed_word(word, key)).collect()
    }

    fn from_toml(value: &DeValue<'_>, key: &Key, document: &Document<'_>) -> Result<Self, Problem> {
        let items = match value {
            DeValue::Array(items) => items,
            DeValue::String(text) => {
                let text = interpolate(text, document.process)?;
                return Self::from_text(&text, key, document.folder);
            }
            other => return Err(wrong_kind(&key.kind.to_string(), other)),
        };
        let word = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
            DeValue::String(text) => listed_word(&interpolate(text, document.process)?, key),
            other => Err(wrong_kind("text in the list", other)),
        };
        items.iter().map(word).collect()
    }
}

/// A value of another TOML type than the one that is wanted. Quotes nothing.
pub(super) fn wrong_kind(expected: &str, found: &DeValue<'_>) -> Problem {
    let found = match found {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::new(
        format!("expected {expected}, found {found}"),
        format!("write {expected}"),
    )
}

/// Decimal digits of an integer that may be written in another base.
fn plain(number: &toml::de::DeInteger<'_>) -> Result<String, Problem> {
    i64::from_str_radix(number.as_str(), number.radix())
        .map(|number| number.to_string())
        .map_err(|_| Problem::new("the number is too big", "write a smaller one"))
}

fn listed_word(word: &str, key: &Key) -> Result<String, Problem> {
    match key.kind {
        Kind::SeveralOf(words) => known_word(word, words),
        _ => Ok(word.to_owned()),
    }
}

fn known_word(word: &str, words: &[&str]) -> Result<String, Problem> {
    if words.contains(&word) {
        return Ok(word.to_owned());
    }
    Err(Problem::new(
        format!("{word:?} is none of {}", words.join(", ")),
        format!("write one of {}", words.join(", ")),
    ))
}
