//! Migrations as plugins come by them: the folder through the host's files, the history through its connections. What is to be made
//! of both is decided by the crate `migrations`.

pub mod folder;
pub mod lock;
pub mod session;
pub mod table;

pub use session::Session;
pub use table::{History, look, new_id};

use migrations::OutOfOrder;
use orchestrator_sdk::Error;

/// What to do with a migration whose name comes before that of an applied one, as a parameter names it.
pub fn out_of_order(name: &str) -> Result<OutOfOrder, Error> {
    OutOfOrder::named(name).ok_or_else(|| {
        Error::invalid_input(format!(
            "the parameter out_of_order is {name:?}, not one of refuse, warn, allow"
        ))
    })
}

/// A refusal of the crate that decides, as a plugin reports it.
pub fn refused(refusal: migrations::Refusal) -> Error {
    let detail = match &refusal {
        migrations::Refusal::Failed {
            logs: Some(logs), ..
        } => Some(logs.clone()),
        _ => None,
    };
    Error {
        detail,
        ..Error::conflict(refusal.to_string()).hint(refusal.hint())
    }
}
