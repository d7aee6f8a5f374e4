//! Casts between types: pg_cast.

use super::Header;

/// A cast. It has no name: the header's is made of the types'.
#[derive(Clone, Debug)]
pub struct Cast {
    pub header: Header,
    pub source: String,
    pub target: String,
    /// pg_cast.castmethod: f, i, b.
    pub method: char,
    /// pg_cast.castcontext: e, a, i.
    pub context: char,
    /// With its arguments.
    pub function: Option<String>,
}
