//! How a migration's script is run: in one transaction, or statement by statement where a statement of it cannot be in one.

use std::ops::Range;

use orchestrator_sdk::Error;
use sql::kind::words;
use sql::{Kind, Statement, Strings, TokenKind, Tokens, kind, statements};

/// A script taken apart.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    /// `20251217083615_init_schema/migration.sql`
    pub path: String,
    /// In their order.
    pub statements: Vec<Statement<'a>>,
    /// Why it cannot run in one transaction, as `CREATE INDEX CONCURRENTLY (line 3)`; none where it can.
    pub apart: Option<String>,
    /// It may leave something set in the session: SET, set_config, DISCARD, a role, a listener.
    pub sets_something: bool,
    /// What is done or not done as a whole then; by positions in `statements`.
    pub units: Vec<Unit>,
}

/// A part of a script that does not run in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unit {
    /// In a transaction of its own.
    Statement(usize),
    /// In none.
    Alone(usize),
    /// The script's own, from its BEGIN to its COMMIT.
    Transaction(Range<usize>),
}

impl Unit {
    /// The positions of its statements.
    pub fn positions(&self) -> Range<usize> {
        match self {
            Self::Statement(at) | Self::Alone(at) => *at..at + 1,
            Self::Transaction(positions) => positions.clone(),
        }
    }
}

/// Takes a script apart.
pub fn read<'a>(path: &str, script: &'a str) -> Result<Script<'a>, Error> {
    let statements = statements(script, Strings::Standard).map_err(|error| {
        Error::invalid_input(format!("{path}, {error}")).hint(
            "a migration is SQL alone: put what psql's commands do into statements, or run it with psql",
        )
    })?;
    let units = units(path, &statements)?;
    let apart = statements.iter().enumerate().find_map(|(at, statement)| {
        let why = match kind(statement.text) {
            Kind::Plain => return None,
            Kind::Alone(why) | Kind::TransactionControl(why) => why,
            // In a transaction the value cannot be used: where nothing comes after it, nothing uses it.
            Kind::AddsEnumValue if at + 1 == statements.len() => return None,
            Kind::AddsEnumValue => "ALTER TYPE ADD VALUE",
        };
        Some(format!("{why} (line {})", statement.line))
    });
    Ok(Script {
        path: path.to_owned(),
        statements,
        apart,
        sets_something: sets_something(script),
        units,
    })
}

/// By its words alone: a function that sets something does so without a word of it, but then for its caller.
fn sets_something(script: &str) -> bool {
    const WORDS: [&str; 7] = [
        "set",
        "reset",
        "set_config",
        "discard",
        "listen",
        "load",
        "call",
    ];
    Tokens::new(script, Strings::Standard)
        .any(|token| token.kind == TokenKind::Word && WORDS.iter().any(|word| token.is_word(word)))
}

/// The parts that are done or not done as a whole when a script runs statement by statement.
fn units(path: &str, statements: &[Statement<'_>]) -> Result<Vec<Unit>, Error> {
    let mut units = Vec::with_capacity(statements.len());
    let mut begun: Option<usize> = None;
    for (at, statement) in statements.iter().enumerate() {
        match (kind(statement.text), begun) {
            (Kind::TransactionControl("BEGIN" | "START TRANSACTION"), None) => begun = Some(at),
            (Kind::TransactionControl("PREPARE TRANSACTION"), _) => {
                return Err(Error::invalid_input(format!(
                    "{path}, line {}: a migration cannot leave a prepared transaction behind",
                    statement.line
                )));
            }
            (Kind::TransactionControl(control), Some(first)) if ends(control, statement) => {
                units.push(Unit::Transaction(first..at + 1));
                begun = None;
            }
            (_, Some(_)) => {}
            // There is no transaction that it could end: the server warns, and so does nothing.
            (Kind::TransactionControl(_), None) => {}
            (Kind::Alone(_), None) => units.push(Unit::Alone(at)),
            (Kind::Plain | Kind::AddsEnumValue, None) => units.push(Unit::Statement(at)),
        }
    }
    match begun {
        None => Ok(units),
        Some(at) => Err(Error::invalid_input(format!(
            "{path}, line {}: {} begins a transaction that nothing ends",
            statements[at].line, statements[at].text
        ))
        .hint(
            "leave it out: a migration is one transaction anyway, where its statements can be in one",
        )),
    }
}

fn ends(control: &str, statement: &Statement<'_>) -> bool {
    // ROLLBACK TO SAVEPOINT goes on.
    let goes_on = || words(statement.text).iter().any(|word| word == "to");
    matches!(control, "COMMIT" | "END" | "ABORT") || (control == "ROLLBACK" && !goes_on())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_in_a_transaction_is_named() {
        let apart = |script: &str| read("1", script).expect("a script").apart;
        assert_eq!(
            apart("CREATE TABLE t (a int); CREATE INDEX ON t (a);"),
            None
        );
        assert_eq!(
            apart("SELECT 1;\nCREATE INDEX CONCURRENTLY ON t (a);").as_deref(),
            Some("CREATE INDEX CONCURRENTLY (line 2)")
        );
        assert_eq!(apart("ALTER TYPE mood ADD VALUE 'so';"), None);
        assert!(apart("ALTER TYPE mood ADD VALUE 'so'; UPDATE t SET m = 'so';").is_some());
        assert!(apart("BEGIN; SELECT 1; COMMIT;").is_some());
        assert!(read("1", "COMMIT; BEGIN; SELECT 1;").is_err());
        assert!(read("1", "BEGIN; PREPARE TRANSACTION 'a';").is_err());
        let error = read("1_a/migration.sql", "\\i other.sql").expect_err("psql's");
        assert!(error.message.starts_with("1_a/migration.sql, line 1: \\i"));
    }

    #[test]
    fn a_transaction_of_the_script_is_one_unit() {
        let script = "SELECT 1; BEGIN; SELECT 2; SAVEPOINT a; ROLLBACK TO a; COMMIT; COMMIT; VACUUM; ALTER TYPE m ADD VALUE 'x';";
        assert_eq!(
            read("1", script).expect("a script").units,
            [
                Unit::Statement(0),
                Unit::Transaction(1..6),
                Unit::Alone(7),
                Unit::Statement(8)
            ]
        );
    }
}
