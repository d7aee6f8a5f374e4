//! Row security policies: pg_policy.

/// A row of pg_policy.
#[derive(Clone, Debug)]
pub struct Policy {
    pub oid: u32,
    pub name: String,
    /// Where its table stands in `Catalog::relations`.
    pub table: usize,
    /// pg_policy.polcmd
    pub command: char,
    pub permissive: bool,
    /// Names; empty for PUBLIC.
    pub roles: Vec<String>,
    pub using: Option<String>,
    pub with_check: Option<String>,
}
