//! Snapshots that nobody needs any more.

use orchestrator_sdk::{Error, run, snapshots};
use serde_json::{Value, json};

use crate::Parameters;

pub fn delete(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let server = snapshots::open(&parameters.database)?;
    if parameters.snapshots.is_empty() {
        return Err(Error::invalid_input("no snapshot is named")
            .hint("name them by the parameter `snapshots`"));
    }
    // All of them are looked at before the first is gone.
    for name in &parameters.snapshots {
        let found = server.get(name)?.ok_or_else(|| {
            Error::not_found(format!(
                "the server {} has no snapshot {name}",
                server.name()
            ))
            .hint("`orchestrator snapshot list` shows what there is")
        })?;
        if found.automatic {
            return Err(Error::refused(format!(
                "the snapshot {name} is one of the provider's own schedule, which deletes it too"
            )));
        }
    }
    if !dry_run {
        for name in &parameters.snapshots {
            run::phase(&format!("deleting {name}"));
            server.delete(name)?;
        }
        let names = parameters.snapshots.join(", ");
        run::fact("change", &format!("Deleted the snapshots {names}"))?;
    }
    Ok(json!({ "server": server.name(), "deleted": parameters.snapshots }))
}
