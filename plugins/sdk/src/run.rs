//! The run that a plugin is a step of: its log, its facts, its clock.

pub use crate::bindings::orchestrator::plugin::run::{
    Level, cancelled, expect, host, id, log, now, phase, random, sleep, warn,
};

use serde::Serialize;

use crate::Error;
use crate::bindings::orchestrator::plugin::run as contract;

/// A line of the run's log for the one who looks closely.
pub fn debug(message: &str) {
    contract::log(Level::Debug, message);
}

/// A line of the run's log.
pub fn info(message: &str) {
    contract::log(Level::Info, message);
}

/// A fact for the report and the deployment log, under a key. The last one of a key stays.
pub fn fact(key: &str, value: &impl Serialize) -> Result<(), Error> {
    let json = serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("writing the fact `{key}` as JSON: {error}")))?;
    contract::fact(key, &json)
}

/// Fails with the kind `cancelled` when the run has been cancelled: for loops that call the host rarely.
pub fn check_cancelled() -> Result<(), Error> {
    if contract::cancelled() {
        return Err(Error::new(
            crate::ErrorKind::Cancelled,
            "the run was cancelled",
        ));
    }
    Ok(())
}
