//! What kind of statement it is, as far as it decides how it can be run: known by its first words, as the server knows it.

use crate::lexer::{Strings, Token, TokenKind, Tokens};

/// How a statement stands to transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Runs in a transaction with others.
    Plain,
    /// The server refuses it within a transaction block (`PreventInTransactionBlock`); its name, as `CREATE INDEX CONCURRENTLY`.
    Alone(&'static str),
    /// Begins or ends a transaction, or a part of one; its first word in capitals.
    TransactionControl(&'static str),
    /// `ALTER TYPE … ADD VALUE`: the value cannot be used before the transaction has ended.
    AddsEnumValue,
}

/// Tells the kind of one statement.
pub fn kind(statement: &str) -> Kind {
    let words = words(statement);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let begins = |with: &[&str]| {
        with.iter()
            .enumerate()
            .all(|(at, wanted)| word(at) == *wanted)
    };
    if let Some(control) = transaction_control(word(0), word(1)) {
        return Kind::TransactionControl(control);
    }
    match word(0) {
        "vacuum" => Kind::Alone("VACUUM"),
        "reindex" if has("concurrently") => Kind::Alone("REINDEX CONCURRENTLY"),
        "reindex" => match words.iter().skip(1).find(|word| *word != "verbose") {
            Some(target) if target == "schema" => Kind::Alone("REINDEX SCHEMA"),
            Some(target) if target == "database" => Kind::Alone("REINDEX DATABASE"),
            Some(target) if target == "system" => Kind::Alone("REINDEX SYSTEM"),
            _ => Kind::Plain,
        },
        // Without a table, all of them, each in a transaction of its own.
        "cluster" if words.iter().skip(1).all(|word| word == "verbose") && !has_name(statement) => {
            Kind::Alone("CLUSTER")
        }
        "create" => match word(1) {
            "database" => Kind::Alone("CREATE DATABASE"),
            "tablespace" => Kind::Alone("CREATE TABLESPACE"),
            "subscription" => Kind::Alone("CREATE SUBSCRIPTION"),
            "index" | "unique" if has("concurrently") => Kind::Alone("CREATE INDEX CONCURRENTLY"),
            _ => Kind::Plain,
        },
        "drop" => match word(1) {
            "database" => Kind::Alone("DROP DATABASE"),
            "tablespace" => Kind::Alone("DROP TABLESPACE"),
            "subscription" => Kind::Alone("DROP SUBSCRIPTION"),
            "index" if word(2) == "concurrently" => Kind::Alone("DROP INDEX CONCURRENTLY"),
            _ => Kind::Plain,
        },
        "alter" => match word(1) {
            "system" => Kind::Alone("ALTER SYSTEM"),
            "database" if has("tablespace") => Kind::Alone("ALTER DATABASE SET TABLESPACE"),
            "subscription" if has("refresh") || has("publication") => {
                Kind::Alone("ALTER SUBSCRIPTION")
            }
            "table" if has("detach") && has("concurrently") => {
                Kind::Alone("ALTER TABLE DETACH PARTITION CONCURRENTLY")
            }
            "type" if has("add") && has("value") => Kind::AddsEnumValue,
            _ => Kind::Plain,
        },
        "discard" if begins(&["discard", "all"]) => Kind::Alone("DISCARD ALL"),
        _ => Kind::Plain,
    }
}

/// An index that a statement makes or drops CONCURRENTLY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrentIndex {
    /// As it is written, with the schema of its table where that is named: what `to_regclass` takes.
    pub name: String,
    /// `DROP INDEX CONCURRENTLY`.
    pub is_dropped: bool,
}

/// The index of `CREATE INDEX CONCURRENTLY` or `DROP INDEX CONCURRENTLY`, if it has a name.
pub fn concurrent_index(statement: &str) -> Option<ConcurrentIndex> {
    let mut tokens = Tokens::new(statement, Strings::Standard)
        .filter(Token::is_significant)
        .skip_while(|token| !token.is_word("concurrently"))
        .skip(1)
        .peekable();
    let is_dropped = match kind(statement) {
        Kind::Alone("DROP INDEX CONCURRENTLY") => true,
        Kind::Alone("CREATE INDEX CONCURRENTLY") => false,
        _ => return None,
    };
    for word in ["if", "not", "exists"] {
        tokens.next_if(|token| token.is_word(word));
    }
    if !is_dropped && tokens.peek()?.is_word("on") {
        return None;
    }
    let mut name = qualified_name(&mut tokens)?;
    if !is_dropped {
        tokens.next_if(|token| token.is_word("on"))?;
        tokens.next_if(|token| token.is_word("only"));
        // An index lies in the schema of its table.
        let mut table = qualified_name(&mut tokens)?;
        table.pop();
        table.append(&mut name);
        name = table;
    }
    Some(ConcurrentIndex {
        name: name.join("."),
        is_dropped,
    })
}

fn qualified_name<'a>(
    tokens: &mut std::iter::Peekable<impl Iterator<Item = Token<'a>>>,
) -> Option<Vec<&'a str>> {
    let mut parts = vec![tokens.next()?.text];
    while tokens.next_if(|token| token.text == ".").is_some() {
        parts.push(tokens.next()?.text);
    }
    Some(parts)
}

/// PREPARE and END have other meanings too.
fn transaction_control(first: &str, second: &str) -> Option<&'static str> {
    Some(match first {
        "abort" => "ABORT",
        "begin" => "BEGIN",
        "commit" => "COMMIT",
        "end" => "END",
        "prepare" if second == "transaction" => "PREPARE TRANSACTION",
        "release" => "RELEASE",
        "rollback" => "ROLLBACK",
        "savepoint" => "SAVEPOINT",
        "start" => "START TRANSACTION",
        _ => return None,
    })
}

/// Keywords and names without quotes, outside of parentheses, in lower case.
pub fn words(statement: &str) -> Vec<String> {
    outside_parentheses(statement)
        .filter(|token| token.kind == TokenKind::Word)
        .map(|token| token.text.to_lowercase())
        .collect()
}

fn has_name(statement: &str) -> bool {
    outside_parentheses(statement).any(|token| token.kind == TokenKind::QuotedName)
}

fn outside_parentheses(statement: &str) -> impl Iterator<Item = Token<'_>> {
    let mut depth = 0usize;
    Tokens::new(statement, Strings::Standard).filter(move |token| {
        match token.text {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_indexes_have_their_tables_schemas() {
        let name = |statement| {
            concurrent_index(statement).map(|index| format!("{} {}", index.name, index.is_dropped))
        };
        assert_eq!(
            name("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS \"A b\" ON ONLY app . t (a)")
                .as_deref(),
            Some("app.\"A b\" false")
        );
        assert_eq!(
            name("create index concurrently i on t (a)").as_deref(),
            Some("i false")
        );
        assert_eq!(
            name("DROP INDEX CONCURRENTLY IF EXISTS app.i CASCADE").as_deref(),
            Some("app.i true")
        );
        assert_eq!(name("CREATE INDEX CONCURRENTLY ON t (a)"), None);
        assert_eq!(name("CREATE INDEX i ON t (a)"), None);
        assert_eq!(name("CREATE INDEX CONCURRENTLY i"), None);
    }

    #[test]
    fn what_the_server_refuses_in_a_transaction() {
        for (sql, name) in [
            ("VACUUM (ANALYZE) t", "VACUUM"),
            (
                "create unique index concurrently i on t (a)",
                "CREATE INDEX CONCURRENTLY",
            ),
            (
                "CREATE INDEX /* now */ CONCURRENTLY IF NOT EXISTS i ON t (a)",
                "CREATE INDEX CONCURRENTLY",
            ),
            (
                "drop index concurrently if exists i",
                "DROP INDEX CONCURRENTLY",
            ),
            (
                "REINDEX (VERBOSE) INDEX CONCURRENTLY i",
                "REINDEX CONCURRENTLY",
            ),
            ("reindex verbose database d", "REINDEX DATABASE"),
            ("CLUSTER", "CLUSTER"),
            ("CLUSTER VERBOSE", "CLUSTER"),
            ("CREATE DATABASE d", "CREATE DATABASE"),
            ("ALTER SYSTEM SET work_mem = '1MB'", "ALTER SYSTEM"),
            (
                "ALTER DATABASE d SET TABLESPACE t",
                "ALTER DATABASE SET TABLESPACE",
            ),
            (
                "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
                "ALTER TABLE DETACH PARTITION CONCURRENTLY",
            ),
            ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
            ("DISCARD ALL", "DISCARD ALL"),
        ] {
            assert_eq!(kind(sql), Kind::Alone(name), "{sql}");
        }
    }

    #[test]
    fn what_only_looks_like_it() {
        for sql in [
            "CREATE INDEX i ON t (concurrently)",
            "CREATE INDEX \"concurrently\" ON t (a)",
            "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
            "REINDEX TABLE t",
            "CLUSTER t USING i",
            "CLUSTER \"T\"",
            "ALTER TABLE t DETACH PARTITION p",
            "ALTER DATABASE d SET work_mem = '1MB'",
            "PREPARE p AS SELECT 1",
            "DISCARD PLANS",
            "SELECT 'VACUUM'",
            "",
        ] {
            assert_eq!(kind(sql), Kind::Plain, "{sql}");
        }
    }

    #[test]
    fn transactions_and_enums() {
        assert_eq!(
            kind("/* so */ Begin work"),
            Kind::TransactionControl("BEGIN")
        );
        assert_eq!(kind("END"), Kind::TransactionControl("END"));
        assert_eq!(
            kind("prepare transaction 'x'"),
            Kind::TransactionControl("PREPARE TRANSACTION")
        );
        assert_eq!(
            kind("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'so-so' AFTER 'good'"),
            Kind::AddsEnumValue
        );
        assert_eq!(kind("ALTER TYPE mood RENAME VALUE 'a' TO 'b'"), Kind::Plain);
    }
}
