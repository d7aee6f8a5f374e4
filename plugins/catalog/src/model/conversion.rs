//! Conversions between encodings: pg_conversion.

use super::Header;

/// A conversion.
#[derive(Clone, Debug)]
pub struct Conversion {
    pub header: Header,
    pub from: String,
    pub to: String,
    pub function: String,
    pub is_default: bool,
}
