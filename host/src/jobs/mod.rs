//! A run from its first step to its record: what a job means, in which order, with whose consent, and how it ends.

mod consent;
mod created_databases;
mod parameters;
mod plan;
mod project;
mod recovery;
mod run;

pub use consent::Consent;
pub use plan::StepRequest;
pub use project::{Project, open_storage};
pub use recovery::{Recovered, recover};
pub use run::{Observer, RunOutcome, RunRequest, run};
