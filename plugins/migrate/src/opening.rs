//! What every command begins with: the folder, and the database under the lock.

use history::{History, folder, lock, session};
use migrations::plan::Database;
use migrations::{Folder, Row, State};
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::Connection;

use crate::Parameters;

/// The folder and the history, which nobody else changes until the connection is dropped.
pub struct Opened {
    pub folder: Folder,
    pub connection: Connection,
    pub database: Database,
    pub history: History,
    pub rows: Vec<Row>,
    pub state: State,
}

impl Opened {
    /// Reads the folder, takes the lock, and then the history: whoever held the lock before may have changed it.
    pub fn open(parameters: &Parameters) -> Result<Self, Error> {
        let folder = folder::read(&parameters.folder)?;
        let connection = session::connect(&parameters.database)?;
        lock::take(&connection, parameters.lock_wait)?;
        let database = history::look(&connection)?;
        let history = History::of(&connection)?;
        let rows = history.read(&connection, database)?;
        let state = State::of(&folder, &rows);
        Ok(Self {
            folder,
            connection,
            database,
            history,
            rows,
            state,
        })
    }
}
