//! What holds other objects: schemas and extensions.

use super::{Access, Name};
use crate::selection::Components;

/// A schema.
#[derive(Clone, Debug)]
pub struct Namespace {
    pub oid: u32,
    pub name: Name,
    pub owner_oid: u32,
    pub owner: Name,
    pub access: Access,
    /// CREATE SCHEMA is needed: not so for `public`, which every database begins with.
    pub create: bool,
    /// Of the schema itself.
    pub dump: Components,
    /// Of the objects in it.
    pub contents: Components,
}

/// An installed extension.
#[derive(Clone, Debug)]
pub struct Extension {
    pub oid: u32,
    pub name: String,
    pub schema: Name,
    pub version: String,
    /// OIDs of tables whose rows users may change, each with the condition that selects what to dump.
    pub configuration: Vec<(u32, String)>,
    /// Of the extension itself, and of its members.
    pub dump: Components,
}
