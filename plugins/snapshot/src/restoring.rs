//! Another server, as this one was.

use archive::civil_time::CivilTime;
use orchestrator_sdk::snapshots::{self, ManagedServer, Origin, Server, Settings};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::Parameters;
use crate::naming;
use crate::verifying::{self, AVAILABLE};
use crate::waiting::{self, Look};

pub fn restore(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let server = snapshots::open(&parameters.database)?;
    let name = parameters.server.as_deref().ok_or_else(|| {
        Error::invalid_input("the new server has no name").hint(
            "a provider restores beside the old server: name the new one by the parameter `server`",
        )
    })?;
    if name == server.name() {
        return Err(
            Error::invalid_input(format!("the server {name} is the one that is restored"))
                .hint("a provider restores beside the old server: choose another name"),
        );
    }
    let (origin, described) = origin(&server, parameters)?;
    if dry_run {
        return Ok(json!({ "server": name, "from": described }));
    }
    run::phase("asking for the new server");
    let settings = Settings {
        class: parameters.class.clone(),
        subnet_group: parameters.subnet_group.clone(),
        security_groups: parameters.security_groups.clone(),
        parameter_group: parameters.parameter_group.clone(),
    };
    let begun = server.restore(&origin, name, &settings, &naming::tags("restore"))?;
    run::fact(
        "change",
        &format!("The server {name} was made from {described}"),
    )?;
    if !parameters.wait {
        return Ok(told(&begun, &described));
    }
    let what = format!("the server {name}");
    let hint = "it is still being made: look at it in the provider's console; a longer --timeout waits for it";
    let made = waiting::until(&what, parameters.timeout, hint, || {
        let found = server.restored(name)?;
        Ok(match found.status.as_str() {
            AVAILABLE => Look::Done(found),
            "failed" | "restore-error" | "incompatible-restore" | "incompatible-network"
            | "incompatible-parameters" | "incompatible-option-group" | "insufficient-capacity"
            | "deleting" => Look::Never(
                Error::conflict(format!("the server {name} is {}", found.status)).hint(
                    "its events in the provider's console say why; delete it there when it is of no use",
                ),
            ),
            status => Look::Coming(status.to_owned()),
        })
    })?;
    Ok(told(&made, &described))
}

/// What is asked for, and in words; with neither a snapshot nor a moment given, the newest whole snapshot.
fn origin(server: &ManagedServer, parameters: &Parameters) -> Result<(Origin, String), Error> {
    match (parameters.snapshot.as_deref(), parameters.at.as_deref()) {
        (Some(_), Some(_)) => Err(Error::invalid_input(
            "both a snapshot and a moment are given",
        )),
        (None, Some("latest")) => Ok((
            Origin::Latest,
            format!("the newest moment of {}", server.name()),
        )),
        (None, Some(at)) => {
            let time: Option<CivilTime> = at.parse().ok();
            let time = time.and_then(|time| u64::try_from(time.unix_seconds()).ok());
            let time = time.ok_or_else(|| {
                Error::invalid_input(format!("{at:?} is no moment"))
                    .hint("write it as 2026-01-17T02:00:00Z, or latest")
            })?;
            Ok((
                Origin::PointInTime(time * 1_000),
                format!("the moment {at} of {}", server.name()),
            ))
        }
        (Some(name), None) => {
            let found = server
                .get(name)?
                .ok_or_else(|| naming::missing(&server.name(), name))?;
            if found.status != AVAILABLE {
                return Err(Error::conflict(format!(
                    "the snapshot {name} is {}, not available",
                    found.status
                )));
            }
            Ok((
                Origin::Snapshot(name.to_owned()),
                format!("the snapshot {name}"),
            ))
        }
        (None, None) => {
            let all = server.list()?;
            let newest = all.into_iter().find(|found| found.status == AVAILABLE);
            let newest = newest.ok_or_else(|| {
                Error::not_found(format!(
                    "the server {} has no whole snapshot",
                    server.name()
                ))
                .hint("restore a moment: --at latest")
            })?;
            let described = format!("the snapshot {}", newest.name);
            Ok((Origin::Snapshot(newest.name), described))
        }
    }
}

fn told(server: &Server, from: &str) -> Value {
    json!({
        "server": server.name,
        "status": server.status,
        "host": server.host,
        "port": server.port,
        "engine": server.engine,
        "version": server.version,
        "from": from,
        "latest_restorable": server.latest_restorable.map(verifying::time),
    })
}
