//! The name of an object: parts with `/` between them, which no backend can mistake for anything else.

use std::fmt;

use super::error::{StorageError, StorageErrorKind};

/// The beginning of names that the folder keeps for what is not finished.
pub(super) const PARTIAL: &str = ".partial-";

/// The name of an object, relative to its storage.
///
/// At most [`Key::MAX_BYTES`] long; its parts are neither empty, `.` nor `..`, at most 255 bytes long and without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// S3 allows 1024 bytes, of which the storage's own prefix takes some.
    pub const MAX_BYTES: usize = 900;

    /// Checks a key.
    pub fn parse(key: &str) -> Result<Key, StorageError> {
        if key.is_empty() {
            return Err(refused(key, "it is empty"));
        }
        if key.len() > Key::MAX_BYTES {
            return Err(refused(key, "it is too long"));
        }
        key.split('/')
            .try_for_each(check_part)
            .map_err(|why| refused(key, why))?;
        Ok(Key(key.to_owned()))
    }

    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The parts between the `/`.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the beginning of keys. Its last part may be cut off anywhere, also to nothing.
pub(super) fn check_prefix(prefix: &str) -> Result<(), StorageError> {
    let (folder, last) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if !last.is_empty() && last != "." && last != ".." {
        check_part(last).map_err(|why| refused(prefix, why))?;
    }
    if prefix.contains('/') {
        Key::parse(folder).map_err(|_| refused(prefix, "its folder is not a valid key"))?;
    }
    Ok(())
}

/// Checks a prefix that stands for a folder: empty, or with a `/` at its end.
pub(super) fn check_folder(prefix: &str) -> Result<(), StorageError> {
    if !prefix.is_empty() && !prefix.ends_with('/') {
        return Err(refused(prefix, "the prefix of a folder ends in /"));
    }
    check_prefix(prefix)
}

fn check_part(part: &str) -> Result<(), &'static str> {
    match part {
        "" => Err("it begins or ends with / or has // inside"),
        "." | ".." => Err("it has . or .. as a part"),
        _ if part.len() > 255 => Err("one of its parts is longer than 255 bytes"),
        _ if part.starts_with(PARTIAL) => Err("one of its parts begins with .partial-"),
        _ if part.chars().any(char::is_control) => Err("it has a control character"),
        _ => Ok(()),
    }
}

fn refused(key: &str, why: &str) -> StorageError {
    let shown: String = key.chars().take(100).collect();
    StorageError::new(
        StorageErrorKind::InvalidKey,
        format!("{shown:?} cannot be the key of an object"),
        why,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_leave_the_storage() {
        for key in [
            "a",
            "app/2026/1.dat.gz",
            "größe/a b+c%2F",
            "..a/b..",
            ".hidden",
        ] {
            assert_eq!(Key::parse(key).expect(key).as_str(), key);
        }
        let long_part = "x".repeat(256);
        let long = "x/".repeat(500) + "x";
        for key in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "a/.",
            "a\0",
            "a\nb",
            ".partial-1",
            &long_part,
            &long,
        ] {
            let error = Key::parse(key).expect_err(key);
            assert_eq!(error.kind(), StorageErrorKind::InvalidKey);
        }
    }

    #[test]
    fn prefixes_may_end_anywhere() {
        for prefix in ["", "a", "a/", "a/b", "a/b/", "a/."] {
            check_prefix(prefix).expect(prefix);
        }
        for prefix in ["/", "/a", "../", "a/../", "a/../b", "a//", "a\0"] {
            check_prefix(prefix).expect_err(prefix);
        }
        assert!(check_folder("a").is_err());
        assert!(check_folder("a/").is_ok());
    }
}
