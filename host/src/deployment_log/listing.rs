//! What `orchestrator log list`, `log show` and the API read: the journal, merged with the table when it is there.

use std::collections::BTreeMap;

use tokio_postgres::Client;
use uuid::Uuid;

use super::error::LogError;
use super::kept::Kept;
use super::record::{RunRecord, Status};
use super::{DeploymentLog, table};

/// Which runs to list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// At most this many.
    pub limit: usize,
    /// Only those with a smaller id, which is to say older ones: the last of the page before.
    pub before: Option<Uuid>,
    /// Only those that stand or ended so.
    pub status: Option<Status>,
    /// Only those of this job.
    pub job: Option<String>,
}

impl Page {
    fn has(&self, record: &Kept) -> bool {
        self.before.is_none_or(|before| record.run_id() < before)
            && self.status.is_none_or(|status| record.status() == status)
            && self.job.as_ref().is_none_or(|job| record.job() == job)
    }
}

impl DeploymentLog {
    /// One page of the runs, the newest id first. With a client, those that only the table knows are among them.
    pub async fn page(
        &self,
        page: &Page,
        client: Option<&Client>,
    ) -> Result<Vec<RunRecord>, LogError> {
        let history = self.journal.read()?;
        let ours = history
            .runs()
            .rev()
            .map(|run| &run.record)
            .filter(|record| page.has(record))
            .take(page.limit)
            .map(|record| record.whole().into_owned())
            .collect();
        let mut theirs = match client {
            Some(client) if table::exists(client).await? => table::page(client, page).await?,
            _ => Vec::new(),
        };
        // What the journal knows better is not what was asked for, or is among ours.
        theirs.retain(|record| {
            history
                .run(record.run_id)
                .is_none_or(|known| record.status.supersedes(known.record.status()))
        });
        let mut runs = self.merge(ours, theirs);
        runs.sort_by_key(|record| std::cmp::Reverse(record.run_id));
        runs.truncate(page.limit);
        Ok(runs)
    }

    /// Looks at every run that this machine's journal knows, the oldest first.
    pub fn each(&self, mut look: impl FnMut(&RunRecord)) -> Result<(), LogError> {
        let history = self.journal.read()?;
        history.runs().for_each(|run| look(&run.record.whole()));
        Ok(())
    }

    /// The newest runs, newest first. With a client, those that only the table knows are among them.
    pub async fn list(
        &self,
        limit: usize,
        client: Option<&Client>,
    ) -> Result<Vec<RunRecord>, LogError> {
        let history = self.journal.read()?;
        let ours = history
            .newest_first()
            .into_iter()
            .take(limit)
            .map(|run| run.record.whole().into_owned());
        let theirs = match client {
            Some(client) if table::exists(client).await? => table::newest(client, limit).await?,
            _ => Vec::new(),
        };
        let mut runs = self.merge(ours.collect(), theirs);
        runs.truncate(limit);
        Ok(runs)
    }

    /// The run whose id begins or ends with `id`. With a client, also one that only the table knows.
    pub async fn show(&self, id: &str, client: Option<&Client>) -> Result<RunRecord, LogError> {
        let part = id.trim().to_ascii_lowercase();
        if part.is_empty()
            || !part
                .chars()
                .all(|character| character.is_ascii_hexdigit() || character == '-')
        {
            return Err(LogError::UnknownRun(id.to_owned()));
        }
        let fits = |run: Uuid| {
            let run = run.to_string();
            run.starts_with(&part) || run.ends_with(&part)
        };
        let ours = self
            .journal
            .read()?
            .newest_first()
            .into_iter()
            .filter(|run| fits(run.record.run_id()))
            .map(|run| run.record.whole().into_owned())
            .collect();
        let theirs = match client {
            Some(client) if table::exists(client).await? => table::find(client, &part).await?,
            _ => Vec::new(),
        };
        let mut runs = self.merge(ours, theirs);
        match runs.len() {
            0 => Err(LogError::UnknownRun(id.to_owned())),
            1 => Ok(runs.remove(0)),
            count => {
                let examples: Vec<String> = runs
                    .iter()
                    .take(3)
                    .map(|run| run.run_id.to_string())
                    .collect();
                Err(LogError::AmbiguousRun {
                    given: id.to_owned(),
                    count,
                    examples: examples.join(", "),
                })
            }
        }
    }

    /// Each run once, as the one who knows more has it, newest first.
    fn merge(&self, ours: Vec<RunRecord>, theirs: Vec<RunRecord>) -> Vec<RunRecord> {
        let mut runs: BTreeMap<Uuid, RunRecord> = ours
            .into_iter()
            .map(|record| (record.run_id, record))
            .collect();
        for record in theirs {
            let newer = runs
                .get(&record.run_id)
                .is_none_or(|known| record.status.supersedes(known.status));
            if newer {
                runs.insert(record.run_id, self.redactor.record(record));
            }
        }
        let mut runs: Vec<RunRecord> = runs.into_values().collect();
        runs.sort_by_key(|record| std::cmp::Reverse((record.started, record.run_id)));
        runs
    }
}
