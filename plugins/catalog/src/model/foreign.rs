//! Foreign data: pg_foreign_data_wrapper, pg_foreign_server, pg_user_mapping.

use super::{Access, Header};

/// A foreign-data wrapper.
#[derive(Clone, Debug)]
pub struct ForeignDataWrapper {
    pub header: Header,
    pub access: Access,
    pub handler: Option<String>,
    pub validator: Option<String>,
    /// As the statement has them; may be empty.
    pub options: String,
}

/// A server, with those who log in to it.
#[derive(Clone, Debug)]
pub struct ForeignServer {
    pub header: Header,
    pub access: Access,
    pub wrapper: String,
    pub kind: Option<String>,
    pub version: Option<String>,
    pub options: String,
    pub mappings: Vec<UserMapping>,
}

/// How a role logs in to a server.
#[derive(Clone, Debug)]
pub struct UserMapping {
    /// `public` for all.
    pub user: String,
    /// With passwords, as the server keeps them.
    pub options: String,
}
