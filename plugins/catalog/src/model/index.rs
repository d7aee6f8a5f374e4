//! Indexes: pg_index.

/// A row of pg_index.
#[derive(Clone, Debug)]
pub struct Index {
    pub oid: u32,
    pub name: String,
    /// Where its table stands in `Catalog::relations`.
    pub table: usize,
    /// CREATE INDEX, without a semicolon.
    pub definition: String,
    /// Column numbers; the first `key_columns` of them are searched by.
    pub columns: Vec<i16>,
    pub key_columns: usize,
    pub is_clustered: bool,
    pub is_replica_identity: bool,
    /// New in 15.
    pub nulls_not_distinct: bool,
    /// Empty for the database's own.
    pub tablespace: Option<String>,
    pub options: Vec<String>,
    /// Column number and target.
    pub statistics: Vec<(String, String)>,
    /// OID of the partitioned index that it is part of; 0 for none.
    pub parent: u32,
    /// Where that one stands in `Catalog::indexes`, if it is dumped.
    pub parent_position: Option<usize>,
    /// Where the constraint that it enforces stands in `Catalog::constraints`.
    pub constraint: Option<usize>,
}
