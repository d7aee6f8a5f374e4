//! Which backups were proven to restore: by a drill, or by `backup verify --deep`.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error::LogError;
use super::record::{RunRecord, Status};
use super::{DeploymentLog, Facts};

/// A backup that was restored into a scratch database, and was what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// Its id.
    pub backup: String,
    /// The name of the database that it is of, as its server knows it.
    pub database: String,
    /// When that was done.
    pub at: Timestamp,
    /// From the first byte that was read to the last answer of the restored database.
    pub seconds: f64,
}

/// The last backup that was proven, by the time at which it was; of records in any order.
pub fn last_proven(records: &[RunRecord]) -> Option<Proven> {
    all(records).max_by_key(|proven| proven.at)
}

/// The last run of each job that succeeded, by when it ended.
pub fn last_success<'a>(records: &'a [RunRecord], job: &str) -> Option<&'a RunRecord> {
    let of_job = records.iter().filter(|record| record.job == job);
    of_job
        .filter(|record| record.status == Status::Succeeded)
        .max_by_key(|record| record.finished)
}

impl DeploymentLog {
    /// All backups that runs known on this machine have proven.
    pub fn proven(&self) -> Result<Vec<Proven>, LogError> {
        let history = self.journal.read()?;
        Ok(history.runs().filter_map(|run| of(&run.record)).collect())
    }
}

/// The last proof of each database, by the database's name.
pub fn last_proven_by_database(records: &[RunRecord]) -> BTreeMap<String, Proven> {
    let mut last = BTreeMap::new();
    for proven in all(records) {
        let known: &mut Proven = last
            .entry(proven.database.clone())
            .or_insert_with(|| proven.clone());
        if known.at < proven.at {
            *known = proven;
        }
    }
    last
}

fn all(records: &[RunRecord]) -> impl Iterator<Item = Proven> {
    records.iter().filter_map(of)
}

/// What a run has proven: the fact is told when all of it was as it should be, so that how the run ended does not matter.
fn of(record: &RunRecord) -> Option<Proven> {
    let at = record.finished?;
    read(&record.facts, at)
}

fn read(facts: &Facts, at: Timestamp) -> Option<Proven> {
    let fact = facts.get("proven")?;
    Some(Proven {
        backup: fact.get("backup")?.as_str()?.to_owned(),
        database: fact.get("database")?.as_str()?.to_owned(),
        at,
        seconds: fact.get("seconds")?.as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment_log::Trigger;
    use serde_json::{Value, json};

    fn record(
        job: &str,
        finished: Option<&str>,
        status: Status,
        proven: Option<Value>,
    ) -> RunRecord {
        let mut record = RunRecord::new(job, Trigger::Cli, "me", "local");
        record.finished = finished.map(|time| time.parse().unwrap());
        record.status = status;
        if let Some(proven) = proven {
            record.facts.set("proven", proven);
        }
        record
    }

    #[test]
    fn the_last_proof_is_found_in_any_order() {
        let fact = |id: &str| Some(json!({ "backup": id, "database": "app", "seconds": 2.5 }));
        let records = [
            record(
                "drill",
                Some("2026-01-18T02:00:00Z"),
                Status::Succeeded,
                fact("b2"),
            ),
            record(
                "verify",
                Some("2026-01-17T02:00:00Z"),
                Status::Failed,
                fact("b1"),
            ),
            record("drill", Some("2026-01-19T02:00:00Z"), Status::Failed, None),
            record("drill", None, Status::Running, fact("b3")),
            record(
                "drill",
                Some("2026-01-20T02:00:00Z"),
                Status::Succeeded,
                Some(json!("b4")),
            ),
        ];
        let proven = last_proven(&records).unwrap();
        assert_eq!((proven.backup.as_str(), proven.seconds), ("b2", 2.5));
        assert_eq!(last_proven(&records[2..]), None);
        let success = last_success(&records, "drill").unwrap();
        assert_eq!(success.run_id, records[4].run_id);
        assert_eq!(last_success(&records, "verify"), None);
    }
}
