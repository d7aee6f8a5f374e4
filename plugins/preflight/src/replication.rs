//! Standbys and slots: who is behind, and who keeps WAL for nobody.

use history::Session;
use orchestrator_sdk::{Error, Value};

use crate::check::Check;

/// Lag of standbys, and slots that nobody reads.
pub fn checks(session: &impl Session, lag_seconds: u32) -> Result<Vec<Check>, Error> {
    Ok(vec![lag(session, lag_seconds)?, inactive_slots(session)?])
}

fn lag(session: &impl Session, seconds: u32) -> Result<Check, Error> {
    let name = "replication lag";
    let rows = session
        .query(
            "SELECT pg_catalog.format('%s: %s s', coalesce(nullif(r.application_name, ''), r.pid::text), \
             coalesce(pg_catalog.round(extract(epoch FROM r.replay_lag))::text, '0')) AS what, \
             coalesce(r.replay_lag > $1::bigint * interval '1 second', false) AS is_behind FROM pg_catalog.pg_stat_replication r ORDER BY 1",
            &[Value::Integer(seconds.into())],
        )?
        .map(|row| Ok((row.get::<String>("what")?, row.get::<bool>("is_behind")?)))?;
    let behind: Vec<&str> = rows
        .iter()
        .filter(|(_, is_behind)| *is_behind)
        .map(|(what, _)| what.as_str())
        .collect();
    Ok(match (behind.is_empty(), rows.is_empty()) {
        (true, true) => Check::ok(name, "no standby"),
        (true, false) => Check::ok(
            name,
            format!("{} standbys, none over {seconds} s", rows.len()),
        ),
        (false, _) => Check::warn(
            name,
            behind.join(", "),
            "wait until they have caught up: readers there will not see the new schema before",
        ),
    })
}

fn inactive_slots(session: &impl Session) -> Result<Check, Error> {
    let name = "replication slots";
    let found = session
        .query(
            "SELECT pg_catalog.format('%s keeps %s of WAL', s.slot_name, pg_catalog.pg_size_pretty(CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL \
             ELSE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) END)) AS what \
             FROM pg_catalog.pg_replication_slots s WHERE NOT s.active AND NOT s.temporary ORDER BY s.slot_name",
            &[],
        )?
        .map(|row| row.get::<String>("what"))?;
    Ok(match found.is_empty() {
        true => Check::ok(name, "none that nobody reads"),
        false => Check::warn(
            name,
            found.join(", "),
            "drop them or bring their readers back: a migration that rewrites tables makes much WAL, and they keep all of it",
        ),
    })
}
