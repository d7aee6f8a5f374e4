//! What kind of statement a plugin hands over, by PostgreSQL's lexing rules: enough to keep it out of the host's
//! transactions and files, and no more. Anything beyond is PostgreSQL's to refuse.

use sql::Kind;

use crate::failure::Failure;

/// Refuses a statement that would end the host's transaction, or move bytes past it.
pub(super) fn check_statement(sql: &str) -> Result<(), Failure> {
    if let Kind::TransactionControl(statement) = sql::kind(sql) {
        return Err(
            Failure::refused(format!("a plugin cannot run {statement} itself"))
                .hint("use the functions of `connection` and `transaction` in the contract"),
        );
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

/// A COPY between the server and this host, never a file or a program of the server.
pub(super) fn check_copy(sql: &str, direction: &str, end: &str) -> Result<(), Failure> {
    let words = sql::kind::words(sql);
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
