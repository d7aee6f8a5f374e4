//! What ANALYZE has found out about the rows of a relation: pg_class and pg_stats.

use super::{Relation, RelationKind};

/// The figures of one table, materialized view, foreign table or index.
#[derive(Clone, Debug)]
pub struct PlannerStatistics {
    pub of: Measured,
    pub pages: i32,
    /// pg_class.reltuples as the server prints it: -1 where nobody has counted, and before 14 also 0.
    pub tuples: String,
    pub all_visible: i32,
    /// New in 18.
    pub all_frozen: Option<i32>,
    /// In the order of the columns' names, each without what it inherits first.
    pub columns: Vec<ColumnStatistics>,
}

/// Whose rows, by their position in the catalog.
#[derive(Clone, Copy, Debug)]
pub enum Measured {
    Relation(usize),
    Index(usize),
}

impl Measured {
    /// CREATE INDEX and REFRESH MATERIALIZED VIEW throw away what was known before: it comes after them.
    pub fn comes_after_data(self, relations: &[Relation]) -> bool {
        match self {
            Self::Relation(at) => relations[at].kind == RelationKind::MaterializedView,
            Self::Index(_) => true,
        }
    }
}

/// A row of pg_stats.
#[derive(Clone, Debug)]
pub struct ColumnStatistics {
    pub name: String,
    /// Of an index, whose columns may have other names after a restore.
    pub number: Option<i16>,
    /// Arguments of pg_restore_attribute_stats: name, type and value.
    pub arguments: Vec<(&'static str, &'static str, String)>,
}
