//! What could not be restored, where a restore is to go on without it.

use std::cell::RefCell;

use orchestrator_sdk::{Error, ErrorKind, run};

/// Names in a message before it only counts.
const NAMES_MAX: usize = 5;

/// Collects what failed, or lets the first failure end the restore.
#[derive(Debug, Default)]
pub struct Failures {
    keep_going: bool,
    failed: RefCell<Vec<Failed>>,
}

#[derive(Clone, Debug)]
struct Failed {
    entry: u32,
    name: String,
    error: Error,
}

impl Failures {
    /// `keep_going`: collects.
    pub fn new(keep_going: bool) -> Failures {
        Failures {
            keep_going,
            failed: RefCell::default(),
        }
    }

    /// Takes a failure of one entry; gives back one that ends the restore: every one, unless it goes on, and those of connections
    /// and of the run itself.
    pub fn take(&self, entry: u32, name: &str, error: Error) -> Result<(), Error> {
        if !self.keep_going || !concerns_one_entry(&error) {
            return Err(error.while_doing(format_args!("restoring {name}")));
        }
        run::warn(&format!("{name} was not restored: {}", error.message));
        self.failed.borrow_mut().push(Failed {
            entry,
            name: name.to_owned(),
            error,
        });
        Ok(())
    }

    /// Whether this entry is among them.
    pub fn contains(&self, entry: u32) -> bool {
        self.failed
            .borrow()
            .iter()
            .any(|failed| failed.entry == entry)
    }

    /// One error for all of them.
    pub fn as_error(&self) -> Option<Error> {
        let failed = self.failed.borrow();
        let first = failed.first()?;
        let mut names: Vec<String> = failed
            .iter()
            .take(NAMES_MAX)
            .map(|failed| format!("{}: {}", failed.name, failed.error.message))
            .collect();
        if failed.len() > NAMES_MAX {
            names.push(format!(
                "and {} more, each of which is a warning",
                failed.len() - NAMES_MAX
            ));
        }
        let message = format!("not everything could be restored: {}", names.join("; "));
        Some(Error::new(first.error.kind, message).detail(format!(
            "{} failed, and everything else is there",
            failed.len()
        )))
    }
}

/// The server's word about a statement, or an object of the backup: not the connection, and not the run.
fn concerns_one_entry(error: &Error) -> bool {
    match error.kind {
        ErrorKind::Cancelled | ErrorKind::Unavailable | ErrorKind::Timeout => false,
        ErrorKind::Corrupt | ErrorKind::NotFound | ErrorKind::Unsupported => true,
        _ => error.sqlstate.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_connection_ends_the_restore() {
        let database = |sqlstate: &str| Error {
            sqlstate: Some(sqlstate.to_owned()),
            ..Error::new(ErrorKind::Database, "no")
        };
        assert!(concerns_one_entry(&database("42501")));
        assert!(concerns_one_entry(&Error::corrupt("7.dat.gz")));
        assert!(!concerns_one_entry(&Error::new(
            ErrorKind::Unavailable,
            "gone"
        )));
        assert!(!concerns_one_entry(&Error::new(ErrorKind::Internal, "bug")));
        let ends = Failures::new(false);
        assert!(ends.take(7, "TABLE t", database("42501")).is_err());
        assert!(ends.as_error().is_none());
    }
}
