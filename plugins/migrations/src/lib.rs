//! Migrations as Prisma keeps them: a folder each with a `migration.sql`, and a history in the table `_prisma_migrations`. What is in
//! a folder and in a history goes in, and what is to be done comes out: no I/O, no clock.

pub mod checksum;
pub mod edits;
pub mod folder;
pub mod history;
pub mod notes;
pub mod plan;
pub mod state;

pub use folder::{Folder, Migration};
pub use history::Row;
pub use notes::Notes;
pub use plan::{Options, OutOfOrder, Refusal, plan};
pub use state::{Standing, State};
