//! How a role goes again: with its sessions, its rights, and all that it has made.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
use tracing::debug;

use super::{
    BETWEEN_TRIES, Maker, PATIENCE, PREFIX, RunRoleError, WAIT_FOR_LOCKS, is_overtaken, quoted,
};
use crate::database::{ConnectionSettings, DatabaseError, connect};

/// How often a session that was ended is looked for.
const LOOKS: usize = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(25);

/// Drops a role by a connection to the database that it was made for; says whether there was one.
pub async fn drop_run_role(
    operator: &ConnectionSettings,
    name: &str,
) -> Result<bool, DatabaseError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match try_drop(operator, name).await {
            Err(error) if passes(&error) && Instant::now() < give_up => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            dropped => return dropped,
        }
    }
}

/// What goes by itself: others who change the same rights, a session that has just made something more (dependent_objects_still_exist).
fn passes(error: &DatabaseError) -> bool {
    is_overtaken(error) || error.sqlstate() == Some("2BP01")
}

async fn try_drop(operator: &ConnectionSettings, name: &str) -> Result<bool, DatabaseError> {
    let connection = connect(operator, "orchestrator").await?;
    let client = &connection.client;
    client
        .batch_execute(&format!("SET {WAIT_FOR_LOCKS}"))
        .await?;
    let role = quoted(name);
    let row = client
        .query_opt(
            "SELECT oid, pg_catalog.pg_has_role(current_user, oid, 'USAGE') FROM pg_catalog.pg_roles WHERE rolname = $1",
            &[&name],
        )
        .await?;
    let Some(row) = row else {
        return Ok(false);
    };
    let (oid, is_member): (u32, bool) = (row.try_get(0)?, row.try_get(1)?);
    if !is_member {
        // Somebody else has made it. Where that is not allowed, the server says so here.
        let maker = Maker::ask(client).await.map_err(database_error)?;
        if let Some(membership) = maker.membership(&role) {
            client.batch_execute(&membership).await?;
        }
    }
    client
        .batch_execute(&format!("ALTER ROLE {role} NOLOGIN"))
        .await?;
    end_sessions(client, oid).await?;
    client
        .batch_execute(&format!("DROP OWNED BY {role}"))
        .await?;
    // A session may have got into another database too, by way of an extension such as dblink, and left something there.
    let elsewhere = client
        .query(
            "SELECT DISTINCT b.datname::text FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_database b ON b.oid = d.dbid \
             WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.refobjid = $1 \
               AND b.datname <> pg_catalog.current_database()",
            &[&oid],
        )
        .await?;
    for database in elsewhere {
        let there = connect(
            &operator.with_database(database.try_get(0)?),
            "orchestrator",
        )
        .await?;
        there
            .client
            .batch_execute(&format!("DROP OWNED BY {role}"))
            .await?;
    }
    client
        .batch_execute(&format!("DROP ROLE IF EXISTS {role}"))
        .await?;
    Ok(true)
}

async fn end_sessions(client: &Client, role: u32) -> Result<(), DatabaseError> {
    for _ in 0..LOOKS {
        let ended = client
            .execute(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usesysid = $1",
                &[&role],
            )
            .await?;
        if ended == 0 {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(())
}

/// Drops roles whose time is over: their steps have ended long since, and whoever should have dropped them has lost its journal.
pub(super) async fn sweep(operator: &ConnectionSettings, client: &Client) {
    let expired = client
        .query(
            &format!(
                "SELECT rolname::text FROM pg_catalog.pg_roles \
                 WHERE rolname ~ '^{PREFIX}[0-9a-f]{{12}}_[0-9]+$' AND rolvaliduntil < pg_catalog.now()"
            ),
            &[],
        )
        .await;
    let names = expired.and_then(|rows| {
        rows.iter()
            .map(|row| row.try_get(0))
            .collect::<Result<Vec<String>, _>>()
    });
    match names {
        Ok(names) => {
            for name in names {
                match drop_run_role(operator, &name).await {
                    Ok(_) => debug!("dropped the expired role {name}"),
                    Err(error) => debug!("the expired role {name} could not be dropped: {error}"),
                }
            }
        }
        Err(error) => debug!("looking for expired roles: {error}"),
    }
}

fn database_error(error: RunRoleError) -> DatabaseError {
    match error {
        RunRoleError::Database(error) => error,
        other => DatabaseError::new(
            crate::database::DatabaseErrorKind::PermissionDenied,
            other.to_string(),
            "drop the role as a superuser: DROP OWNED BY, then DROP ROLE",
        ),
    }
}
