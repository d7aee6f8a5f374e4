//! Privileges as catalogs store them: aclitem texts.

use super::Name;

/// Who may do what with an object.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The object's ACL; `None` is the default of its kind.
    pub acl: Option<Vec<String>>,
    /// `acldefault()` of its kind and owner; of the classes with many objects only where there is an ACL.
    pub default: Vec<String>,
}

/// The ACL of one column, on top of its table's.
#[derive(Clone, Debug)]
pub struct ColumnAccess {
    pub column: String,
    pub acl: Option<Vec<String>>,
    /// What CREATE EXTENSION or initdb granted.
    pub initial: Option<Vec<String>>,
}

/// One row of pg_default_acl: ALTER DEFAULT PRIVILEGES.
#[derive(Clone, Debug)]
pub struct DefaultAccess {
    pub oid: u32,
    pub role: Name,
    /// `None` for every schema.
    pub schema: Option<Name>,
    /// pg_default_acl.defaclobjtype, a letter as text.
    pub object_type: String,
    pub access: Access,
    pub dump: bool,
}
