//! Databases that a run creates: in the journal before they exist, so that a run that was killed can be told from its half of one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::project::Project;
use super::run::RESTORE;
use crate::database;
use crate::deployment_log::{RunRecord, Status};
use crate::failure::Failure;

/// The fact of a run under way: one that ends by itself has finished them or dropped them. Plugins' keys have no spaces, so that
/// none can name a database here.
pub const FACT: &str = "unfinished databases";

/// How long the start of a command waits for a server to say whether a database is there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A database that a run has created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedDatabase {
    /// The binding whose server it is on.
    pub binding: String,
    /// Its name there.
    pub name: String,
}

/// Those of one run that are not dropped again.
#[derive(Debug, Default)]
pub struct CreatedDatabases(Mutex<Vec<CreatedDatabase>>);

impl CreatedDatabases {
    /// One is about to be created; all of them.
    pub fn with(&self, database: CreatedDatabase) -> Vec<CreatedDatabase> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(database);
        all.clone()
    }

    /// One was dropped, or not created after all; the others.
    pub fn without(&self, database: &CreatedDatabase) -> Vec<CreatedDatabase> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|known| known != database);
        all.clone()
    }
}

/// What has become of the databases of a run that was killed, each in a sentence that says what to do. None of them is dropped
/// here: nobody has agreed to that, and a person may want to look at it.
pub async fn left_by(project: &Project, record: &RunRecord) -> Vec<String> {
    let created: Vec<CreatedDatabase> = record
        .facts
        .get(FACT)
        .and_then(|value| serde_json::from_value(value.clone()).ok())
        .unwrap_or_default();
    let mut notes = Vec::new();
    for CreatedDatabase { binding, name } in created {
        let drop = format!(
            "DROP DATABASE {}",
            postgres_protocol::escape::escape_identifier(&name)
        );
        match tokio::time::timeout(PATIENCE, exists(project, &binding, &name)).await {
            Ok(Ok(true)) => notes.push(format!(
                "the database {name}, which this run had created, is incomplete: run {drop} before the next attempt"
            )),
            Ok(Ok(false)) => {}
            Ok(Err(_)) | Err(_) => notes.push(format!(
                "the database {name}, which this run had created, is incomplete where it is still there (its server did not say): \
                 run {drop} before the next attempt"
            )),
        }
    }
    notes.extend(restored_over(record));
    notes
}

/// The target of a restore into a database that was there before.
fn restored_over(record: &RunRecord) -> Option<String> {
    let step = record
        .steps
        .iter()
        .find(|step| step.plugin == RESTORE && step.status == Status::Running)?;
    let parameter = |name: &str| step.parameters.get(name)?.as_str();
    let target = parameter("database").filter(|_| parameter("mode") != Some("create"))?;
    Some(format!(
        "the database {target} may be incomplete, as a restore into it was interrupted: restore into it again with --clean"
    ))
}

async fn exists(project: &Project, binding: &str, name: &str) -> Result<bool, Failure> {
    let settings = project
        .database(binding)?
        .direct()
        .with_database("postgres");
    let connection = database::connect(&settings, "orchestrator recovery").await?;
    let row = connection
        .client
        .query_one(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $1)",
            &[&name],
        )
        .await?;
    Ok(row.try_get(0)?)
}
