//! The database itself: pg_database and its settings.

use super::{Access, Name};

/// A row of pg_database.
#[derive(Clone, Debug)]
pub struct Database {
    pub oid: u32,
    pub name: String,
    pub owner: Name,
    pub access: Access,
    pub encoding: String,
    pub collate: String,
    pub ctype: String,
    /// pg_database.datlocprovider: b, c or i.
    pub locale_provider: char,
    pub locale: Option<String>,
    pub icu_rules: Option<String>,
    pub tablespace: String,
    pub is_template: bool,
    pub connection_limit: i32,
    pub comment: Option<String>,
    /// Role (none for every role) and `name=value`: ALTER DATABASE/ROLE ... SET.
    pub settings: Vec<(Option<String>, String)>,
}
