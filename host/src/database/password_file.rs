//! libpq's password file, `~/.pgpass`: lines `host:port:database:user:password`, the first match counts.
//!
//! Source: `passwordFromFile` in PostgreSQL's `src/interfaces/libpq/fe-connect.c`.

use secrecy::SecretString;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a line must match.
pub(super) struct Wanted<'a> {
    /// A host name, or a socket folder; `localhost` for the default one.
    pub(super) host: &'a str,
    /// The port.
    pub(super) port: u16,
    /// The database.
    pub(super) database: &'a str,
    /// The role.
    pub(super) user: &'a str,
}

/// Looks a password up. A file that is absent, no plain file, or open to others gives none, as in libpq.
pub(super) fn look_up(path: &Path, wanted: &Wanted<'_>) -> Option<SecretString> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() {
        tracing::warn!(file = %path.display(), "the password file is no plain file and is not used");
        return None;
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        tracing::warn!(file = %path.display(), "the password file is open to group or world and is not used; chmod 0600 it");
        return None;
    }
    match std::fs::read_to_string(path) {
        Ok(text) => text.lines().find_map(|line| password_of(line, wanted)),
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the password file cannot be read");
            None
        }
    }
}

fn password_of(line: &str, wanted: &Wanted<'_>) -> Option<SecretString> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    let port = wanted.port.to_string();
    for expected in [wanted.host, &port, wanted.database, wanted.user] {
        let (field, after) = split_field(rest);
        if field != "*" && unescape(field) != expected {
            return None;
        }
        rest = after?;
    }
    let (password, _) = split_field(rest);
    (!password.is_empty()).then(|| SecretString::from(unescape(password)))
}

/// Up to a `:` that has no backslash before it, and what follows it.
fn split_field(text: &str) -> (&str, Option<&str>) {
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ':' => return (&text[..index], Some(&text[index + 1..])),
            _ => {}
        }
    }
    (text, None)
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        plain.push(if c == '\\' {
            characters.next().unwrap_or(c)
        } else {
            c
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn found(text: &str, host: &str, database: &str, user: &str) -> Option<String> {
        let wanted = Wanted {
            host,
            port: 5432,
            database,
            user,
        };
        text.lines()
            .find_map(|line| password_of(line, &wanted))
            .map(|password| password.expose_secret().to_owned())
    }

    #[test]
    fn the_first_line_that_matches_counts() {
        let text = "# comment\nother:5432:app:ada:no\ndb:5432:app:ada:yes\n*:*:*:*:any\n";
        assert_eq!(found(text, "db", "app", "ada").as_deref(), Some("yes"));
        assert_eq!(found(text, "db", "app", "bob").as_deref(), Some("any"));
        assert_eq!(found("db:5433:*:*:no", "db", "app", "ada"), None);
    }

    #[test]
    fn escapes_in_every_field() {
        assert_eq!(
            found(r"\:\:1:5432:a\\b:ada:p\:w\\d", "::1", r"a\b", "ada").as_deref(),
            Some(r"p:w\d")
        );
        assert_eq!(found(r"db:5432:\*:ada:x", "db", "app", "ada"), None);
        assert_eq!(
            found("db:5432:app:ada:with # hash", "db", "app", "ada").as_deref(),
            Some("with # hash")
        );
    }

    #[test]
    fn a_file_open_to_others_gives_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "*:*:*:*:open\n").unwrap();
        let wanted = Wanted {
            host: "db",
            port: 5432,
            database: "app",
            user: "ada",
        };
        for (mode, expected) in [
            (0o640, None),
            (0o604, None),
            (0o600, Some("open".to_owned())),
        ] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                look_up(&path, &wanted).map(|password| password.expose_secret().to_owned()),
                expected,
                "{mode:o}"
            );
        }
    }
}
