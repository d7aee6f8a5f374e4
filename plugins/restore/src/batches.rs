//! Statements one after another on one connection, many in one transaction: few enough that their locks fit in the server's
//! table of locks, and enough that a commit is rare.

use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::{Error, ErrorKind};

use crate::failures::Failures;
use crate::sessions::script;

/// An entry may lock several objects, and a server has room for `max_locks_per_transaction` (64) by `max_connections` (100).
const ENTRIES_AT_ONCE: usize = 200;

/// And no more SQL than this, but for one long statement: a call carries a few MiB.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// Statements that belong together, and what errors call them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The entry's dump id; 0 for what is none.
    pub entry: u32,
    /// As `TABLE public.users (entry 216)`.
    pub name: String,
    /// One or several statements.
    pub sql: String,
}

/// Runs all of them in their order. A failure names the one that it is of; `label` is what progress calls them.
pub fn apply(
    connection: &Connection,
    statements: &[Named],
    label: &str,
    failures: &Failures,
) -> Result<(), Error> {
    for batch in batches(statements) {
        let steps = batch
            .iter()
            .map(|each| Step::Statement(each.sql.clone()))
            .collect();
        match script(connection, steps, true, label) {
            Ok(_) => {}
            // The batch is rolled back as a whole, and a script does not say which of its steps failed: each alone does.
            Err(error) if may_be_repeated(&error) => {
                for Named { entry, name, sql } in batch {
                    let alone = script(connection, vec![Step::Statement(sql.clone())], true, name);
                    if let Err(error) = alone {
                        failures.take(*entry, name, error)?;
                    }
                }
            }
            Err(error) => return Err(error.while_doing(label)),
        }
    }
    Ok(())
}

/// The statement itself is at fault, not the connection or the run.
fn may_be_repeated(error: &Error) -> bool {
    error.sqlstate.is_some() && !matches!(error.kind, ErrorKind::Cancelled | ErrorKind::Unavailable)
}

/// Runs each in a transaction of its own after the batch it was in has failed, and goes on. Gives the names of those that
/// failed, with why.
pub fn apply_what_can_be(
    connection: &Connection,
    statements: &[Named],
    label: &str,
) -> Result<Vec<String>, Error> {
    let mut failed = Vec::new();
    for batch in batches(statements) {
        let steps = batch
            .iter()
            .map(|each| Step::Statement(each.sql.clone()))
            .collect();
        match script(connection, steps, true, label) {
            Ok(_) => {}
            Err(error) if may_be_repeated(&error) => {
                for Named { name, sql, .. } in batch {
                    match script(connection, vec![Step::Statement(sql.clone())], true, name) {
                        Ok(_) => {}
                        Err(error) if may_be_repeated(&error) => {
                            failed.push(format!("{name}: {}", error.message))
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(failed)
}

/// What goes into one transaction.
fn batches(statements: &[Named]) -> Vec<&[Named]> {
    let mut batches = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (at, each) in statements.iter().enumerate() {
        let is_full = at - begin == ENTRIES_AT_ONCE || bytes + each.sql.len() > BYTES_AT_ONCE;
        if at > begin && is_full {
            batches.push(&statements[begin..at]);
            (begin, bytes) = (at, 0);
        }
        bytes += each.sql.len();
    }
    if begin < statements.len() {
        batches.push(&statements[begin..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_neither_long_nor_many() {
        let named = |bytes: usize| Named {
            entry: 1,
            name: String::new(),
            sql: "x".repeat(bytes),
        };
        let sizes = |lengths: &[usize]| {
            let statements: Vec<Named> = lengths.iter().copied().map(named).collect();
            let batches = batches(&statements);
            batches.iter().map(|batch| batch.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [0; 0]);
        assert_eq!(sizes(&[10; 401]), [200, 200, 1]);
        assert_eq!(sizes(&[BYTES_AT_ONCE / 2; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[1, 3 * BYTES_AT_ONCE, 1]), [1, 1, 1]);
    }
}
