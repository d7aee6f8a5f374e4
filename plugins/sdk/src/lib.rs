//! What a plugin author depends on: the contract as idiomatic Rust.
//!
//! A plugin is one type that implements [`Operation`] and one line that exports it:
//!
//! ```
//! use orchestrator_sdk::{Error, Operation, postgres, run};
//!
//! struct CountUsers;
//!
//! #[derive(serde::Deserialize)]
//! struct Parameters {
//!     database: String,
//! }
//!
//! impl Operation for CountUsers {
//!     type Parameters = Parameters;
//!
//!     fn execute(parameters: Parameters, _dry_run: bool) -> Result<serde_json::Value, Error> {
//!         let connection = postgres::connect(&parameters.database, postgres::Target::Database)?;
//!         let users: i64 = connection.query_one(r#"SELECT count(*) FROM "User""#, &[])?.get("count")?;
//!         run::info(&format!("{users} users"));
//!         Ok(serde_json::json!({ "users": users }))
//!     }
//! }
//!
//! orchestrator_sdk::export!(CountUsers);
//! ```
//!
//! The crate is a `cdylib` with a `plugin.toml` beside its `Cargo.toml`; `orchestrator plugin build` makes the component.
//! On any target but wasm32 the host's functions panic, so unit tests cover what a plugin decides, not what it calls;
//! for the latter there is the module `testing`.

#[doc(hidden)]
#[allow(missing_docs, unsafe_code)]
pub mod bindings;
mod error;
pub mod files;
mod operation;
pub mod postgres;
pub mod random;
pub mod run;
pub mod seed;
pub mod snapshots;
pub mod storage;
pub mod streams;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod value;

pub use operation::Operation;
#[doc(hidden)]
pub use operation::answer;

pub use bindings::Request;
pub use bindings::orchestrator::plugin::types::{Column, Error, ErrorKind, RowBatch, Value};
pub use value::FromValue;
