//! Logical replication: pg_publication and what it publishes, pg_subscription.

use super::Header;

/// A publication.
#[derive(Clone, Debug)]
pub struct Publication {
    pub header: Header,
    pub all_tables: bool,
    /// insert, update, delete, truncate.
    pub operations: Vec<String>,
    pub via_root: bool,
    /// Stored generated columns, too (18).
    pub generated_columns: bool,
}

/// A table of a publication. The header's name and schema are the table's.
#[derive(Clone, Debug)]
pub struct PublishedTable {
    pub header: Header,
    /// Where they stand in the catalog.
    pub publication: usize,
    pub table: usize,
    /// Empty for all.
    pub columns: Vec<String>,
    pub condition: Option<String>,
}

/// A schema of a publication (15). The header's name is the schema's.
#[derive(Clone, Debug)]
pub struct PublishedSchema {
    pub header: Header,
    /// Where it stands in the catalog.
    pub publication: usize,
}

/// A subscription.
#[derive(Clone, Debug)]
pub struct Subscription {
    pub header: Header,
    /// With a password, as the server keeps it.
    pub connection: String,
    pub publications: Vec<String>,
    pub slot: Option<String>,
    pub binary: bool,
    /// pg_subscription.substream: t, f, p (16); the flag of 14 and 15 is read as t or f; a space in 13.
    pub streaming: char,
    pub two_phase: bool,
    pub disable_on_error: bool,
    pub password_required: bool,
    pub run_as_owner: bool,
    pub failover: bool,
    pub synchronous_commit: String,
    pub origin: String,
}
