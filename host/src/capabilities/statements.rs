//! What kind of statement a plugin hands over, by PostgreSQL's lexing rules: enough to keep it out of the host's
//! transactions and files, and no more. Anything beyond is PostgreSQL's to refuse.

use crate::failure::Failure;

/// Statements that begin or end a transaction belong to the host.
const TRANSACTION_CONTROL: [&str; 9] = [
    "abort",
    "begin",
    "commit",
    "end",
    "prepare",
    "release",
    "rollback",
    "savepoint",
    "start",
];

/// Refuses a statement that would end the host's transaction, or move bytes past it.
pub(super) fn check_statement(sql: &str) -> Result<(), Failure> {
    let words = bare_words(sql);
    let first = words.first().map_or("", String::as_str);
    let second = words.get(1).map_or("", String::as_str);
    match first {
        // PREPARE TRANSACTION ends a transaction; PREPARE name AS does not.
        "prepare" if second != "transaction" => Ok(()),
        word if TRANSACTION_CONTROL.contains(&word) => Err(Failure::refused(format!(
            "a plugin cannot run {} itself",
            first.to_uppercase()
        ))
        .hint("use the functions of `connection` and `transaction` in the contract")),
        "copy" => Err(
            Failure::refused("a plugin cannot run COPY as a plain statement")
                .hint("use `copy-out` and `copy-in` of the contract"),
        ),
        _ => Ok(()),
    }
}

/// A COPY between the server and this host, never a file or a program of the server.
pub(super) fn check_copy(sql: &str, direction: &str, end: &str) -> Result<(), Failure> {
    let words = bare_words(sql);
    let streams = words
        .windows(2)
        .any(|pair| pair[0] == direction && pair[1] == end);
    if words.first().is_some_and(|word| word == "copy")
        && streams
        && !words.iter().any(|word| word == "program")
    {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "only COPY ... {} {} can be run here",
        direction.to_uppercase(),
        end.to_uppercase()
    )))
}

/// What a statement does to a whole database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OfDatabase {
    /// Of this name.
    Create(String),
    /// Of this name.
    Drop(String),
}

/// The database that a statement creates or drops. One that hides its words behind comments is not recognized: what is known of
/// it serves the person who cleans up after a crash, and keeps nothing out.
pub(super) fn of_database(sql: &str) -> Option<OfDatabase> {
    let rest = after_word(sql, "create").map(|rest| (rest, true));
    let (rest, creates) = rest.or_else(|| Some((after_word(sql, "drop")?, false)))?;
    let rest = after_word(rest, "database")?;
    let rest = after_word(rest, "if")
        .and_then(|rest| after_word(rest, "exists"))
        .unwrap_or(rest);
    let name = identifier(rest)?;
    Some(match creates {
        true => OfDatabase::Create(name),
        false => OfDatabase::Drop(name),
    })
}

/// What follows a word, where the text begins with it.
fn after_word<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let sql = sql.trim_start();
    let start = sql.get(..word.len())?;
    let rest = &sql[word.len()..];
    (start.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then_some(rest)
}

/// A name, quoted or not, as PostgreSQL reads it.
fn identifier(sql: &str) -> Option<String> {
    let sql = sql.trim_start();
    if sql.starts_with('"') {
        let length = quoted_identifier_length(sql.as_bytes())?;
        return Some(sql[1..length - 1].replace("\"\"", "\""));
    }
    let end = sql.find(|c: char| c.is_whitespace() || c == ';');
    let name = &sql[..end.unwrap_or(sql.len())];
    (!name.is_empty()).then(|| name.to_lowercase())
}

/// With both quotes; `None` without the second one.
fn quoted_identifier_length(rest: &[u8]) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            (b'"', Some(b'"')) => at += 2,
            (b'"', _) => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The words outside quotes, comments and parentheses, in lowercase. Leading semicolons are skipped, as PostgreSQL does.
fn bare_words(sql: &str) -> Vec<String> {
    let bytes = sql.as_bytes();
    let mut words = Vec::new();
    let mut at = 0;
    let mut depth = 0usize;
    while at < bytes.len() {
        let rest = &bytes[at..];
        match bytes[at] {
            b'-' if rest.starts_with(b"--") => {
                at += rest
                    .iter()
                    .position(|byte| matches!(byte, b'\n' | b'\r'))
                    .unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*") => at += comment_length(rest),
            b'\'' => {
                // An E'' string escapes by backslashes; its E was read as a word.
                let escapes = at > 0
                    && bytes[at - 1].eq_ignore_ascii_case(&b'e')
                    && (at == 1
                        || !(bytes[at - 2].is_ascii_alphanumeric()
                            || matches!(bytes[at - 2], b'_' | b'$')
                            || bytes[at - 2] >= 0x80));
                if escapes && depth == 0 {
                    words.pop();
                }
                at += quoted_length(rest, b'\'', escapes);
            }
            b'"' => at += quoted_length(rest, b'"', false),
            b'$' => at += dollar_length(rest),
            b'(' => {
                depth += 1;
                at += 1;
            }
            b')' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            byte if byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80 => {
                let length = rest
                    .iter()
                    .position(|byte| {
                        !(byte.is_ascii_alphanumeric()
                            || matches!(byte, b'_' | b'$')
                            || *byte >= 0x80)
                    })
                    .unwrap_or(rest.len());
                if depth == 0 {
                    words.push(String::from_utf8_lossy(&rest[..length]).to_lowercase());
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    words
}

fn comment_length(rest: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted_length(rest: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// The length of a dollar-quoted string, or 1 for a lone dollar (a parameter: `$1`).
fn dollar_length(rest: &[u8]) -> usize {
    let Some(close) = rest[1..].iter().position(|byte| *byte == b'$') else {
        return 1;
    };
    let tag = &rest[..close + 2];
    let inner = &tag[1..tag.len() - 1];
    let named = inner
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
    if !named || inner.first().is_some_and(u8::is_ascii_digit) {
        return 1;
    }
    memchr::memmem::find(&rest[tag.len()..], tag).map_or(rest.len(), |end| tag.len() * 2 + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_control_is_found_wherever_it_hides() {
        for sql in [
            "COMMIT",
            " ;; commit",
            "/* /* nested */ */ -- line\n Rollback",
            "end",
            "prepare transaction 'x'",
            "START TRANSACTION",
            "savepoint a",
        ] {
            assert!(check_statement(sql).is_err(), "{sql}");
        }
        for sql in [
            "select 1",
            "(select 'COMMIT')",
            "prepare p as select 1",
            "update t set a = $$ ; commit $$",
            "select E'\\'; commit'",
            "\"commit\"",
        ] {
            assert!(check_statement(sql).is_ok(), "{sql}");
        }
    }

    #[test]
    fn databases_are_named_as_they_are_called() {
        let create = |name: &str| Some(OfDatabase::Create(name.to_owned()));
        let drop = |name: &str| Some(OfDatabase::Drop(name.to_owned()));
        for (sql, expected) in [
            ("CREATE DATABASE app", create("app")),
            (
                " create  database App with template template0",
                create("app"),
            ),
            (
                "CREATE DATABASE \"My \"\"App\" TEMPLATE x",
                create("My \"App"),
            ),
            ("DROP DATABASE IF EXISTS \"app\" WITH (FORCE)", drop("app")),
            ("drop database app;", drop("app")),
            ("CREATE DATABASE \"app", None),
            ("CREATE TABLE database (a int)", None),
            ("DROP", None),
            ("größer als", None),
        ] {
            assert_eq!(of_database(sql), expected, "{sql}");
        }
    }

    #[test]
    fn a_copy_reaches_neither_files_nor_programs() {
        assert!(check_copy("COPY public.t (a) TO stdout;", "to", "stdout").is_ok());
        assert!(check_copy("COPY (SELECT a FROM t) TO STDOUT", "to", "stdout").is_ok());
        assert!(check_copy("COPY t FROM STDIN WITH (FREEZE)", "from", "stdin").is_ok());
        for sql in [
            "COPY t TO '/tmp/x'",
            "COPY t TO PROGRAM 'id'",
            "COPY t TO PROGRAM 'id' -- TO STDOUT",
            "COPY t TO PROGRAM 'to stdout'",
            "SELECT 1",
        ] {
            assert!(check_copy(sql, "to", "stdout").is_err(), "{sql}");
        }
        assert!(check_statement("COPY t FROM '/etc/passwd'").is_err());
    }
}
