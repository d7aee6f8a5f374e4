//! Takes migrations back by their down.sql, the newest first.

use history::{refused, session};
use migrations::plan;
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::applying::{Applied, Applier};
use crate::opening::Opened;
use crate::{Parameters, scripts};

/// The newest one, or all after the one that is to stay.
pub fn down(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    let Opened {
        folder,
        connection,
        history,
        state,
        ..
    } = Opened::open(parameters)?;
    let names = plan::down(&folder, &state, parameters.to.as_deref()).map_err(refused)?;
    let mut wanted = Vec::with_capacity(names.len());
    for name in &names {
        let Some(migration) = folder.find(name) else {
            continue;
        };
        let text = migration.down.as_deref().unwrap_or_default();
        let script = scripts::read(&format!("{name}/down.sql"), text)?;
        if let Some(why) = &script.apart {
            return Err(Error::invalid_input(format!(
                "{}: {why} cannot be in the transaction that takes a migration back",
                script.path
            ))
            .hint("run it by hand before or after; then `migrate resolve` or another down.sql says so"));
        }
        wanted.push((migration, script));
    }
    let watcher = session::connect(&parameters.database)?;
    let applier = Applier::new(&connection, &watcher, &history, parameters)?;
    if dry_run {
        return Ok(json!({ "would_take_back": applier.rehearse(&wanted)? }));
    }
    let mut taken_back: Vec<Applied> = Vec::with_capacity(wanted.len());
    for (migration, script) in &wanted {
        run::check_cancelled()?;
        run::phase(&format!("taking back {}", migration.name));
        taken_back.push(applier.take_back(&migration.name, script)?);
        let names: Vec<&str> = taken_back.iter().map(|each| each.name.as_str()).collect();
        run::fact("change", &format!("Taken back: {}", names.join(", ")))?;
        let longest = taken_back.iter().map(|each| each.downtime_ms).max();
        run::fact(
            "downtime",
            &json!({ "seconds": longest.unwrap_or(0) as f64 / 1000.0 }),
        )?;
    }
    Ok(json!({ "taken_back": taken_back }))
}
