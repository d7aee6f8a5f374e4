//! Connections to PostgreSQL as libpq makes them: settings, passwords, TLS.
//!
//! ```text
//! URL or DSN ┐
//! service    ├─ parameters ─ settings ─ connection ── Client, CancelHandle
//! PG* env    ┘   (.pgpass)               (tls)          └ server_facts
//! ```
//!
//! Where this differs from libpq, it is stricter; each place says why.

mod attempt;
mod certificate;
mod connection;
mod connection_string;
mod driver;
mod error;
mod marker;
mod nearest;
mod parameters;
mod password_file;
mod pieces;
mod pooler;
mod process_environment;
mod run_role;
mod scratch;
mod server_facts;
mod service_file;
mod settings;
mod settings_builder;
mod tls;
mod unencrypted;
mod verification;

#[cfg(test)]
mod connection_tests;
#[cfg(test)]
mod settings_tests;
#[cfg(test)]
mod test_server;

pub use connection::{CancelHandle, Connection, connect};
pub use driver::End;
pub use error::{DatabaseError, DatabaseErrorKind, ServerReport};
/// What every server has, to create and drop other databases from.
pub const MAINTENANCE_DATABASE: &str = "postgres";

pub use marker::environment_marker;
pub(crate) use nearest::nearest;
pub use pooler::changes_sessions;
pub use process_environment::ProcessEnvironment;
pub use run_role::{
    RunRole, RunRoleError, RunRoleMaker, RunRoleOrder, drop_run_role, may_make_run_roles,
    run_role_name,
};
pub use scratch::{drop_scratch, scratch_name};
pub use server_facts::{ServerFacts, TlsFacts, inspect};
pub use settings::{
    ConnectionSettings, Endpoint, Host, Keepalives, RootCertificates, SettingsError, SslMode,
    TargetSessionAttributes, TlsSettings,
};
