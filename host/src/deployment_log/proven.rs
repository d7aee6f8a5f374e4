//! Which backups were proven to restore: by a drill, or by `backup verify --deep`.
//!
//! Retention keeps the newest of them, `check` and metrics tell how old it is. All of them ask here, so that they agree.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use super::error::LogError;
use super::record::{RunRecord, Status};
use super::{DeploymentLog, table};

/// Of each database in each storage, so many of its backups are remembered as proven: the newest one is what counts, and the others are for the day that
/// it is gone.
pub(super) const REMEMBERED: usize = 20;

/// A backup that was restored into a scratch database, and was what it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Proven {
    /// Its id.
    pub backup: String,
    /// The name of the database that it is of, as its server knows it.
    pub database: String,
    /// The name of the storage's binding; none where the run did not say.
    pub storage: Option<String>,
    /// When that was done.
    pub at: Timestamp,
    /// From the first byte that was read to the last answer of the restored database.
    pub seconds: f64,
    /// The run that did it.
    pub run: Uuid,
}

impl Proven {
    /// What a run has proven: the fact is told when all of it was as it should be, so that how the run ended does not matter.
    pub fn of(record: &RunRecord) -> impl Iterator<Item = Self> {
        let told = record.finished.map(|at| (at, record.facts.proven()));
        told.into_iter().flat_map(move |(at, facts)| {
            facts
                .iter()
                .filter_map(move |fact| Self::read(record.run_id, at, fact))
        })
    }

    /// Reads one fact `proven`; `None` when that is none.
    pub(super) fn read(run: Uuid, at: Timestamp, fact: &Value) -> Option<Self> {
        Some(Self {
            backup: fact.get("backup")?.as_str()?.to_owned(),
            database: fact.get("database")?.as_str()?.to_owned(),
            storage: fact
                .get("storage")
                .and_then(Value::as_str)
                .map(str::to_owned),
            at,
            seconds: fact.get("seconds")?.as_f64()?,
            run,
        })
    }
}

/// The last proof of each backup, of the newest backups of each database.
#[derive(Debug, Default)]
pub(super) struct Proofs(BTreeMap<(String, Option<String>), BTreeMap<String, Proven>>);

impl Proofs {
    pub fn add(&mut self, proven: Proven) {
        // One name may be that of databases of several servers, whose backups lie in storages of their own.
        let key = (proven.database.clone(), proven.storage.clone());
        let of_database = self.0.entry(key).or_default();
        let known = of_database.get(&proven.backup);
        if known.is_none_or(|known| known.at < proven.at) {
            of_database.insert(proven.backup.clone(), proven);
        }
        // An id begins with the time of its backup, so the oldest one comes first.
        if of_database.len() > REMEMBERED {
            of_database.pop_first();
        }
    }

    /// By database, the newest backup first.
    pub fn into_list(self) -> Vec<Proven> {
        let mut list: Vec<Proven> = self
            .0
            .into_values()
            .flat_map(BTreeMap::into_values)
            .collect();
        list.sort_by(|one, other| {
            let newest = other.backup.cmp(&one.backup);
            one.database.cmp(&other.database).then(newest)
        });
        list
    }
}

impl DeploymentLog {
    /// The last proof of each backup that runs known on this machine have proven: of the newest 20 of each database in each storage, by
    /// database, the newest backup first.
    pub fn proven(&self) -> Result<Vec<Proven>, LogError> {
        Ok(self.proofs_of_journal()?.into_list())
    }

    /// The same of all machines, where the table can be asked; what it does not answer is what the journal knows.
    pub async fn proofs(&self, client: Option<&Client>) -> Result<Vec<Proven>, LogError> {
        let mut proofs = self.proofs_of_journal()?;
        if let Some(client) = client {
            match proofs_of_table(client).await {
                Ok(theirs) => theirs.into_iter().for_each(|proven| proofs.add(proven)),
                Err(error) => {
                    tracing::warn!("which backups were proven is what this machine knows: {error}");
                }
            }
        }
        Ok(proofs.into_list())
    }

    fn proofs_of_journal(&self) -> Result<Proofs, LogError> {
        let mut proofs = Proofs::default();
        self.each(|record| Proven::of(record).for_each(|proven| proofs.add(proven)))?;
        Ok(proofs)
    }
}

async fn proofs_of_table(client: &Client) -> Result<Vec<Proven>, LogError> {
    match table::exists(client).await? {
        true => table::proven(client, REMEMBERED).await,
        false => Ok(Vec::new()),
    }
}

/// The last run of each job that succeeded, by when it ended.
pub fn last_success<'a>(records: &'a [RunRecord], job: &str) -> Option<&'a RunRecord> {
    let of_job = records.iter().filter(|record| record.job == job);
    of_job
        .filter(|record| record.status == Status::Succeeded)
        .max_by_key(|record| record.finished)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deployment_log::Trigger;
    use serde_json::json;

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

    fn fact(database: &str, id: &str) -> Option<Value> {
        Some(json!({ "backup": id, "database": database, "seconds": 2.5 }))
    }

    fn proofs(records: &[RunRecord]) -> Vec<(String, String, Timestamp)> {
        let mut proofs = Proofs::default();
        let all = records.iter().flat_map(Proven::of);
        all.for_each(|proven| proofs.add(proven));
        let shown = |proven: Proven| (proven.database, proven.backup, proven.at);
        proofs.into_list().into_iter().map(shown).collect()
    }

    #[test]
    fn the_last_proof_of_each_backup_is_found_in_any_order() {
        let at = |day| Some(["2026-01-17", "2026-01-18", "2026-01-19", "2026-01-20"][day]);
        let at = |day| at(day).map(|day| format!("{day}T02:00:00Z"));
        let proof = |day, status, proven| record("drill", at(day).as_deref(), status, proven);
        let mut several = proof(3, Status::Succeeded, fact("shop", "b1"));
        several.facts.set("proven", fact("app", "b1").unwrap());
        let mut records = vec![
            proof(1, Status::Succeeded, fact("app", "b2")),
            // How the run ended does not matter.
            proof(0, Status::Failed, fact("app", "b1")),
            proof(2, Status::Failed, None),
            record("drill", None, Status::Running, fact("app", "b3")),
            proof(3, Status::Succeeded, Some(json!("b4"))),
            several,
        ];
        let time = |day: usize| at(day).unwrap().parse().unwrap();
        let expected: [(String, String, Timestamp); 3] = [
            ("app".into(), "b2".into(), time(1)),
            ("app".into(), "b1".into(), time(3)),
            ("shop".into(), "b1".into(), time(3)),
        ];
        assert_eq!(proofs(&records), expected);
        let success = last_success(&records, "drill").unwrap();
        assert_eq!(success.run_id, records[5].run_id);
        assert_eq!(last_success(&records, "verify"), None);
        records.reverse();
        assert_eq!(proofs(&records), expected);
    }

    #[test]
    fn the_newest_backups_are_remembered() {
        let of_day = |day: usize| format!("2026-01-{day:02}T02-00-00Z-full-1f2e");
        let mut records: Vec<RunRecord> = (1..=30)
            .map(|day| fact("app", &of_day(day)))
            .map(|fact| record("drill", Some("2026-02-01T00:00:00Z"), Status::Failed, fact))
            .collect();
        records.rotate_left(17);
        let backups: Vec<String> = proofs(&records).into_iter().map(|(_, id, _)| id).collect();
        let newest: Vec<String> = (11..=30).rev().map(of_day).collect();
        assert_eq!(backups, newest);
    }
}
