//! Journal and table brought to say the same: each gives the other what it lacks.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Client;
use uuid::Uuid;

use super::error::LogError;
use super::history::{Event, History};
use super::record::{ErrorRecord, RunRecord, Status};
use super::{DeploymentLog, layout, table};

/// What an exchange with the table has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attached {
    /// Runs that the table got from the journal.
    pub replayed: usize,
    /// Runs of other machines that the journal and `DEPLOYMENT_LOG.md` got from the table.
    pub imported: usize,
    /// What could not be written down, each in one sentence.
    pub warnings: Vec<String>,
}

impl DeploymentLog {
    /// Makes or upgrades the table, replays what it lacks, and imports what the journal lacks of the table's newest runs: a machine
    /// that joins a log of years needs no more of it than it would keep. To be called whenever a connection to the log's database is
    /// there, outside any transaction; again after a restore over that database. When it fails, the run goes on: the journal has it,
    /// and a later call replays it. What was imported by then stays, so that a call that is cut is gone on with.
    pub async fn attach(&self, client: &Client) -> Result<Attached, LogError> {
        layout::ensure(client).await?;
        let history = self.journal.read()?;
        let horizon = history
            .horizon
            .max(table::horizon(client, self.journal.kept_runs).await?);
        let plan = plan(&history, horizon, &table::statuses(client, horizon).await?);

        let lacking = plan.push.iter().filter_map(|run| history.run(*run));
        let push: Vec<Cow<RunRecord>> = lacking.map(|run| run.record.whole()).collect();
        let push: Vec<&RunRecord> = push.iter().map(Cow::as_ref).collect();
        table::upsert(client, &push).await?;
        let closed = push
            .iter()
            .filter(|record| record.status.is_closed())
            .map(|record| record.run_id);
        let runs: Vec<Uuid> = plan.confirm.iter().copied().chain(closed).collect();
        if !runs.is_empty() {
            self.journal.append(vec![Event::Replayed { runs }])?;
        }
        let mut attached = Attached {
            replayed: plan.push.len(),
            ..Attached::default()
        };
        for runs in plan.pull.chunks(table::BATCH) {
            let pulled = self.clean(table::fetch(client, runs).await?);
            let written: Vec<Uuid> = pulled.iter().map(|record| record.run_id).collect();
            attached.imported += pulled.len();
            self.journal
                .append(pulled.into_iter().map(imported).collect())?;
            attached.warnings.extend(self.write_down(&written));
        }
        Ok(attached)
    }

    /// Makes or upgrades the table, and exchanges nothing.
    pub async fn make_table(&self, client: &Client) -> Result<(), LogError> {
        layout::ensure(client).await
    }

    /// Writes one run to the table as it stands. Cheaper than `attach`, for steps and for the end of a run.
    pub async fn publish(&self, client: &Client, run: Uuid) -> Result<(), LogError> {
        let history = self.journal.read()?;
        let Some(run) = history.run(run) else {
            return Err(LogError::UnknownRun(run.to_string()));
        };
        table::upsert(client, &[&run.record.whole()]).await?;
        match run.record.status().is_closed() && !run.in_table {
            true => self.journal.append(vec![Event::Replayed {
                runs: vec![run.record.run_id()],
            }]),
            false => Ok(()),
        }
    }

    /// Brings every row of the table into the journal, before the database that holds it is replaced. `attach` puts them
    /// back afterwards. Returns how many rows the journal did not have.
    pub async fn hold(&self, client: &Client) -> Result<usize, LogError> {
        if !table::exists(client).await? {
            return Ok(0);
        }
        layout::ensure(client).await?;
        let history = self.journal.read()?;
        let plan = plan(
            &history,
            history.horizon,
            &table::statuses(client, None).await?,
        );
        let pulled = self.clean(table::fetch(client, &plan.pull).await?);
        // In one write: a compaction in between could drop rows that are still thought safe in the table.
        self.journal.append(
            pulled
                .iter()
                .cloned()
                .map(imported)
                .chain([Event::Held])
                .collect(),
        )?;
        self.write_down(
            &pulled
                .iter()
                .map(|record| record.run_id)
                .collect::<Vec<_>>(),
        );
        Ok(pulled.len())
    }

    /// Closes runs that a restored table shows as running because the backup was taken meanwhile (the run that took it
    /// among them), and of which this machine's journal knows nothing. The machine that knows better corrects it when it
    /// next attaches. To be called after a restore and `attach`; `taken` is when the backup's snapshot was taken.
    pub async fn settle_restored(
        &self,
        client: &Client,
        taken: Timestamp,
    ) -> Result<usize, LogError> {
        let history = self.journal.read()?;
        let elsewhere = |run: &Uuid| history.run(*run).is_none_or(|run| run.imported);
        let statuses = table::statuses(client, None).await?;
        let running: Vec<Uuid> = statuses
            .into_iter()
            .filter(|(run, status)| !status.is_closed() && elsewhere(run))
            .map(|(run, _)| run)
            .collect();
        let mut records = self.clean(table::fetch(client, &running).await?);
        records.retain(|record| record.started <= taken);
        for record in &mut records {
            record.status = Status::Interrupted;
            record.finished = Some(taken.max(record.started));
            record.error = Some(ErrorRecord {
                kind: "interrupted".into(),
                message: "its outcome is not known here: the database was restored from a backup taken while it ran".into(),
                hint: Some("the machine that ran it corrects this entry when it next connects".into()),
                ..Default::default()
            });
        }
        table::upsert(client, &records.iter().collect::<Vec<_>>()).await?;
        self.journal
            .append(records.iter().cloned().map(imported).collect())?;
        self.write_down(
            &records
                .iter()
                .map(|record| record.run_id)
                .collect::<Vec<_>>(),
        );
        Ok(records.len())
    }

    fn clean(&self, records: Vec<RunRecord>) -> Vec<RunRecord> {
        records
            .into_iter()
            .map(|record| self.redactor.record(record))
            .collect()
    }
}

fn imported(record: RunRecord) -> Event {
    Event::Imported {
        record: Box::new(record),
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    /// The table lacks them, or knows less.
    push: Vec<Uuid>,
    /// The journal lacks them, or knows less.
    pull: Vec<Uuid>,
    /// The table holds them closed, and the journal did not know that it does.
    confirm: Vec<Uuid>,
}

/// Who gives what to whom. `table` holds every run since the horizon.
fn plan(history: &History, horizon: Option<Timestamp>, table: &BTreeMap<Uuid, Status>) -> Plan {
    let mut plan = Plan::default();
    for run in history.runs() {
        let (id, ours) = (run.record.run_id(), run.record.status());
        let Some(theirs) = table.get(&id).copied() else {
            let beyond = horizon.is_some_and(|horizon| run.record.started() < horizon);
            if !(beyond && run.in_table) {
                plan.push.push(id);
            }
            continue;
        };
        // That a run of this machine is interrupted is for this machine to find: it sees whether the process lives.
        let theirs_to_say = run.imported || theirs != Status::Interrupted;
        if ours.supersedes(theirs) || (!ours.is_closed() && theirs == ours && !run.imported) {
            plan.push.push(id);
        } else if theirs.supersedes(ours) && theirs_to_say {
            plan.pull.push(id);
        } else if ours.is_closed() && !run.in_table {
            plan.confirm.push(id);
        }
    }
    plan.pull
        .extend(table.keys().filter(|run| history.run(**run).is_none()));
    plan
}
