//! Collations: pg_collation.

use super::Header;

/// A collation.
#[derive(Clone, Debug)]
pub struct Collation {
    pub header: Header,
    /// pg_collation.collprovider: c, i, or b (17).
    pub provider: char,
    pub deterministic: bool,
    /// Of providers other than the C library.
    pub locale: Option<String>,
    /// Of ICU (16).
    pub rules: Option<String>,
    /// Of the C library.
    pub collate: Option<String>,
    pub ctype: Option<String>,
    /// pg_collation.collencoding; -1 for any.
    pub encoding: i32,
}
