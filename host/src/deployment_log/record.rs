//! One run of a job as it is kept: who ran what, where, how it ended, and what is known about it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::facts::Facts;

/// One run. The journal, the table, `DEPLOYMENT_LOG.md` and the report are all written from this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// A UUIDv7, so that ids sort by the time they were made.
    pub run_id: Uuid,
    /// The name of the job, as in `orchestrator run JOB`.
    pub job: String,
    /// What set the run off.
    pub trigger: Trigger,
    /// Who: a login on this machine, a schedule's name, or the API's caller.
    pub actor: String,
    /// The name of the machine.
    pub host: String,
    /// `local`, `staging` or `production`: the stricter of config and the marker in the database.
    pub environment: String,
    /// The binding of the database, where the run has one.
    #[serde(default)]
    pub database: Option<String>,
    /// UTC, in whole microseconds: what PostgreSQL can keep.
    pub started: Timestamp,
    /// `None` while it runs.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// How it stands, or ended.
    pub status: Status,
    /// In the order they ran; steps that were never reached are absent.
    #[serde(default)]
    pub steps: Vec<StepRecord>,
    /// What the plugins told of the run.
    #[serde(default)]
    pub facts: Facts,
    /// Each in one sentence.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Why it did not succeed.
    #[serde(default)]
    pub error: Option<ErrorRecord>,
    /// What the command line left with; see `orchestrator --help`.
    #[serde(default)]
    pub exit_code: Option<i32>,
}

impl RunRecord {
    /// A run that begins now, on this machine, with a new id.
    pub fn new(
        job: impl Into<String>,
        trigger: Trigger,
        actor: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        Self {
            run_id: Uuid::now_v7(),
            job: job.into(),
            trigger,
            actor: actor.into(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            environment: environment.into(),
            database: None,
            started: now(),
            finished: None,
            status: Status::Running,
            steps: Vec::new(),
            facts: Facts::default(),
            warnings: Vec::new(),
            error: None,
            exit_code: None,
        }
    }

    /// Closes the record now.
    pub fn close(&mut self, status: Status, error: Option<ErrorRecord>, exit_code: i32) {
        self.status = status;
        self.finished = Some(now().max(self.started));
        self.error = error;
        self.exit_code = Some(exit_code);
    }

    /// From start to finish; `None` while it runs.
    pub fn duration(&self) -> Option<SignedDuration> {
        self.finished
            .map(|finished| finished.duration_since(self.started))
    }
}

/// One step of a run: a plugin, as it was on that day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// The plugin's name.
    pub plugin: String,
    /// The plugin's version.
    pub version: String,
    /// Of the component file: 64 lowercase hex digits.
    pub sha256: String,
    /// As the plugin got them, secrets removed.
    #[serde(default)]
    pub parameters: Value,
    /// UTC, in whole microseconds.
    pub started: Timestamp,
    /// `None` while it runs.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// How it stands, or ended.
    pub status: Status,
    /// What the plugin returned.
    #[serde(default)]
    pub result: Option<Value>,
    /// Why it did not succeed.
    #[serde(default)]
    pub error: Option<ErrorRecord>,
}

impl StepRecord {
    /// From start to finish; `None` while it runs.
    pub fn duration(&self) -> Option<SignedDuration> {
        self.finished
            .map(|finished| finished.duration_since(self.started))
    }
}

/// An error in the shape of the contract's `types.error`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorRecord {
    /// One of the contract's error kinds (`not-found`, `refused`, …), or `interrupted`.
    pub kind: String,
    /// What was tried, on what.
    pub message: String,
    /// Five characters, from PostgreSQL.
    #[serde(default)]
    pub sqlstate: Option<String>,
    /// More of the same error, as PostgreSQL's DETAIL.
    #[serde(default)]
    pub detail: Option<String>,
    /// What the person who reads it can do next.
    #[serde(default)]
    pub hint: Option<String>,
}

/// How a run or a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Started, not closed.
    Running,
    /// Done, perhaps with warnings.
    Succeeded,
    /// Ended by an error.
    Failed,
    /// Stopped by a grant or an environment rule before any effect.
    Refused,
    /// Not run, because another run held the lock or there was nothing to do.
    Skipped,
    /// Ended by a person or a shutdown, in good order.
    Cancelled,
    /// Its process ended without closing it; found at the next start.
    Interrupted,
}

impl Status {
    /// The word that the journal and the table hold.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the run is over.
    pub fn is_closed(self) -> bool {
        self != Self::Running
    }

    /// Whether a record with this status replaces one with the `known` status. Records move forward only, and an outcome
    /// that the run itself reported stands above `interrupted`, which somebody else concluded.
    pub fn supersedes(self, known: Self) -> bool {
        self.certainty() > known.certainty()
    }

    /// The table's upsert holds the same order.
    fn certainty(self) -> u8 {
        match self {
            Self::Running => 0,
            Self::Interrupted => 1,
            _ => 2,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What set a run off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// A command on a terminal or in CI.
    Cli,
    /// The daemon's clock.
    Schedule,
    /// A request to the daemon.
    Api,
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cli => "cli",
            Self::Schedule => "schedule",
            Self::Api => "api",
        })
    }
}

/// The time in whole microseconds, so that the journal and the table hold the same instant.
pub fn now() -> Timestamp {
    whole_microseconds(Timestamp::now())
}

/// Cuts what PostgreSQL's timestamptz cannot keep.
pub(super) fn whole_microseconds(time: Timestamp) -> Timestamp {
    // Microseconds taken from a timestamp are within a timestamp's range, so the fallback is never taken.
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_move_forward_only() {
        assert!(Status::Succeeded.supersedes(Status::Running));
        assert!(Status::Interrupted.supersedes(Status::Running));
        assert!(Status::Failed.supersedes(Status::Interrupted));
        assert!(!Status::Interrupted.supersedes(Status::Failed));
        assert!(!Status::Running.supersedes(Status::Interrupted));
        assert!(!Status::Failed.supersedes(Status::Succeeded));
    }

    #[test]
    fn a_record_of_an_older_version_is_read() {
        let older = r#"{"run_id":"0198c0de-0000-7000-8000-000000000001","job":"backup","trigger":"schedule","actor":"nightly",
            "host":"db1","environment":"production","started":"2026-01-17T02:00:00Z","status":"running"}"#;
        let record: RunRecord = serde_json::from_str(older).unwrap();
        assert_eq!(
            (record.status, record.trigger, record.steps.len()),
            (Status::Running, Trigger::Schedule, 0)
        );
    }
}
