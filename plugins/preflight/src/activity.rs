//! What others are doing just now: who waits long, and who holds what a migration wants.

use std::collections::BTreeSet;

use history::Session;
use orchestrator_sdk::{Error, Value};

use crate::check::Check;

/// Open transactions, sessions that hold tables of the pending migrations, prepared transactions, another deployment.
pub fn checks(
    session: &impl Session,
    long_seconds: u32,
    names_in_scripts: &BTreeSet<String>,
) -> Result<Vec<Check>, Error> {
    Ok(vec![
        deployments(session)?,
        long_transactions(session, long_seconds)?,
        blockers(session, names_in_scripts)?,
        prepared_transactions(session)?,
    ])
}

fn deployments(session: &impl Session) -> Result<Check, Error> {
    let name = "other deployments";
    Ok(match history::lock::holder(session)? {
        None => Check::ok(name, "none"),
        Some(holder) => Check::warn(
            name,
            format!("{holder} holds the lock"),
            "wait for it, or let this one wait: --lock-wait SECONDS",
        ),
    })
}

fn long_transactions(session: &impl Session, seconds: u32) -> Result<Check, Error> {
    let name = "long transactions";
    let found = session
        .query(
            "SELECT pg_catalog.format('process %s (%s, %s) for %s s', a.pid, coalesce(nullif(a.application_name, ''), a.usename::text, '?'), \
             coalesce(a.state, '?'), pg_catalog.round(extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start))) AS who \
             FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() \
             AND a.backend_type = 'client backend' AND a.xact_start < pg_catalog.clock_timestamp() - $1::bigint * interval '1 second' \
             ORDER BY a.xact_start",
            &[Value::Integer(seconds.into())],
        )?
        .map(|row| row.get::<String>("who"))?;
    Ok(match found.is_empty() {
        true => Check::ok(name, format!("none over {seconds} s")),
        false => Check::warn(
            name,
            found.join(", "),
            "end them, or wait: what they have read they hold, and CREATE INDEX CONCURRENTLY waits for all of them",
        ),
    })
}

/// Tables that the pending migrations speak of, in use by transactions that do nothing or have lasted a second.
fn blockers(session: &impl Session, names: &BTreeSet<String>) -> Result<Check, Error> {
    let name = "blockers";
    let rows = session
        .query(
            "SELECT DISTINCT c.relname::text AS relation, pg_catalog.format('process %s (%s) holds %I.%I', a.pid, \
             coalesce(nullif(a.application_name, ''), a.usename::text, '?'), n.nspname, c.relname) AS what \
             FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
             JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.locktype = 'relation' AND l.granted \
             AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) \
             AND c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND a.pid <> pg_catalog.pg_backend_pid() \
             AND (a.state LIKE 'idle in transaction%' OR a.xact_start < pg_catalog.clock_timestamp() - interval '1 second') ORDER BY 2",
            &[],
        )?
        .map(|row| Ok((row.get::<String>("relation")?, row.get::<String>("what")?)))?;
    let held: Vec<String> = rows
        .into_iter()
        .filter(|(relation, _)| names.contains(relation))
        .map(|(_, what)| what)
        .collect();
    Ok(match held.is_empty() {
        true => Check::ok(name, "nobody holds a table that the migrations speak of"),
        false => Check::warn(
            name,
            held.join(", "),
            "end these transactions, or the migration waits for them, and everybody else behind it",
        ),
    })
}

fn prepared_transactions(session: &impl Session) -> Result<Check, Error> {
    let name = "prepared transactions";
    let found = session
        .query(
            "SELECT pg_catalog.format('%L since %s', p.gid, p.prepared) AS what FROM pg_catalog.pg_prepared_xacts p \
             WHERE p.database = pg_catalog.current_database() ORDER BY p.prepared",
            &[],
        )?
        .map(|row| row.get::<String>("what"))?;
    Ok(match found.is_empty() {
        true => Check::ok(name, "none"),
        false => Check::warn(
            name,
            found.join(", "),
            "COMMIT PREPARED or ROLLBACK PREPARED: they hold their locks through restarts",
        ),
    })
}
