//! What is told of jobs: how they stand, whichever machine ran them, and what has ended on this one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use prometheus_client::encoding::DescriptorEncoder;

use super::{MOST_LABELS, counters, gauges, seconds};
use crate::deployment_log::{EndedRun, EndedRuns, LastRuns, Status};
use crate::jobs::Project;

/// The last runs of each job: of the log's table, and of this machine's journal, which is there when the table is away.
#[derive(Clone, Debug, Default)]
pub(super) struct JobStates {
    last: LastRuns,
    told: BTreeSet<String>,
}

impl JobStates {
    /// Takes what is known now. What was known before stays, where nothing newer is.
    pub fn update(&mut self, project: &Project, table: LastRuns) {
        self.last.merge(table);
        match project.log.last_runs() {
            Ok(journal) => self.last.merge(journal),
            Err(error) => tracing::debug!("metrics: the journal: {error}"),
        }
        let configured = project.config.jobs.keys().map(ToString::to_string);
        let mut told: BTreeSet<String> = configured.collect();
        let most = told.len() + MOST_LABELS;
        for job in self.last.ended.keys() {
            if told.len() < most {
                told.insert(job.clone());
            }
        }
        self.told = told;
    }

    /// By the database's name on the server: the newest backup that was proven to restore.
    pub fn proven(&self) -> impl Iterator<Item = (&String, &String)> {
        self.last.proven.iter()
    }

    fn told<'a>(
        &'a self,
        runs: &'a BTreeMap<String, EndedRun>,
    ) -> impl Iterator<Item = (&'a String, &'a EndedRun)> {
        runs.iter().filter(|(job, _)| self.told.contains(*job))
    }

    pub fn encode(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        let ended = self.told(&self.last.ended);
        gauges(
            to,
            "orchestrator_job_last_status",
            "1 for how the job's last run ended, on whichever machine; skipped ones are passed over",
            ended.map(|(job, run)| {
                let status = run.status.as_str().to_owned();
                ([("job", job.clone()), ("status", status)], 1_u64)
            }),
        )?;
        let succeeded = || {
            let succeeded = self.told(&self.last.succeeded);
            succeeded.map(|(job, run)| ([("job", job.clone())], run))
        };
        gauges(
            to,
            "orchestrator_job_last_success_timestamp_seconds",
            "When the job's last successful run ended, as a Unix time",
            succeeded().map(|(labels, run)| (labels, seconds(run.finished))),
        )?;
        gauges(
            to,
            "orchestrator_job_last_success_duration_seconds",
            "How long the job's last successful run took",
            succeeded().map(|(labels, run)| (labels, run.duration().as_secs_f64())),
        )?;
        gauges(
            to,
            "orchestrator_job_last_success_bytes",
            "What the job's last successful run stored or read, where it says so",
            succeeded().filter_map(|(labels, run)| Some((labels, run.bytes?))),
        )
    }
}

/// A job, how runs of it ended, and how many.
pub(super) type Count = (String, &'static str, u64);

/// Runs of this machine that have ended since the daemon began.
pub(super) struct Ended(Option<EndedRuns>);

impl Ended {
    pub fn begin(project: &Project) -> Self {
        Self(project.log.count_ended().ok())
    }

    pub fn update(&mut self, project: &Project) {
        let counted = match &mut self.0 {
            Some(ended) => project.log.count_more(ended),
            // A journal that could not be read then: what it holds now has ended before.
            None => project.log.count_ended().map(|ended| self.0 = Some(ended)),
        };
        if let Err(error) = counted {
            tracing::debug!("metrics: the journal: {error}");
        }
    }

    /// Those of the configuration from 0 on, for a rise from nothing at all is none to Prometheus.
    pub fn counts(&self, project: &Project) -> Vec<Count> {
        let configured = &project.config.jobs;
        let counts = self.0.as_ref().map(|ended| ended.counts.clone());
        let mut counts = counts.unwrap_or_default();
        for job in configured.keys() {
            for status in [Status::Succeeded, Status::Failed] {
                counts
                    .entry((job.to_string(), status.as_str()))
                    .or_default();
            }
        }
        let mut others = 0;
        counts.retain(|(job, _), _| {
            let is_configured = configured.contains_key(job.as_str());
            others += usize::from(!is_configured);
            is_configured || others <= MOST_LABELS
        });
        let told = counts.into_iter();
        told.map(|((job, status), count)| (job, status, count))
            .collect()
    }
}

pub(super) fn encode_counts(counts: &[Count], to: &mut DescriptorEncoder) -> fmt::Result {
    counters(
        to,
        "orchestrator_job_runs",
        "Runs of this machine that have ended since the daemon began, by how",
        counts.iter().map(|(job, status, count)| {
            let labels = [("job", job.clone()), ("status", (*status).to_owned())];
            (labels, *count)
        }),
    )
}
