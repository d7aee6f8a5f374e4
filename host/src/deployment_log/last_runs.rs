//! How each job stands, and which backups were proven: of this machine's journal, and of the table, which has the runs of all machines.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::LogError;
use super::record::{RunRecord, Status};
use super::{DeploymentLog, table};

/// So many of the table's newest rows are looked at, by the index over when they began: of any table that is a fraction of a second's work.
const ROWS: i64 = 50_000;
/// Jobs times statuses of one answer.
const MOST: i64 = 5_000;

/// A run that is over, in short.
#[derive(Clone, Debug, PartialEq)]
pub struct EndedRun {
    run: Uuid,
    started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How.
    pub status: Status,
    /// What its first step that says so has stored or read.
    pub bytes: Option<u64>,
}

impl EndedRun {
    /// From start to finish.
    pub fn duration(&self) -> SignedDuration {
        self.finished.duration_since(self.started)
    }

    fn of(record: &RunRecord) -> Option<Self> {
        Some(Self {
            run: record.run_id,
            started: record.started,
            finished: record.finished?,
            status: record.status,
            bytes: record
                .steps
                .iter()
                .find_map(|step| step.result.as_ref()?.get("bytes")?.as_u64()),
        })
    }

    /// By when they began; an interrupted one may have turned out otherwise since.
    fn is_newer_than(&self, other: &Self) -> bool {
        (self.started, self.run) > (other.started, other.run)
            || self.run == other.run && self.status.supersedes(other.status)
    }
}

/// The last runs that there were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LastRuns {
    /// By job, the last that was run to an end. One that was skipped says nothing of the job.
    pub ended: BTreeMap<String, EndedRun>,
    /// By job, the last that succeeded.
    pub succeeded: BTreeMap<String, EndedRun>,
    /// By the database's name on its server: the id of the newest backup that was proven to restore. Ids begin with when a backup was begun.
    pub proven: BTreeMap<String, String>,
    /// By schedule: the newest fire that a run has answered for.
    pub fires: BTreeMap<String, Timestamp>,
}

impl LastRuns {
    /// Takes what the other one knows better.
    pub fn merge(&mut self, other: Self) {
        let runs = [
            (&mut self.ended, other.ended),
            (&mut self.succeeded, other.succeeded),
        ];
        for (known, others) in runs {
            for (job, run) in others {
                put(known, job, run);
            }
        }
        for (database, backup) in other.proven {
            raise(&mut self.proven, database, backup);
        }
        for (schedule, fire) in other.fires {
            raise(&mut self.fires, schedule, fire);
        }
    }

    /// What to ask of the table: of runs and fires, the newest [`ROWS`] of it tell.
    pub fn queries() -> [String; 3] {
        let rows = format!("FROM orchestrator.deployment_log ORDER BY started DESC LIMIT {ROWS}");
        let runs = format!(
            "WITH newest AS MATERIALIZED (SELECT run_id, job, status, started {rows}), \
             last AS (SELECT DISTINCT ON (job, status) run_id FROM newest WHERE status NOT IN ('running', 'skipped') \
                 ORDER BY job, status, started DESC, run_id DESC LIMIT {MOST}) \
             SELECT l.run_id::text, l.job, l.status, to_char(l.started AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 to_char(l.finished AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 (SELECT step #>> '{{result,bytes}}' FROM jsonb_array_elements(CASE jsonb_typeof(l.steps) WHEN 'array' THEN l.steps ELSE '[]' END) \
                     WITH ORDINALITY AS s(step, place) WHERE jsonb_typeof(step #> '{{result,bytes}}') = 'number' ORDER BY place LIMIT 1) \
             FROM last JOIN orchestrator.deployment_log AS l USING (run_id) WHERE l.finished IS NOT NULL"
        );
        let fires = format!(
            "SELECT actor, max((facts ->> 'fire') COLLATE \"C\") FROM (SELECT actor, trigger, facts {rows}) AS newest \
             WHERE trigger = 'schedule' AND facts ->> 'fire' IS NOT NULL GROUP BY 1 LIMIT {MOST}"
        );
        [runs, table::proven_query(1), fires]
    }

    /// What the answers to [`LastRuns::queries`] say, in their order.
    pub fn of_rows(answers: &[Vec<Row>]) -> Self {
        let mut last = Self::default();
        let mut answers = answers.iter().map(Vec::as_slice);
        let mut next = || answers.next().unwrap_or_default();
        for row in next() {
            if let Some((job, run)) = ended(row) {
                last.add(job, run);
            }
        }
        for proven in next().iter().filter_map(table::proven_of) {
            raise(&mut last.proven, proven.database, proven.backup);
        }
        for row in next() {
            // A plugin may have told another fact of that name.
            if let Ok(fire) = row.get::<_, &str>(1).parse() {
                last.fires.insert(row.get(0), fire);
            }
        }
        last
    }

    fn add(&mut self, job: String, run: EndedRun) {
        if run.status == Status::Succeeded {
            put(&mut self.succeeded, job.clone(), run.clone());
        }
        if run.status.is_closed() && run.status != Status::Skipped {
            put(&mut self.ended, job, run);
        }
    }
}

/// A status of a newer version is passed over.
fn ended(row: &Row) -> Option<(String, EndedRun)> {
    let text = |index: usize| row.get::<_, &str>(index);
    let status: Result<_, serde::de::value::Error> =
        Status::deserialize(text(2).into_deserializer());
    let run = EndedRun {
        run: text(0).parse().ok()?,
        started: text(3).parse().ok()?,
        finished: text(4).parse().ok()?,
        status: status.ok()?,
        bytes: row
            .get::<_, Option<&str>>(5)
            .and_then(|bytes| bytes.parse().ok()),
    };
    Some((row.get(1), run))
}

fn put(known: &mut BTreeMap<String, EndedRun>, job: String, run: EndedRun) {
    if known.get(&job).is_none_or(|last| run.is_newer_than(last)) {
        known.insert(job, run);
    }
}

fn raise<T: Ord>(known: &mut BTreeMap<String, T>, name: String, value: T) {
    if known.get(&name).is_none_or(|last| value > *last) {
        known.insert(name, value);
    }
}

/// Runs of this machine that have ended since somebody began to count: a number that never goes down, whatever the journal forgets.
#[derive(Debug)]
pub struct EndedRuns {
    /// Of the journal; those that were over before are not counted.
    seen: BTreeSet<Uuid>,
    /// By job and status, in the word that the journal has for it.
    pub counts: BTreeMap<(String, &'static str), u64>,
}

impl DeploymentLog {
    /// Begins to count.
    pub fn count_ended(&self) -> Result<EndedRuns, LogError> {
        let history = self.journal.read()?;
        let closed = history.runs().filter(|run| run.record.status().is_closed());
        Ok(EndedRuns {
            seen: closed.map(|run| run.record.run_id()).collect(),
            counts: BTreeMap::new(),
        })
    }

    /// Counts those that have ended since the last time. Runs of other machines are theirs to count.
    pub fn count_more(&self, ended: &mut EndedRuns) -> Result<(), LogError> {
        let history = self.journal.read()?;
        let mut seen = BTreeSet::new();
        for run in history.runs() {
            let record = &run.record;
            if !record.status().is_closed() {
                continue;
            }
            seen.insert(record.run_id());
            if !run.imported && !ended.seen.contains(&record.run_id()) {
                let key = (record.job().to_owned(), record.status().as_str());
                *ended.counts.entry(key).or_default() += 1;
            }
        }
        ended.seen = seen;
        Ok(())
    }

    /// What this machine's journal knows.
    pub fn last_runs(&self) -> Result<LastRuns, LogError> {
        let history = self.journal.read()?;
        let mut newest = BTreeMap::new();
        for run in history.runs().rev() {
            let record = &run.record;
            if record.status().is_closed() && record.status() != Status::Skipped {
                newest
                    .entry((record.job(), record.status() == Status::Succeeded))
                    .or_insert(record);
            }
        }
        let mut last = LastRuns::default();
        for ((job, _), record) in newest {
            if let Some(run) = EndedRun::of(&record.whole()) {
                last.add(job.to_owned(), run);
            }
        }
        for proven in self.proven()? {
            raise(&mut last.proven, proven.database, proven.backup);
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(second: i64, status: Status) -> EndedRun {
        let started = Timestamp::from_second(second).unwrap();
        EndedRun {
            run: Uuid::now_v7(),
            started,
            finished: started,
            status,
            bytes: None,
        }
    }

    #[test]
    fn the_newest_run_speaks_for_its_job_whoever_ran_it() {
        let mut ours = LastRuns::default();
        ours.add("nightly".to_owned(), ended(10, Status::Failed));
        let mut theirs = LastRuns::default();
        theirs.add("nightly".to_owned(), ended(5, Status::Succeeded));
        theirs.add("nightly".to_owned(), ended(20, Status::Succeeded));
        theirs.add("nightly".to_owned(), ended(30, Status::Skipped));
        ours.merge(theirs.clone());
        assert_eq!(ours.ended["nightly"], theirs.succeeded["nightly"]);
        assert_eq!(
            ours.ended["nightly"].started,
            Timestamp::from_second(20).unwrap()
        );
        // What is known is not forgotten for an older answer.
        let mut older = LastRuns::default();
        older.add("nightly".to_owned(), ended(10, Status::Failed));
        older.proven.insert("app".to_owned(), "2026-01".to_owned());
        ours.proven.insert("app".to_owned(), "2026-02".to_owned());
        let before = ours.clone();
        ours.merge(older);
        assert_eq!(ours, before);
        // The same run, found to have ended otherwise.
        let interrupted = EndedRun {
            status: Status::Interrupted,
            ..ended(40, Status::Failed)
        };
        ours.add("nightly".to_owned(), interrupted.clone());
        ours.add(
            "nightly".to_owned(),
            EndedRun {
                status: Status::Failed,
                ..interrupted
            },
        );
        assert_eq!(ours.ended["nightly"].status, Status::Failed);
    }
}
