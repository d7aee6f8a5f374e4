//! Procedural languages, and how they see types: pg_language, pg_transform.

use super::{Access, Header};

/// A procedural language. Functions are qualified.
#[derive(Clone, Debug)]
pub struct Language {
    pub header: Header,
    pub trusted: bool,
    pub access: Access,
    pub handler: Option<String>,
    pub inline: Option<String>,
    pub validator: Option<String>,
}

/// How values of a type reach functions of a language. It has no name: the header's is made of the type's and the language's.
#[derive(Clone, Debug)]
pub struct Transform {
    pub header: Header,
    pub type_name: String,
    pub language: String,
    /// With their arguments.
    pub from_sql: Option<String>,
    pub to_sql: Option<String>,
}
