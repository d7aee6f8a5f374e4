//! Pins: snapshots that stay, whatever a policy says, until somebody takes the pin off.

use orchestrator_sdk::snapshots::{self, ManagedServer, Snapshot};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::Parameters;
use crate::naming;

/// Pins a snapshot; a pin that is there gets the new reason.
pub fn pin(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let (server, found) = named(parameters)?;
    let reason = parameters.reason.as_deref().unwrap_or_default();
    if reason.trim().is_empty() {
        return Err(Error::invalid_input("a pin without a reason")
            .hint("say by the parameter `reason` who needs the snapshot, and until when"));
    }
    if found.automatic {
        return Err(Error::refused(format!(
            "the snapshot {} is one of the provider's own schedule, which goes by no pin",
            found.name
        ))
        .hint("`orchestrator snapshot create` takes one that stays"));
    }
    if !dry_run {
        run::phase(&format!("pinning {}", found.name));
        server.pin(&found.name, reason)?;
        run::fact(
            "change",
            &format!("Pinned the snapshot {}: {reason}", found.name),
        )?;
    }
    Ok(told(&server, &found, Some(reason)))
}

pub fn unpin(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let (server, found) = named(parameters)?;
    let Some(reason) = naming::pin(&found) else {
        return Err(
            Error::not_found(format!("the snapshot {} is not pinned", found.name))
                .hint("`orchestrator snapshot list` shows the pins"),
        );
    };
    if !dry_run {
        run::phase(&format!("taking the pin off {}", found.name));
        server.unpin(&found.name)?;
        run::fact(
            "change",
            &format!(
                "Took the pin off the snapshot {}, which said: {reason}",
                found.name
            ),
        )?;
    }
    Ok(told(&server, &found, None))
}

/// `Refused` when it is pinned.
pub fn check_free(snapshot: &Snapshot) -> Result<(), Error> {
    let Some(reason) = naming::pin(snapshot) else {
        return Ok(());
    };
    let why = match reason {
        "" => String::new(),
        _ => format!(": {reason}"),
    };
    Err(
        Error::refused(format!("the snapshot {} is pinned{why}", snapshot.name))
            .hint("`orchestrator snapshot unpin` takes the pin off"),
    )
}

fn named(parameters: &Parameters) -> Result<(ManagedServer, Snapshot), Error> {
    let server = snapshots::open(&parameters.database)?;
    let name = parameters.snapshot.as_deref().ok_or_else(|| {
        Error::invalid_input("no snapshot is named").hint("name it by the parameter `snapshot`")
    })?;
    let found = server
        .get(name)?
        .ok_or_else(|| naming::missing(&server.name(), name))?;
    Ok((server, found))
}

fn told(server: &ManagedServer, snapshot: &Snapshot, pinned: Option<&str>) -> Value {
    json!({ "id": snapshot.name, "server": server.name(), "pinned": pinned })
}
