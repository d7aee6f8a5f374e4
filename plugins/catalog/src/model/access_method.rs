//! Access methods: pg_am.

use super::Header;

/// An access method of tables or indexes.
#[derive(Clone, Debug)]
pub struct AccessMethod {
    pub header: Header,
    /// pg_am.amtype: i, t.
    pub kind: char,
    pub handler: String,
}
