//! How much a database grows while a plugin that is not built in is connected to it.
//!
//! PostgreSQL bounds the files that sorts spill (`temp_file_limit`), and neither tables nor temporary tables; other sessions do not even
//! see those that a transaction has just made. Their files are seen from outside: the size of the database's folders.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::context::Stop;
use crate::database::{self, Connection, ConnectionSettings, DatabaseError};
use crate::failure::{Failure, FailureKind};

/// How often it is looked at, where looking takes no time.
const INTERVAL: Duration = Duration::from_secs(1);
/// Looking opens the folders of the database: it takes no more than a twentieth of the time.
const SHARE: u32 = 20;
/// A server that restarts is waited for as long as a plugin's own connection waits.
const PATIENCE: Duration = Duration::from_secs(30);
/// A plugin may end the sessions of its role, this one too; more of that is no accident.
const LOSSES_MAX: u32 = 5;

/// Looks until it is dropped.
pub(super) struct Watcher(JoinHandle<()>);

impl Drop for Watcher {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A look at one database.
struct Gauge {
    settings: ConnectionSettings,
    connection: Option<Connection>,
    losses: u32,
}

/// Takes the size as it is now, and stops the step when it has grown by more than `limit` bytes. `binding` names the database.
pub(super) async fn watch(
    settings: ConnectionSettings,
    binding: &str,
    limit: u64,
    stop: Stop,
) -> Result<Watcher, Failure> {
    let mut gauge = Gauge {
        settings,
        connection: None,
        losses: 0,
    };
    let before = gauge.bytes().await?;
    let binding = binding.to_owned();
    Ok(Watcher(tokio::spawn(async move {
        loop {
            let began = Instant::now();
            match gauge.bytes_in_the_end().await {
                Ok(bytes) if bytes.saturating_sub(before) <= limit => {}
                Ok(_) => return stop.exceeded(grown(&binding, limit)),
                Err(error) => return stop.exceeded(unseen(&binding, &error)),
            }
            tokio::time::sleep(INTERVAL.max(began.elapsed() * SHARE)).await;
        }
    })))
}

impl Gauge {
    /// Tables of all kinds, temporary ones too; and what sorts have spilled, where the role may see it.
    async fn bytes(&mut self) -> Result<u64, DatabaseError> {
        const SIZE: &str = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";
        const MAY_SEE_SPILLED: &str =
            "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_ls_tmpdir()', 'EXECUTE')";
        const SPILLED: &str =
            "SELECT coalesce(sum(size), 0)::bigint FROM pg_catalog.pg_ls_tmpdir()";
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => database::connect(&self.settings, "growth").await?,
        };
        let client = &connection.client;
        let mut bytes: i64 = client.query_one(SIZE, &[]).await?.try_get(0)?;
        if client.query_one(MAY_SEE_SPILLED, &[]).await?.try_get(0)? {
            bytes += client.query_one(SPILLED, &[]).await?.try_get::<_, i64>(0)?;
        }
        // What fails is not looked through again.
        self.connection = Some(connection);
        Ok(bytes.unsigned_abs())
    }

    /// The same by another connection where one was lost.
    async fn bytes_in_the_end(&mut self) -> Result<u64, DatabaseError> {
        let began = Instant::now();
        loop {
            match self.bytes().await {
                Err(error) if self.losses < LOSSES_MAX && began.elapsed() < PATIENCE => {
                    tracing::debug!("looking at the size of a database: {error}");
                    if error.kind != database::DatabaseErrorKind::Unreachable {
                        self.losses += 1;
                    }
                    tokio::time::sleep(INTERVAL).await;
                }
                other => return other,
            }
        }
    }
}

fn grown(binding: &str, limit: u64) -> Failure {
    Failure::limit(format!(
        "the database {binding} grew by more than {} MiB while the step ran",
        limit >> 20
    ))
    .detail("what others wrote into it meanwhile counts too, and so do temporary tables")
    .hint("raise `database_growth` in the limits, if you trust the plugin with that")
}

fn unseen(binding: &str, error: &DatabaseError) -> Failure {
    Failure::new(
        FailureKind::Unavailable,
        format!("looking at the growth of the database {binding}: {error}"),
    )
    .hint("a plugin that is not built in is not left alone with a database")
}
