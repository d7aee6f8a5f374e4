//! What is known of names, relations and sequences that were made.

use super::choices::Choices;
use super::types::TypeUse;

/// Where an object lies and what it is called.
#[derive(Clone, Debug)]
pub struct Name {
    /// The index of its schema.
    pub schema: usize,
    /// Unquoted.
    pub local: String,
}

/// A schema.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Of the step that made it.
    pub key: u16,
    /// Unquoted.
    pub local: String,
}

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A plain table.
    Table,
    /// The root of a tree of partitions.
    Partitioned,
    /// A view.
    View,
    /// A materialized view.
    Matview,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Unquoted.
    pub name: String,
    /// Its type.
    pub ty: TypeUse,
    /// Something refers to it: its type stays, and it is not dropped.
    pub used: bool,
    /// It has no NULL.
    pub not_null: bool,
    /// It has a default of any kind.
    pub default: bool,
    /// Its values are computed.
    pub generated: bool,
    /// The table whose key it refers to.
    pub refers_to: Option<usize>,
    /// It no longer exists.
    pub dropped: bool,
}

/// A table or a view.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Of the step that made it.
    pub key: u16,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub kind: RelationKind,
    /// All columns, dropped ones too.
    pub columns: Vec<Column>,
    /// The index of its row type.
    pub row: usize,
    /// Tables that inherit from it.
    pub children: Vec<usize>,
    /// Tables that it inherits from.
    pub parents: Vec<usize>,
    /// Its partitions' names.
    pub partitions: Vec<Name>,
    /// Its primary key is the column `id` (the first one).
    pub keyed: bool,
    /// A unique constraint or index of the column `id`.
    pub unique: Option<String>,
    /// Values of the column `id`.
    pub ids: Vec<i64>,
    /// It has rows.
    pub filled: bool,
    /// Columns may neither be dropped nor change their type: something uses whole rows.
    pub row_used: bool,
    /// It cannot have children: a CHECK or an index of it uses whole rows, or pg_dump may add a CHECK at the end.
    pub whole_row: bool,
    /// No columns come or go: a body was parsed that returns its rows.
    pub fixed: bool,
    /// Some column's values hold its rows: no column with values comes, and none changes.
    pub row_stored: bool,
    /// It is of a composite type, and has that one's columns only.
    pub typed: bool,
    /// It has no rows yet, so nothing may read it.
    pub unpopulated: bool,
    /// It has row security, under which pg_restore reads nothing that it may not see all of.
    pub secured: bool,
    /// A materialized view reads it with the rights of a role that has few.
    pub read_plainly: bool,
    /// It is not logged.
    pub unlogged: bool,
    /// The role that it belongs to, if that is not who made it.
    pub owner: Option<&'static str>,
}

/// A sequence of its own.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// Of the step that made it.
    pub key: u16,
    /// Its name.
    pub name: Name,
    /// The table that owns it.
    pub owned_by: Option<usize>,
    /// It is not logged, or belongs to a role: then no table can own it.
    pub unlogged: bool,
}

impl Relation {
    /// A relation without any columns yet.
    pub fn new(key: u16, name: Name, kind: RelationKind) -> Self {
        Self {
            key,
            name,
            kind,
            columns: Vec::new(),
            row: 0,
            children: Vec::new(),
            parents: Vec::new(),
            partitions: Vec::new(),
            keyed: false,
            unique: None,
            ids: Vec::new(),
            filled: false,
            row_used: false,
            whole_row: false,
            fixed: false,
            row_stored: false,
            typed: false,
            unpopulated: false,
            secured: false,
            read_plainly: false,
            unlogged: false,
            owner: None,
        }
    }

    /// Whether it is a table, partitioned or not.
    pub fn is_table(&self) -> bool {
        matches!(self.kind, RelationKind::Table | RelationKind::Partitioned)
    }

    /// Its columns and their places, without dropped ones.
    pub fn live(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.dropped)
    }

    /// Whether the first column is `id`.
    pub fn has_id(&self) -> bool {
        self.is_table() && !self.typed
    }

    /// Any column that meets a condition; its place.
    pub fn any_column(
        &self,
        choices: &mut Choices,
        fits: impl Fn(&Column) -> bool,
    ) -> Option<usize> {
        choices.of(self
            .live()
            .filter(|(_, column)| fits(column))
            .map(|(at, column)| (at, names_key(&column.name))))
    }
}

/// A key for what has none: of its name.
fn names_key(name: &str) -> u16 {
    name.bytes().fold(7, |key: u16, byte| {
        key.wrapping_mul(31).wrapping_add(u16::from(byte))
    })
}

impl Column {
    /// A column of a type.
    pub fn new(name: String, ty: TypeUse) -> Self {
        Self {
            name,
            ty,
            used: false,
            not_null: false,
            default: false,
            generated: false,
            refers_to: None,
            dropped: false,
        }
    }
}
