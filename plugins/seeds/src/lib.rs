//! Sets of rows as files declare them: what they are called, and where they are meant for. No I/O.

mod declared;
mod environment;
mod order;
mod set;

pub use declared::{Row, Table};
pub use environment::Environment;
pub use order::{Node, Place, Reference, order};
pub use set::{Content, Format, Set, SetError, script_statements};
