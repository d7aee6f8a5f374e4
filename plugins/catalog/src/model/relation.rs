//! Tables, views, materialized views and sequences: what pg_class and pg_attribute hold.

use super::{Access, CatalogId, ColumnAccess, Name, Sequence, class};
use crate::selection::Components;

/// pg_class.relkind, of those that are dumped as relations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    PartitionedTable,
    ForeignTable,
    View,
    MaterializedView,
    Sequence,
    /// The columns of a composite type.
    CompositeType,
}

impl RelationKind {
    /// From pg_class.relkind.
    pub fn from_letter(letter: char) -> Option<Self> {
        Some(match letter {
            'r' => Self::Table,
            'p' => Self::PartitionedTable,
            'f' => Self::ForeignTable,
            'v' => Self::View,
            'm' => Self::MaterializedView,
            'S' => Self::Sequence,
            'c' => Self::CompositeType,
            _ => return None,
        })
    }

    /// As pg_class.relkind holds it.
    pub fn letter(self) -> u8 {
        match self {
            Self::Table => b'r',
            Self::PartitionedTable => b'p',
            Self::ForeignTable => b'f',
            Self::View => b'v',
            Self::MaterializedView => b'm',
            Self::Sequence => b'S',
            Self::CompositeType => b'c',
        }
    }

    /// The keyword of CREATE, DROP and COMMENT ON.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Table | Self::PartitionedTable => "TABLE",
            Self::ForeignTable => "FOREIGN TABLE",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Sequence => "SEQUENCE",
            Self::CompositeType => "TYPE",
        }
    }

    /// A table with rows or partitions of its own, which LOCK TABLE takes.
    pub fn is_table(self) -> bool {
        matches!(self, Self::Table | Self::PartitionedTable)
    }
}

/// A row of pg_class with what belongs to it.
#[derive(Clone, Debug)]
pub struct Relation {
    pub oid: u32,
    pub name: String,
    pub schema: Name,
    pub kind: RelationKind,
    pub owner: Name,
    pub unlogged: bool,
    /// Of a typed table: the type's OID is not 0, and its name.
    pub of_type: Option<String>,
    pub access: Access,
    pub column_access: Vec<ColumnAccess>,
    pub access_method: Option<String>,
    /// Empty for the database's own.
    pub tablespace: String,
    pub options: Vec<String>,
    pub toast_options: Vec<String>,
    /// LOCAL or CASCADED.
    pub check_option: Option<String>,
    /// Of a sequence: OID and column of the table that owns it.
    pub owned_by: Option<(u32, usize)>,
    /// A sequence that is part of an identity column.
    pub is_identity: bool,
    pub is_partition: bool,
    pub is_populated: bool,
    /// pg_class.relreplident
    pub replica_identity: char,
    pub row_security: bool,
    pub force_row_security: bool,
    pub has_indexes: bool,
    pub has_triggers: bool,
    /// pg_class.reltuples; -1 when never counted.
    pub estimated_rows: f64,
    /// Where the parents stand in `Catalog::relations`, in the order of INHERITS.
    pub parents: Vec<usize>,
    pub columns: Vec<Column>,
    /// PARTITION BY.
    pub partition_key: Option<String>,
    /// FOR VALUES, or DEFAULT.
    pub partition_bound: Option<String>,
    /// Hash-partitioned by an enum: rows may belong elsewhere after a restore.
    pub has_unstable_partitions: bool,
    /// The query of a view, without its semicolon.
    pub query: Option<String>,
    pub sequence: Option<Sequence>,
    pub foreign: Option<ForeignTable>,
    pub heap_bytes: u64,
    pub toast_bytes: u64,
    pub pages: u64,
    /// Rows are dumped; with the condition of an extension's configuration table, which may be empty.
    pub data: Option<String>,
    pub dump: Components,
    /// Columns, indexes and the like must be known.
    pub is_interesting: bool,
}

impl Relation {
    /// How pg_depend refers to it.
    pub fn id(&self) -> CatalogId {
        CatalogId::new(class::RELATION, self.oid)
    }

    /// Its definition or its rows are read, so it must hold still meanwhile.
    pub fn is_locked(&self) -> bool {
        self.dump.has(Components::DEFINITION) || self.data.is_some()
    }

    /// `schema.name`, quoted.
    pub fn qualified(&self) -> String {
        crate::identifiers::qualified(&self.schema, &self.name)
    }

    /// `ALTER TABLE`, or what a foreign table needs instead.
    pub fn alter(&self) -> &'static str {
        match self.kind {
            RelationKind::ForeignTable => "ALTER FOREIGN TABLE",
            _ => "ALTER TABLE",
        }
    }

    /// The column of this number, which begins at 1.
    pub fn column(&self, number: usize) -> Option<&Column> {
        self.columns.get(number.checked_sub(1)?)
    }

    /// CREATE TABLE lists the column: not when it is gone, or comes from a parent. A partition is made on its own and
    /// attached later, so it lists all.
    pub fn prints(&self, column: &Column) -> bool {
        !column.is_dropped && (column.is_local || self.is_partition)
    }
}

/// Where the rows of a foreign table are.
#[derive(Clone, Debug)]
pub struct ForeignTable {
    pub server: String,
    /// As the statement has them; may be empty.
    pub options: String,
}

/// A row of pg_attribute.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub type_name: String,
    pub is_dropped: bool,
    /// Defined here, not only inherited.
    pub is_local: bool,
    /// -1 for the default.
    pub statistics: i32,
    /// pg_attribute.attstorage where it differs from the type's.
    pub storage: Option<char>,
    /// pg_attribute.attcompression; a space for the default.
    pub compression: char,
    /// `n_distinct=5, ...`
    pub options: String,
    /// For a foreign-data wrapper, as the statement has them; may be empty.
    pub foreign_options: String,
    /// Qualified and quoted, where it differs from the type's.
    pub collation: Option<String>,
    /// pg_attribute.attidentity: a, d, or a space.
    pub identity: char,
    /// pg_attribute.attgenerated: s, v, or a space.
    pub generated: char,
    pub default: Option<ColumnDefault>,
    pub not_null: Option<NotNull>,
    /// The NOT NULL constraint is NOT VALID: an object of its own (18).
    pub has_invalid_not_null: bool,
}

impl Column {
    /// Its values are computed, so COPY leaves it out.
    pub fn is_generated(&self) -> bool {
        self.generated != ' '
    }
}

/// A row of pg_attrdef, or the DEFAULT NULL that hides a parent's default.
#[derive(Clone, Debug)]
pub struct ColumnDefault {
    /// 0 for a DEFAULT NULL that no catalog holds.
    pub oid: u32,
    pub expression: String,
    /// ALTER TABLE instead of a clause of CREATE TABLE.
    pub separate: bool,
    /// The parent's generation expression serves.
    pub is_inherited: bool,
}

/// A NOT NULL constraint that CREATE TABLE can print.
#[derive(Clone, Debug)]
pub struct NotNull {
    /// Where it must be named: from 18 on, when the name is not the one that the server would choose.
    pub name: Option<String>,
    pub comment: Option<String>,
    pub no_inherit: bool,
    /// Defined here, not only inherited.
    pub is_local: bool,
}
