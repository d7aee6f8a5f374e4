//! Types: pg_type, pg_enum, pg_range, and the columns of composite types.

use super::{Access, Name};
use crate::selection::Components;

/// What a type is made of.
#[derive(Clone, Debug)]
pub enum TypeKind {
    /// The labels, in order.
    Enum(Vec<String>),
    Domain(Domain),
    Range(Range),
    Composite(Vec<Attribute>),
    /// A relation's row type, an array or a multirange: made with what it belongs to.
    Automatic,
    Base(Box<BaseType>),
    /// The name alone.
    Shell,
    /// A member of an extension, or of the server, of which only the privileges are dumped.
    Undescribed,
}

/// A row of pg_type.
#[derive(Clone, Debug)]
pub struct Type {
    pub oid: u32,
    pub name: String,
    pub schema: Name,
    pub owner: Name,
    pub access: Access,
    pub kind: TypeKind,
    /// OID of the pg_class row of a composite type.
    pub relation: u32,
    /// As format_type prints it.
    pub formatted: String,
    pub dump: Components,
}

/// A base type's properties; functions are ready to print.
#[derive(Clone, Debug)]
pub struct BaseType {
    /// -1 for variable.
    pub length: i32,
    pub input: String,
    pub output: String,
    pub receive: Option<String>,
    pub send: Option<String>,
    pub modifier_input: Option<String>,
    pub modifier_output: Option<String>,
    pub analyze: Option<String>,
    /// New in 14.
    pub subscript: Option<String>,
    pub collatable: bool,
    /// An expression, or a literal; ready to print.
    pub default: Option<String>,
    pub element: Option<String>,
    pub category: String,
    pub preferred: bool,
    pub delimiter: String,
    /// pg_type.typalign
    pub alignment: char,
    /// pg_type.typstorage
    pub storage: char,
    pub by_value: bool,
}

/// A domain's properties, without its constraints.
#[derive(Clone, Debug)]
pub struct Domain {
    pub base_type: String,
    /// Qualified and quoted, where it differs from the base type's.
    pub collation: Option<String>,
    pub not_null: bool,
    /// An expression, ready to print.
    pub default: Option<String>,
}

/// A range type's properties; each is ready to print.
#[derive(Clone, Debug)]
pub struct Range {
    pub subtype: String,
    /// New in 14.
    pub multirange: Option<String>,
    /// Where it is not the subtype's default.
    pub operator_class: Option<String>,
    pub collation: Option<String>,
    pub canonical: Option<String>,
    pub difference: Option<String>,
}

/// A column of a composite type.
#[derive(Clone, Debug)]
pub struct Attribute {
    pub number: i32,
    pub name: String,
    pub type_name: String,
    pub collation: Option<String>,
}
