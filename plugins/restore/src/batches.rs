//! Statements one after another on one connection, many in one transaction: few enough that their locks fit in the server's
//! table of locks, and enough that a commit is rare.

use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::{Error, ErrorKind};

use crate::failures::Failures;
use crate::sessions::script;

/// An entry may lock several objects, and a server has room for `max_locks_per_transaction` (64) by `max_connections` (100).
const ENTRIES_AT_ONCE: usize = 200;

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
    for batch in statements.chunks(ENTRIES_AT_ONCE) {
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
    for batch in statements.chunks(ENTRIES_AT_ONCE) {
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
