//! PostgreSQL's catalogs (servers 13 to 18) read into a model, and rendered as the entries of an archive. No I/O here: the
//! caller brings a [`Session`].
//!
//! [`read`] asks a fixed number of set-based questions and holds the answers in a [`Catalog`]; [`Catalog::dump`] turns it into
//! a [`Dump`]: entries in a safe order, with the dependencies that a parallel pg_restore needs. What cannot be represented is
//! an error that names it ([`Error::Uncovered`]), never a silent gap.

mod dump;
mod error;
mod globals;
mod identifiers;
mod model;
mod ordering;
mod patterns;
mod reading;
mod rendering;
mod selection;
mod session;
mod version;

pub use dump::{Dump, InstalledExtension, LargeObject, TableData};
pub use error::{Error, UncoveredObject};
pub use globals::{GlobalStatement, globals};
pub use identifiers::{qualified, quote_identifier, quote_literal};
pub use model::{Catalog, Locks, Options};
pub use patterns::Pattern;
pub use reading::{lock, read};
pub use selection::Filters;
pub use session::{Session, SessionError, session_settings};
