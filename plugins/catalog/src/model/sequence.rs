//! Sequences: pg_sequence, and where they stand.

/// A row of pg_sequence, with the sequence's own row.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// smallint, integer or bigint.
    pub data_type: String,
    pub start: i64,
    pub increment: i64,
    pub minimum: i64,
    pub maximum: i64,
    pub cache: i64,
    pub cycle: bool,
    pub last_value: i64,
    pub is_called: bool,
}
