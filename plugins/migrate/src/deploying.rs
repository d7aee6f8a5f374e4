//! Applies what is pending.

use history::{refused, session};
use migrations::Notes;
use migrations::plan::{self, Options};
use orchestrator_sdk::{Error, run};
use serde_json::{Value, json};

use crate::applying::{Applied, Applier};
use crate::opening::Opened;
use crate::{Parameters, checking, originals, scripts};

/// The whole of it.
pub fn deploy(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    run::phase("reading migrations");
    let Opened {
        folder,
        connection,
        database,
        history,
        state,
        ..
    } = Opened::open(parameters)?;
    let options = Options {
        edits: originals::edits(&connection, &folder, &state)?,
        ..options(parameters)?
    };
    let plan = plan::plan(&folder, &state, database, &options).map_err(refused)?;
    for warning in &plan.warnings {
        run::warn(warning);
    }
    // Every script is read before the first one is run: what cannot be one stops everything.
    let mut wanted = Vec::with_capacity(plan.apply.len());
    for name in &plan.apply {
        let Some(migration) = folder.find(name) else {
            continue;
        };
        let text = migration.script.as_deref().unwrap_or_default();
        wanted.push((
            migration,
            scripts::read(&format!("{name}/migration.sql"), text)?,
            Notes::of(text),
        ));
    }
    if wanted.is_empty() {
        run::info("there is nothing to apply");
        return Ok(json!({ "applied": [], "downtime_ms": 0 }));
    }
    let watcher = session::connect(&parameters.database)?;
    let applier = Applier::new(&connection, &watcher, &history, parameters)?;
    if dry_run {
        let scripts: Vec<_> = wanted
            .into_iter()
            .map(|(migration, script, _)| (migration, script))
            .collect();
        let tried = applier.rehearse(&scripts)?;
        if let Some(why) = tried.iter().find_map(|each| each.not_tried.as_ref()) {
            run::warn(&format!("not tried from there on: {why}"));
        }
        return Ok(json!({ "would_apply": tried }));
    }
    if !database.has_history {
        history.create(&connection)?;
    }
    let mut applied: Vec<Applied> = Vec::with_capacity(wanted.len());
    for (migration, script, _) in &wanted {
        run::check_cancelled()?;
        run::phase(&format!(
            "applying {} of {}: {}",
            applied.len() + 1,
            wanted.len(),
            migration.name
        ));
        match applier.apply(migration, script) {
            Ok(done) => applied.push(done),
            Err(error) => {
                tell(&applied)?;
                return Err(failed(error, &migration.name, &applied));
            }
        }
    }
    tell(&applied)?;
    originals::keep(
        &connection,
        wanted
            .iter()
            .filter_map(|(migration, _, _)| migration.script.as_deref()),
    );
    let notes = wanted.iter().map(|(_, _, notes)| notes);
    let changes: Vec<&str> = notes
        .clone()
        .filter_map(|notes| notes.change.as_deref())
        .collect();
    if !changes.is_empty() {
        run::fact("change", &changes.join("; "))?;
    }
    // The newest is taken back first.
    let rollbacks: Vec<&str> = notes
        .clone()
        .rev()
        .filter_map(|notes| notes.rollback.as_deref())
        .collect();
    if !rollbacks.is_empty() {
        run::fact("rollback-plan", &rollbacks.join("; "))?;
    }
    run::phase("verifying");
    let verified = checking::verify(&connection, notes)?;
    let afterwards = checking::afterwards(&connection)?;
    let wrong: Vec<&str> = verified
        .iter()
        .filter(|query| !query.ok)
        .map(|query| query.sql.as_str())
        .collect();
    if !wrong.is_empty() {
        return Err(Error::conflict(format!(
            "all migrations are applied, and what they name to be verified is not so: {}",
            wrong.join("; ")
        )));
    }
    let downtime: u64 = applied
        .iter()
        .map(|each| each.downtime_ms)
        .max()
        .unwrap_or(0);
    Ok(json!({
        "applied": applied,
        "downtime_ms": downtime,
        "verified": verified,
        "afterwards": afterwards,
    }))
}

fn options(parameters: &Parameters) -> Result<Options, Error> {
    Ok(Options {
        to: parameters.to.clone(),
        out_of_order: history::out_of_order(&parameters.out_of_order)?,
        may_be_edited: parameters.allow_edited.clone(),
        comments_may_be_edited: parameters.allow_comment_edits,
        ..Options::default()
    })
}

/// What the deployment log shows.
fn tell(applied: &[Applied]) -> Result<(), Error> {
    if applied.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = applied.iter().map(|each| each.name.as_str()).collect();
    run::fact("migrations", &names)?;
    let longest = applied.iter().map(|each| each.downtime_ms).max();
    run::fact(
        "downtime",
        &json!({ "seconds": longest.unwrap_or(0) as f64 / 1000.0 }),
    )
}

fn failed(error: Error, name: &str, applied: &[Applied]) -> Error {
    let before = match applied.len() {
        0 => "nothing was applied before it".to_owned(),
        1 => "one migration was applied before it".to_owned(),
        more => format!("{more} migrations were applied before it"),
    };
    let hint = format!(
        "{before}; when the cause is removed: `migrate resolve --rolled-back {name}`, then deploy again"
    );
    match (&error.sqlstate, &error.hint) {
        (Some(_), None) => error
            .hint(hint)
            .while_doing("a migration failed to apply (P3018)"),
        (Some(_), Some(_)) => error.while_doing("a migration failed to apply (P3018)"),
        _ => error,
    }
}
