//! Constraints that are objects of their own: pg_constraint.

/// What a constraint demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConstraintKind {
    Check,
    /// Only a NOT VALID one of a table (18), or one of a domain (17).
    NotNull,
    PrimaryKey,
    Unique,
    Exclusion,
    ForeignKey,
}

/// What a constraint is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Constrained {
    /// Where the table stands in `Catalog::relations`.
    Table(usize),
    /// Where the domain stands in `Catalog::types`.
    Domain(usize),
}

/// A row of pg_constraint.
#[derive(Clone, Debug)]
pub struct Constraint {
    pub oid: u32,
    pub name: String,
    pub kind: ConstraintKind,
    pub on: Constrained,
    /// As pg_get_constraintdef prints it; empty for primary and unique keys, which are printed from their index.
    pub definition: String,
    /// Of a key: where its index stands in `Catalog::indexes`.
    pub index: Option<usize>,
    /// Of a foreign key: OID of the table, and of the index, that it refers to.
    pub references: Option<(u32, u32)>,
    pub deferrable: bool,
    pub deferred: bool,
    /// WITHOUT OVERLAPS (18).
    pub period: bool,
    /// Defined here, not only inherited.
    pub is_local: bool,
    /// An entry of its own, instead of a clause of CREATE TABLE or CREATE DOMAIN.
    pub separate: bool,
}
