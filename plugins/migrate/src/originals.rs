//! The scripts as they were applied, kept in the database: so that what somebody has edited later can be told, not only that.

use std::collections::BTreeMap;

use migrations::edits::{Edit, compare};
use migrations::{Folder, Standing, State, checksum};
use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::{Error, run};
use serde_json::json;

const TABLE: &str = "orchestrator.migration_script";

/// What crosses to the server at once, in bytes.
const BATCH: usize = 1 << 20;

/// Keeps scripts by their checksums. Where the role may not, edits are told without what was edited.
pub fn keep<'a>(connection: &Connection, scripts: impl Iterator<Item = &'a str>) {
    if let Err(error) = store(connection, scripts) {
        run::debug(&format!("the scripts are not kept: {}", error.message));
    }
}

fn store<'a>(connection: &Connection, scripts: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    connection.execute("CREATE SCHEMA IF NOT EXISTS orchestrator", &[])?;
    connection.execute(
        &format!(
            "CREATE TABLE IF NOT EXISTS {TABLE} (checksum text PRIMARY KEY, script text NOT NULL, \
             kept_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now())"
        ),
        &[],
    )?;
    let sql = format!(
        "INSERT INTO {TABLE} (checksum, script) SELECT s.pair->>0, s.pair->>1 \
         FROM pg_catalog.json_array_elements($1::text::json) AS s (pair) ON CONFLICT DO NOTHING"
    );
    let mut batch = Vec::new();
    let mut bytes = 0;
    let flush = |batch: &mut Vec<_>| -> Result<(), Error> {
        if !batch.is_empty() {
            let pairs = json!(std::mem::take(batch)).to_string();
            connection.execute(&sql, &[pairs.as_str().into()])?;
        }
        Ok(())
    };
    for script in scripts {
        bytes += script.len();
        batch.push(json!([checksum::of(script), script]));
        if bytes > BATCH {
            flush(&mut batch)?;
            bytes = 0;
        }
    }
    flush(&mut batch)
}

/// What was done to the edited ones, as far as their scripts were kept.
pub fn edits(
    connection: &Connection,
    folder: &Folder,
    state: &State,
) -> Result<BTreeMap<String, Edit>, Error> {
    let mut edits = BTreeMap::new();
    let names = state.names(|standing| *standing == Standing::Edited);
    if names.is_empty() {
        return Ok(edits);
    }
    let there = connection.query_one(
        "SELECT pg_catalog.to_regclass($1) IS NOT NULL AS there",
        &[TABLE.into()],
    )?;
    if !there.get("there")? {
        return Ok(edits);
    }
    for name in names {
        let row = state
            .migrations
            .get(name)
            .and_then(|known| known.row.as_ref());
        let now = folder.find(name).and_then(|found| found.script.as_deref());
        let (Some(row), Some(now)) = (row, now) else {
            continue;
        };
        let kept = connection
            .query(
                &format!("SELECT script FROM {TABLE} WHERE checksum = $1"),
                &[row.checksum.as_str().into()],
            )?
            .first()?;
        if let Some(kept) = kept {
            edits.insert(name.to_owned(), compare(kept.get("script")?, now));
        }
    }
    Ok(edits)
}
