//! A database's name as one part of a key, and back. PostgreSQL allows every character but NUL in a name; storages do not.

/// A part of a key that does not stand for a database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the escaped name of a database")]
pub struct DatabaseNameError(String);

/// Percent-encodes all but ASCII letters, digits, `-`, `_` and dots that do not lead, byte by byte.
pub fn escape_database(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for byte in name.bytes() {
        let leading = escaped.is_empty();
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(char::from(byte)),
            b'.' if !leading => escaped.push('.'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Reads what [`escape_database`] wrote, and nothing else: two spellings never stand for one database.
pub fn unescape_database(escaped: &str) -> Result<String, DatabaseNameError> {
    let bad = || DatabaseNameError(escaped.to_owned());
    let mut name = Vec::with_capacity(escaped.len());
    let mut rest = escaped.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2).ok_or_else(bad)?;
            let digits = std::str::from_utf8(digits).map_err(|_| bad())?;
            name.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
            rest = after;
        } else {
            name.push(*first);
            rest = after;
        }
    }
    let name = String::from_utf8(name).map_err(|_| bad())?;
    if name.is_empty() || escape_database(&name) != escaped {
        return Err(bad());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_names() {
        for (name, escaped) in [
            ("app", "app"),
            ("App-2_b.c", "App-2_b.c"),
            ("..", "%2E."),
            ("a/b", "a%2Fb"),
            ("100%", "100%25"),
            ("größe x", "gr%C3%B6%C3%9Fe%20x"),
            ("\u{1}\n", "%01%0A"),
        ] {
            assert_eq!(escape_database(name), escaped);
            assert_eq!(unescape_database(escaped).as_deref(), Ok(name));
        }
    }

    #[test]
    fn refuses_other_spellings() {
        for bad in [
            "", ".", "..", "%", "%4", "%41", "%2f", "%+1", "a b", "%FF", "a/b", "é",
        ] {
            assert!(unescape_database(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_name_is_one_safe_part(name in "\\PC{1,63}|[\\x01-\\x7f]{1,63}") {
            let escaped = escape_database(&name);
            prop_assert!(!escaped.starts_with('.') && !escaped.contains('/') && escaped.is_ascii());
            prop_assert_eq!(unescape_database(&escaped), Ok(name));
        }
    }
}
