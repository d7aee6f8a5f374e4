//! Large objects: pg_largeobject_metadata.

use super::{Access, Name};

/// A row of pg_largeobject_metadata.
#[derive(Clone, Debug)]
pub struct LargeObjectMetadata {
    pub oid: u32,
    /// The OID as text.
    pub name: String,
    pub owner: Name,
    pub access: Access,
}
