//! Snapshots that nobody needs any more.

use orchestrator_sdk::snapshots::{self, ManagedServer};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::{Parameters, naming, pinning};

pub fn delete(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let server = snapshots::open(&parameters.database)?;
    if parameters.snapshots.is_empty() {
        return Err(Error::invalid_input("no snapshot is named")
            .hint("name them by the parameter `snapshots`"));
    }
    // All of them are looked at before the first is gone.
    for name in &parameters.snapshots {
        let found = server
            .get(name)?
            .ok_or_else(|| naming::missing(&server.name(), name))?;
        if found.automatic {
            return Err(Error::refused(format!(
                "the snapshot {name} is one of the provider's own schedule, which deletes it too"
            )));
        }
        pinning::check_free(&found)?;
    }
    if !dry_run {
        let names = parameters.snapshots.iter().map(String::as_str);
        delete_all(&server, names, IfPinned::Fails)?;
    }
    Ok(json!({ "server": server.name(), "deleted": parameters.snapshots }))
}

/// What becomes of a snapshot that was pinned after it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfPinned {
    /// It stays, and the others go.
    Stays,
    /// Nothing more is deleted: it was named.
    Fails,
}

/// Deletes them one after another, and gives those that were pinned meanwhile. However it ends, the run's record has what was deleted by
/// then.
pub fn delete_all<'a>(
    server: &ManagedServer,
    doomed: impl IntoIterator<Item = &'a str>,
    if_pinned: IfPinned,
) -> Result<Vec<&'a str>, Error> {
    let mut pinned_since = Vec::new();
    let mut gone = Vec::new();
    let result = doomed.into_iter().try_for_each(|name| {
        run::check_cancelled()?;
        let found = server.get(name)?;
        match (found.as_ref().map(pinning::check_free), if_pinned) {
            (Some(Err(pinned)), IfPinned::Fails) => return Err(pinned),
            (Some(Err(_)), IfPinned::Stays) => {
                run::warn(&format!(
                    "the snapshot {name} was pinned after the plan was made: it stays"
                ));
                pinned_since.push(name);
                return Ok(());
            }
            (Some(Ok(())) | None, _) => {}
        }
        run::phase(&format!("deleting {name}"));
        server.delete(name)?;
        gone.push(name);
        // Told again with each power of two, so that little is lost where the step is ended from outside, and little is told twice.
        match gone.len().is_power_of_two() {
            true => tell(&gone),
            false => Ok(()),
        }
    });
    let told = match gone.is_empty() {
        true => Ok(()),
        false => tell(&gone),
    };
    result.and(told).map(|()| pinned_since)
}

fn tell(gone: &[&str]) -> Result<(), Error> {
    run::fact(
        "change",
        &format!("Deleted the snapshots {}", gone.join(", ")),
    )
}
