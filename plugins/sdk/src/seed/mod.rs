//! Seeds: rows that are the same in every environment, written as often as one likes.
//!
//! A plugin that seeds is one type that implements [`Seed`] and one line that exports it:
//!
//! ```
//! use orchestrator_sdk::Error;
//! use orchestrator_sdk::seed::{Context, Seed, by};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Parameters {
//!     patients: u64,
//! }
//!
//! #[derive(Serialize)]
//! struct User {
//!     email: String,
//!     name: String,
//! }
//!
//! struct Patients;
//!
//! impl Seed for Patients {
//!     type Parameters = Parameters;
//!
//!     fn seed(context: &Context<Parameters>) -> Result<(), Error> {
//!         context.transaction(|tx| {
//!             let users = (0..context.parameters.patients).map(|number| User {
//!                 email: format!("patient{number}@example.com"),
//!                 name: context.random("User", "name", number).pick(&["Ada", "Grace"]).to_string(),
//!             });
//!             tx.table("User").key(["email"]).upsert(users)?;
//!             let booking = serde_json::json!({
//!                 "user": by([("email", "patient0@example.com")]), "queueId": 1, "tokenNo": 7,
//!             });
//!             tx.table("Appointment").key(["queueId", "tokenNo"]).upsert([booking])?;
//!             Ok(())
//!         })
//!     }
//! }
//!
//! orchestrator_sdk::export_seed!(Patients);
//! ```
//!
//! Its `plugin.toml` has a parameter of the kind `database`, named `database`.

mod blame;
mod bulk;
mod changes;
mod context;
mod numbers;
mod relation;
mod shape;
mod staged;
mod statement;
mod table;
mod transaction;

pub use bulk::Bulk;
pub use changes::{Change, Changes, ColumnChange, RowChange, Written};
pub use context::{Context, Seed, by};
#[doc(hidden)]
pub use context::{Plugin, SeedParameters};
pub use numbers::Numbers;
pub use relation::{Column, Reference, Relation};
pub use shape::Row;
pub use table::Table;
pub use transaction::Transaction;
