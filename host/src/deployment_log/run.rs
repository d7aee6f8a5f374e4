//! A run under way: what it reports is in the journal before it goes on.

use serde_json::Value;
use uuid::Uuid;

use super::error::LogError;
use super::history::{Draft, Event, LoginRole, Scratch};
use super::interruption::Claim;
use super::record::{RunRecord, StepRecord};
use super::{DeploymentLog, Written};

/// Holds the run's lock. Dropped without `finish`, the run is found at the next start and closed as interrupted.
#[derive(Debug)]
pub struct RunGuard {
    log: DeploymentLog,
    claim: Claim,
}

impl RunGuard {
    pub(super) fn new(log: DeploymentLog, claim: Claim) -> Self {
        Self { log, claim }
    }

    /// The run's id.
    pub fn run_id(&self) -> Uuid {
        self.claim.run
    }

    /// Before the first byte of a set of objects: where they will lie, so that half of it can be found and removed.
    /// `storage` is the binding, `location` its URL without secrets.
    pub fn draft(&self, storage: &str, location: &str, prefix: &str) -> Result<(), LogError> {
        let location = self.log.redactor.text(location);
        let draft = Draft {
            run: self.claim.run,
            storage: storage.into(),
            location,
            prefix: prefix.into(),
            removed: false,
        };
        self.log.journal.append(vec![Event::Draft(draft)])
    }

    /// After the set's last object, or after all of it was removed.
    pub fn draft_closed(&self, prefix: &str) -> Result<(), LogError> {
        self.log.draft_closed(self.claim.run, prefix)
    }

    /// Before a database is created beside another one: its name, so that it can be found and dropped. `database` is the binding of the
    /// other one, `server` the URL of the maintenance database without secrets.
    pub fn scratch(&self, database: &str, server: &str, name: &str) -> Result<(), LogError> {
        let scratch = Scratch {
            run: self.claim.run,
            database: database.into(),
            server: self.log.redactor.text(server),
            name: name.into(),
        };
        self.log.journal.append(vec![Event::Scratch(scratch)])
    }

    /// After it was dropped, or was renamed.
    pub fn scratch_closed(&self, name: &str) -> Result<(), LogError> {
        self.log.scratch_closed(self.claim.run, name)
    }

    /// Before a role is made: its name, so that it can be found and dropped. `database` is the binding that it is for, `server` its URL
    /// without secrets.
    pub fn role(&self, database: &str, server: &str, name: &str) -> Result<(), LogError> {
        let role = LoginRole {
            run: self.claim.run,
            database: database.into(),
            server: self.log.redactor.text(server),
            name: name.into(),
        };
        self.log.journal.append(vec![Event::Role(role)])
    }

    /// After it was dropped, or was never made.
    pub fn role_closed(&self, name: &str) -> Result<(), LogError> {
        self.log.role_closed(self.claim.run, name)
    }

    /// A step that begins or ends; `index` counts from 0.
    pub fn step(&self, index: usize, step: &StepRecord) -> Result<(), LogError> {
        let step = Box::new(self.log.redactor.step(step.clone()));
        self.log.journal.append(vec![Event::Step {
            run: self.claim.run,
            index,
            step,
        }])
    }

    /// A fact, so that an interrupted run keeps it.
    pub fn fact(&self, key: &str, mut value: Value) -> Result<(), LogError> {
        self.log.redactor.json(&mut value);
        self.log.journal.append(vec![Event::Fact {
            run: self.claim.run,
            key: key.into(),
            value,
        }])
    }

    /// A warning, so that an interrupted run keeps it.
    pub fn warning(&self, message: &str) -> Result<(), LogError> {
        let message = self.log.redactor.text(message);
        self.log.journal.append(vec![Event::Warning {
            run: self.claim.run,
            message,
        }])
    }

    /// Closes the run: journal, report, `DEPLOYMENT_LOG.md`. `attach` or `publish` then writes it to the table.
    pub fn finish(self, record: RunRecord) -> Result<Written, Unclosed> {
        let written = match record.run_id == self.claim.run && record.status.is_closed() {
            true => self.log.write_closed(record),
            false => Err(LogError::NotClosed(self.claim.run)),
        };
        let mut written = match written {
            Ok(written) => written,
            Err(error) => {
                let guard = Box::new(self);
                return Err(Unclosed { guard, error });
            }
        };
        // Nobody takes a run for dead that the journal shows closed.
        if let Err(error) = self.claim.release() {
            written.warnings.push(error.to_string());
        }
        Ok(written)
    }
}

/// A run that could not be closed.
#[derive(Debug)]
pub struct Unclosed {
    /// To try again.
    pub guard: Box<RunGuard>,
    /// Why.
    pub error: LogError,
}
