//! Scratch databases: names that no other program takes, and how they go again.

use std::time::{Duration, Instant};

use tokio_postgres::Client;
use uuid::Uuid;

use super::{ConnectionSettings, DatabaseError, connect};

/// Of an identifier, as PostgreSQL cuts it.
const NAME_BYTES_MAX: usize = 63;

/// How often a session that was ended is looked for.
const LOOKS: usize = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How long a database that cannot be dropped yet is tried again, and how often.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_TRIES: Duration = Duration::from_millis(250);

/// `app_scratch_` and random digits: recognisable beside the database that it is for, and never taken by somebody else.
pub fn scratch_name(database: &str, run: Uuid, number: usize) -> String {
    let bytes = run.as_bytes();
    let random = hex::encode(&bytes[8..14]);
    let suffix = match number {
        0 => format!("_scratch_{random}"),
        number => format!("_scratch_{random}_{number}"),
    };
    let mut end = database.len().min(NAME_BYTES_MAX - suffix.len());
    while !database.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &database[..end])
}

/// Drops a database by a connection to another one of its server; says whether there was one. A session whose statement has failed
/// tells so before it lets go of its locks: what is in the way may go by itself.
pub async fn drop_scratch(
    maintenance: &ConnectionSettings,
    name: &str,
) -> Result<bool, DatabaseError> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match try_drop(maintenance, name).await {
            Err(error) if passes(&error) && Instant::now() < give_up => {
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
            dropped => return dropped,
        }
    }
}

/// What others end by themselves: a full table of locks (out_of_memory), and sessions of a database that is to be dropped
/// (object_in_use).
fn passes(error: &DatabaseError) -> bool {
    matches!(error.sqlstate(), Some("53200" | "55006"))
}

/// A session that is just creating it (its program was killed, and the server does not know) is ended first.
async fn try_drop(maintenance: &ConnectionSettings, name: &str) -> Result<bool, DatabaseError> {
    let connection = connect(maintenance, "orchestrator").await?;
    let client = &connection.client;
    let quoted = format!("\"{}\"", name.replace('"', "\"\""));
    for _ in 0..LOOKS {
        let creating = client
            .execute(
                "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
                 WHERE pid <> pg_catalog.pg_backend_pid() AND state <> 'idle' AND pg_catalog.strpos(query, $1) > 0",
                &[&quoted],
            )
            .await?;
        if creating == 0 {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    let there = client
        .query_opt(
            "SELECT FROM pg_catalog.pg_database WHERE datname = $1",
            &[&name],
        )
        .await?
        .is_some();
    if there {
        drop_subscriptions(client, &maintenance.with_database(name)).await?;
        client
            .batch_execute(&format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)"))
            .await?;
    }
    Ok(there)
}

/// A database with subscriptions cannot be dropped. They lose their slots first: those of another server are nothing that a copy of them
/// may touch.
async fn drop_subscriptions(
    client: &Client,
    database: &ConnectionSettings,
) -> Result<(), DatabaseError> {
    let of_database = "FROM pg_catalog.pg_subscription WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = $1)";
    let names = client
        .query(
            &format!("SELECT pg_catalog.quote_ident(subname) {of_database}"),
            &[&database.database],
        )
        .await?;
    if names.is_empty() {
        return Ok(());
    }
    let connection = connect(database, "orchestrator").await?;
    for name in names {
        let name: String = name.get(0);
        let alter = format!("ALTER SUBSCRIPTION {name}");
        let sql =
            format!("{alter} DISABLE; {alter} SET (slot_name = NONE); DROP SUBSCRIPTION {name}");
        connection.client.batch_execute(&sql).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        let run = Uuid::now_v7();
        let short = scratch_name("app", run, 0);
        assert!(
            short.starts_with("app_scratch_") && short.len() == 24,
            "{short}"
        );
        assert_ne!(short, scratch_name("app", run, 1));
        let long = scratch_name(&"ä".repeat(31), run, 11);
        assert!(
            long.len() <= NAME_BYTES_MAX && long.contains("ä_scratch_"),
            "{long}"
        );
    }
}
