//! What the authors of plugins are given: a crate to begin with, the block of a configuration that grants a plugin what it asks
//! for, and databases to test it on.

mod configuration;
pub mod scaffold;
mod sdk;
mod trial;

pub use configuration::section;
pub use scaffold::Template;
pub use trial::{Trial, VARIABLE_DATABASE_URL, connect};
