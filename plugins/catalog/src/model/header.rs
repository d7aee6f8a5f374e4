//! What objects of most classes have.

use super::{CatalogId, Name};
use crate::selection::Components;

/// Who an object is, and how much of it is dumped.
#[derive(Clone, Debug)]
pub struct Header {
    pub id: CatalogId,
    /// Where a class has no names, what its objects are sorted by.
    pub name: String,
    /// `None` for what is in no schema.
    pub schema: Option<Name>,
    /// `None` for what belongs to nobody: a cast, a text search parser.
    pub owner: Option<Name>,
    pub dump: Components,
}

impl Header {
    /// `schema.name`, quoted; or the name alone.
    pub fn qualified(&self) -> String {
        match &self.schema {
            Some(schema) => crate::identifiers::qualified(schema, &self.name),
            None => crate::identifiers::quote_identifier(&self.name),
        }
    }
}
