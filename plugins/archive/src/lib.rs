//! The archive format: PostgreSQL's directory format plus `manifest.json`. No I/O here.

pub mod entry;

pub use entry::{Entry, Section};
