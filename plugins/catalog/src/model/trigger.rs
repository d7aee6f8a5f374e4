//! Triggers: pg_trigger.

/// A row of pg_trigger.
#[derive(Clone, Debug)]
pub struct Trigger {
    pub oid: u32,
    pub name: String,
    /// Where its table stands in `Catalog::relations`.
    pub table: usize,
    /// CREATE TRIGGER, without a semicolon.
    pub definition: String,
    /// pg_trigger.tgenabled
    pub enabled: char,
    /// Made by the parent's trigger; only its enabled state is its own.
    pub is_clone: bool,
}
