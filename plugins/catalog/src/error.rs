//! What can go wrong, with what was tried and what the user can do.

use crate::session::SessionError;

/// An object of a class that a dump does not cover.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UncoveredObject {
    /// The kind of object, as in its `CREATE` statement: `foreign table`.
    pub class: String,
    /// Its name, qualified where it has a schema.
    pub name: String,
}

/// An error of reading or rendering a catalog.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server answered a catalog query with an error.
    #[error("reading {what} from the catalog")]
    Query {
        /// What was asked for: `tables`.
        what: &'static str,
        /// The session's own error.
        #[source]
        source: SessionError,
    },
    /// A row of the catalog is not what this version knows.
    #[error(
        "the catalog holds unexpected {what}: {detail}; check the server with amcheck, or report this with the server's version"
    )]
    Unexpected {
        /// What was read: `columns`.
        what: &'static str,
        /// What was found.
        detail: String,
    },
    /// The server is older or newer than the releases whose catalogs are known.
    #[error(
        "the server's version {0} is not one of 13 to 18; use a release of this program that knows it, since a dump by guesswork can lose objects"
    )]
    Version(u32),
    /// A table of the snapshot that was made, or changed its name, while the others were being locked: lock again, and take
    /// another snapshot.
    #[error("the table {0} was created or renamed while tables were being locked")]
    NotLocked(String),
    /// None of the patterns of tables to dump fits one.
    #[error("no table fits {0}")]
    NoTable(String),
    /// Objects that a dump would have to leave out.
    #[error("{} objects cannot be dumped yet: {}; drop them, or dump this database with pg_dump", .objects.len(), list(.objects))]
    Uncovered {
        /// Every one of them, sorted.
        objects: Vec<UncoveredObject>,
    },
}

/// At most ten by name: the field holds all.
fn list(objects: &[UncoveredObject]) -> String {
    let mut text = objects
        .iter()
        .take(10)
        .map(|object| format!("{} {}", object.class, object.name))
        .collect::<Vec<_>>()
        .join(", ");
    if objects.len() > 10 {
        text.push_str(", ...");
    }
    text
}

impl Error {
    /// An unexpected row of `what`.
    pub(crate) fn unexpected(what: &'static str, detail: impl Into<String>) -> Self {
        Self::Unexpected {
            what,
            detail: detail.into(),
        }
    }
}
