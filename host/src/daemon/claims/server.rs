//! The one connection that a daemon keeps to the database of the log: made when it is needed, and again after it was lost.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::layout;
use crate::database::Connection;
use crate::failure::{Failure, FailureKind};
use crate::jobs::Project;

/// How long a statement on a table of a few rows may take, and the wait for those before it, until the server counts as away.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A value, and its type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Asks one thing after the other.
pub struct Server {
    project: RwLock<Arc<Project>>,
    connection: Mutex<Option<Connection>>,
    patience: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Server {
    /// Connects when the first question is asked.
    pub fn new(project: Arc<Project>, patience: Duration) -> Self {
        Self {
            project: RwLock::new(project),
            connection: Mutex::new(None),
            patience,
        }
    }

    /// From now on the log's database is this project's.
    pub async fn move_to(&self, project: Arc<Project>) {
        *self
            .project
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = project;
        *self.connection.lock().await = None;
    }

    /// One statement, as a transaction of its own.
    pub async fn query(
        &self,
        statement: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let asked = async {
            // Within the time: behind others whom the server leaves without an answer, nobody waits for longer than they do.
            let mut kept = self.connection.lock().await;
            let connection = match kept.take() {
                Some(connection) if !connection.client.is_closed() => connection,
                _ => self.connect().await?,
            };
            let rows = connection.client.query_typed(statement, parameters).await;
            // After an error the session may be what is wrong: another one costs a few milliseconds.
            if rows.is_ok() {
                *kept = Some(connection);
            }
            Ok::<_, Failure>(rows)
        };
        let rows = tokio::time::timeout(self.patience, asked)
            .await
            .map_err(|_| {
                Failure::new(
                    FailureKind::Unavailable,
                    format!(
                        "the database of the log did not answer within {:?}",
                        self.patience
                    ),
                )
            })??;
        rows.map_err(|error| match error.as_db_error() {
            Some(_) => Failure::from(crate::deployment_log::LogError::Table {
                attempt: "ask for claims beside",
                source: error,
            }),
            None => Failure::new(
                FailureKind::Unavailable,
                format!("the database of the log has gone away: {error}"),
            ),
        })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let project = self
            .project
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let connection = project.log_connection().await.ok_or_else(|| {
            Failure::invalid_input(
                "the daemon needs a database for its claims: no database is configured",
            )
            .hint("set DATABASE_URL, or name one in [log] database")
        })??;
        // The schema and the log's table. What journal and table lack of each other may be a lot: runs see to that, and the sweep.
        project.log.make_table(&connection.client).await?;
        let made = connection.client.query_typed(layout::IS_MADE, &[]).await;
        if !made.is_ok_and(|rows| rows.first().is_some_and(|row| row.get(0))) {
            connection
                .client
                .batch_execute(layout::LAYOUT)
                .await
                .map_err(|error| {
                    Failure::from(crate::deployment_log::LogError::Table {
                        attempt: "make the tables of schedules beside",
                        source: error,
                    })
                })?;
        }
        Ok(connection)
    }
}
