//! Sets of rows as files declare them: what they are called, and where they are meant for. No I/O.

mod environment;
mod set;

pub use environment::Environment;
pub use set::{Format, Set, SetError};
