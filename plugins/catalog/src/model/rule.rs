//! Rules: pg_rewrite, also the ON SELECT rules that views are made of.

/// A row of pg_rewrite.
#[derive(Clone, Debug)]
pub struct Rule {
    pub oid: u32,
    pub name: String,
    /// Where its table or view stands in `Catalog::relations`.
    pub relation: usize,
    /// The query of a view.
    pub is_view_query: bool,
    /// pg_rewrite.ev_enabled
    pub enabled: char,
    /// CREATE RULE; empty for the query of a view.
    pub definition: String,
}
