//! A run from its first step to its record: what a job means, in which order, with whose consent, and how it ends.

mod log_table;
mod parameters;
mod plan;
mod prepare;
mod project;
mod recovery;
mod rollback;
mod rules;
mod run;
mod run_roles;
mod step;

pub use log_table::share_log;
pub use plan::StepRequest;
pub use project::{Project, open_storage, register_url};
pub use recovery::{Recovered, recover};
pub use rules::Consent;
pub use run::{Observer, RunOutcome, RunRequest, Silent, run, skip};
