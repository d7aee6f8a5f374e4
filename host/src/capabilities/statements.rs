//! What kind of statement a plugin hands over, by PostgreSQL's lexing rules: enough to keep it out of the host's
//! transactions and files, and no more. Anything beyond is PostgreSQL's to refuse.

use sql::{Kind, Strings, TokenKind, Tokens};

use crate::failure::Failure;

/// Refuses a statement that would end the host's transaction, or move bytes past it. Savepoints stay within it.
pub(super) fn check_statement(sql: &str) -> Result<(), Failure> {
    if let Kind::TransactionControl(statement) = sql::kind(sql)
        && !is_savepoint(sql)
    {
        return Err(own_transactions(statement));
    }
    if sql::kind::words(sql)
        .first()
        .is_some_and(|word| word == "copy")
    {
        return Err(
            Failure::refused("a plugin cannot run COPY as a plain statement")
                .hint("use `copy-out` and `copy-in` of the contract"),
        );
    }
    Ok(())
}

/// One or several statements within the host's transaction, none of which may end it. What this cannot see (strings whose rules the
/// session has changed) is found afterwards: the transaction is then another one.
pub(super) fn check_script_within(script: &str) -> Result<(), Failure> {
    for statement in statements(script) {
        if let Kind::TransactionControl(word) = sql::kind(statement)
            && !is_savepoint(statement)
        {
            return Err(own_transactions(word));
        }
    }
    Ok(())
}

/// One or several statements outside of it: transactions of their own are fine as long as they end with the session.
pub(super) fn check_script(script: &str) -> Result<(), Failure> {
    let may_hold_one = script.len() >= PREPARE.len()
        && script
            .as_bytes()
            .windows(PREPARE.len())
            .any(|window| window.eq_ignore_ascii_case(PREPARE));
    if !may_hold_one {
        return Ok(());
    }
    for statement in statements(script) {
        if let Kind::TransactionControl(word @ "PREPARE TRANSACTION") = sql::kind(statement) {
            return Err(own_transactions(word)
                .detail("a prepared transaction keeps its locks until somebody ends it by hand"));
        }
    }
    Ok(())
}

const PREPARE: &[u8] = b"prepare";

/// Of a script that is cut, PostgreSQL says what is wrong with it.
fn statements(script: &str) -> Vec<&str> {
    let taken_apart = sql::statements(script, Strings::Standard);
    taken_apart.map_or_else(
        |_| vec![script],
        |statements| statements.iter().map(|statement| statement.text).collect(),
    )
}

fn own_transactions(statement: &str) -> Failure {
    Failure::refused(format!("a plugin cannot run {statement} itself"))
        .hint("use the functions of `connection` and `transaction` in the contract")
}

/// `SAVEPOINT`, `RELEASE` or `ROLLBACK TO`, which the server takes within a transaction alone.
fn is_savepoint(sql: &str) -> bool {
    let words = sql::kind::words(sql);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match word(0) {
        "savepoint" | "release" => true,
        "rollback" => match word(1) {
            "work" | "transaction" => word(2) == "to",
            second => second == "to",
        },
        _ => false,
    }
}

/// A COPY between the server and this host, never a file or a program of the server.
pub(super) fn check_copy(sql: &str, direction: &str, end: &str) -> Result<(), Failure> {
    let words = sql::kind::words(sql);
    let streams = words
        .windows(2)
        .any(|pair| pair[0] == direction && pair[1] == end);
    if words.first().is_some_and(|word| word == "copy")
        && streams
        && !words.iter().any(|word| word == "program")
        && !is_ambiguous(sql)
    {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "only COPY ... {} {} can be run here",
        direction.to_uppercase(),
        end.to_uppercase()
    )))
}

/// A string that ends elsewhere when the session has turned `standard_conforming_strings` off could hide where the COPY goes.
fn is_ambiguous(sql: &str) -> bool {
    let strings = |rule| {
        Tokens::new(sql, rule)
            .filter(|token| token.kind == TokenKind::String)
            .map(|token| (token.start, token.text))
            .collect::<Vec<_>>()
    };
    strings(Strings::Standard) != strings(Strings::Escaping)
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
            "rollback work",
            "ROLLBACK AND CHAIN",
            "rollback prepared 'to'",
        ] {
            assert!(check_statement(sql).is_err(), "{sql}");
        }
        for sql in [
            "savepoint a",
            "RELEASE SAVEPOINT a",
            "rollback to a",
            "ROLLBACK WORK TO SAVEPOINT a",
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
        let hidden = "COPY t TO '/tmp/x\\' TO STDOUT --'";
        assert!(check_copy(hidden, "to", "stdout").is_err(), "{hidden}");
        let delimiter = "COPY t TO STDOUT (DELIMITER E'\\t', NULL '\\N')";
        assert!(check_copy(delimiter, "to", "stdout").is_ok());
    }

    #[test]
    fn scripts_leave_nothing_open_behind_the_session() {
        for script in [
            "select 1; commit",
            "insert into t values (';'); /* x */ rollback; select 1",
            "savepoint a; rollback",
            "prepare transaction 'x'",
        ] {
            assert!(check_script_within(script).is_err(), "{script}");
        }
        for script in [
            "create function f() returns void as $$ begin; commit; $$ language sql",
            "select 'a; commit'; select 2",
            "do 'begin commit; end'",
            "savepoint a; select 1; rollback to a",
        ] {
            assert!(check_script_within(script).is_ok(), "{script}");
        }
        assert!(check_script("begin; update t set a = 1; commit").is_ok());
        assert!(check_script("begin; select 1; PREPARE TRANSACTION 'x'").is_err());
        assert!(check_script("prepare p as select 1").is_ok());
    }
}
