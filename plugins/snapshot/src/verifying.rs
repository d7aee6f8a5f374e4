//! Whether a snapshot is whole.

use archive::civil_time::CivilTime;
use orchestrator_sdk::snapshots::{self, Snapshot};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::Parameters;
use crate::naming;

/// The provider's word for what can be used.
pub const AVAILABLE: &str = "available";

/// And for snapshots that never will be.
pub const FAILED: [&str; 3] = ["failed", "deleting", "incompatible-restore"];

pub fn verify(parameters: &Parameters) -> Result<Value, Error> {
    let server = snapshots::open(&parameters.database)?;
    let name = parameters.snapshot.as_deref().ok_or_else(|| {
        Error::invalid_input("no snapshot is named").hint("name it by the parameter `snapshot`")
    })?;
    let found = server
        .get(name)?
        .ok_or_else(|| naming::missing(&server.name(), name))?;
    if found.status != AVAILABLE {
        return Err(Error::conflict(format!(
            "the snapshot {name} is {}, not available",
            found.status
        )));
    }
    let told = told(&found);
    run::fact("snapshot", &told)?;
    Ok(told)
}

/// For the report and for --output json.
pub fn told(snapshot: &Snapshot) -> Value {
    json!({
        "id": snapshot.name,
        "server": snapshot.server,
        "status": snapshot.status,
        "created": snapshot.created.map(time),
        "gibibytes": snapshot.gibibytes,
        "engine": snapshot.engine,
        "version": snapshot.version,
        "encrypted": snapshot.encrypted,
    })
}

/// `2026-01-17T02:00:00Z`
pub fn time(unix_ms: u64) -> String {
    CivilTime::from_unix_ms(unix_ms).to_string()
}
