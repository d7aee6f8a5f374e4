//! The advisory lock that keeps deployments apart, ours and Prisma's. It belongs to the session and ends with it.

use migrations::history::LOCK_KEY;
use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::{Error, ErrorKind, Value, run};

use crate::session::Session;

/// Between two attempts: a blocking request would hold a transaction open, and CREATE INDEX CONCURRENTLY would wait for it for ever.
const PAUSE_MS: u32 = 200;

/// Takes the lock, or says who has it.
pub fn take(connection: &Connection, wait_seconds: u32) -> Result<(), Error> {
    let began = run::now();
    let mut told = false;
    loop {
        let row = connection.query_one(
            "SELECT pg_catalog.pg_try_advisory_lock($1::bigint) AS taken",
            &[Value::Integer(LOCK_KEY)],
        )?;
        if row.get("taken")? {
            return Ok(());
        }
        let waited = run::now().saturating_sub(began);
        if waited >= u64::from(wait_seconds) * 1000 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!(
                    "another deployment holds the lock: {} (P1002)",
                    held_by(connection)?
                ),
            )
            .hint("wait until it has ended, or let this one wait longer: --lock-wait SECONDS"));
        }
        if !told {
            run::info(&format!("waiting for {}", held_by(connection)?));
            run::phase("waiting for another deployment");
            told = true;
        }
        run::sleep(PAUSE_MS)?;
    }
}

fn held_by(connection: &Connection) -> Result<String, Error> {
    let holder = holder(connection)?;
    Ok(holder.unwrap_or_else(|| "somebody who has let it go since".to_owned()))
}

/// Who has it, in words.
pub fn holder(session: &impl Session) -> Result<Option<String>, Error> {
    let holder = session
        .query(
            "SELECT l.pid, coalesce(a.application_name, '') AS application, coalesce(a.usename::text, '') AS role, \
             coalesce(a.backend_start::text, '') AS since FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
             WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 0 AND l.objid = $1::bigint::oid AND l.objsubid = 1 \
             AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) LIMIT 1",
            &[Value::Integer(LOCK_KEY)],
        )?
        .first()?;
    let Some(row) = holder else {
        return Ok(None);
    };
    Ok(Some(format!(
        "process {} (application {:?}, role {:?}, connected since {})",
        row.get::<i32>("pid")?,
        row.get::<&str>("application")?,
        row.get::<&str>("role")?,
        row.get::<&str>("since")?,
    )))
}
