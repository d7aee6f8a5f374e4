//! A new snapshot.

use orchestrator_sdk::snapshots::{self, ManagedServer, Snapshot};
use orchestrator_sdk::{Error, ErrorKind, run};
use serde_json::{Value, json};

use crate::Parameters;
use crate::naming;
use crate::verifying::{self, AVAILABLE, FAILED};
use crate::waiting::{self, Look};

pub fn create(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let server = snapshots::open(&parameters.database)?;
    run::phase("looking at the server");
    let found = server.describe()?;
    let kind = parameters.kind.as_deref().unwrap_or(naming::BY_HAND);
    let name = parameters
        .snapshot
        .clone()
        .unwrap_or_else(|| naming::name(&server.name(), kind, run::now(), &run::id()));
    if dry_run {
        return Ok(json!({ "id": name, "server": found.name, "status": found.status }));
    }
    if let Some(there) = server.get(&name)? {
        return Err(Error::new(
            ErrorKind::AlreadyExists,
            format!("there is a snapshot {name} already ({})", there.status),
        )
        .hint("choose another name, or let the run choose one"));
    }
    let tags = naming::of_snapshot(&name, kind);
    let begun = begin(&server, &name, &tags, parameters.timeout)?;
    tell(&begun)?;
    if !parameters.wait {
        return Ok(verifying::told(&begun));
    }
    let what = format!("the snapshot {name}");
    let hint = "it is still being made, and `orchestrator snapshot list` shows it; with a longer --timeout the run waits for it";
    let made = waiting::until(&what, parameters.timeout, hint, || {
        let found = server.get(&name)?;
        Ok(match found {
            None => Look::Never(Error::conflict(format!(
                "the snapshot {name} was deleted while it was being made"
            ))),
            Some(found) if found.status == AVAILABLE => Look::Done(found),
            Some(found) if FAILED.contains(&found.status.as_str()) => Look::Never(
                Error::conflict(format!("the snapshot {name} is {}", found.status))
                    .hint("the events of the server in the provider's console say why"),
            ),
            Some(found) => Look::Coming(match found.percent {
                Some(percent) => format!("{} ({percent} %)", found.status),
                None => found.status,
            }),
        })
    })?;
    tell(&made)?;
    Ok(verifying::told(&made))
}

/// Whatever comes after: somebody may want to find it, or to delete it.
fn tell(snapshot: &Snapshot) -> Result<(), Error> {
    run::fact("snapshot", &verifying::told(snapshot))
}

/// While the server is backed up by its provider, or is being changed, it takes no snapshot: then waits for it.
fn begin(
    server: &ManagedServer,
    name: &str,
    tags: &[(String, String)],
    timeout: u32,
) -> Result<Snapshot, Error> {
    let what = format!("the server {}", server.name());
    let hint =
        "something else keeps the server busy: look at it in the provider's console, and try again";
    waiting::until(&what, timeout, hint, || {
        let status = server.describe()?.status;
        if is_over(&status) {
            return Ok(Look::Never(
                Error::conflict(format!("{what} is {status}, and takes no snapshot"))
                    .hint("start it, or bring it back to `available`, first"),
            ));
        }
        if status != AVAILABLE {
            return Ok(Look::Coming(status));
        }
        match server.create(name, tags) {
            Ok(begun) => Ok(Look::Done(begun)),
            // Between the look and the request something else began.
            Err(error) if error.kind == ErrorKind::Conflict => Ok(Look::Coming(error.message)),
            // Begun by a request whose answer was lost.
            Err(error) if error.kind == ErrorKind::AlreadyExists => match server.get(name)? {
                Some(found) if naming::is_ours(&found) => Ok(Look::Done(found)),
                _ => Err(error),
            },
            Err(error) => Err(error),
        }
    })
}

/// Statuses that do not pass by themselves.
fn is_over(status: &str) -> bool {
    matches!(
        status,
        "stopped"
            | "stopping"
            | "deleting"
            | "delete-precheck"
            | "failed"
            | "restore-error"
            | "inaccessible-encryption-credentials"
            | "inaccessible-encryption-credentials-recoverable"
            | "incompatible-network"
            | "incompatible-option-group"
            | "incompatible-parameters"
            | "incompatible-restore"
            | "insufficient-capacity"
            | "storage-full"
    )
}
