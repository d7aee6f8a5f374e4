//! Where the numbers come from: the journal, and the storages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

use archive::layout::BackupFolder;
use jiff::Timestamp;
use prometheus_client::encoding::DescriptorEncoder;

use super::{counters, gauges, seconds};
use crate::backups;
use crate::deployment_log::{RunRecord, Status};
use crate::failure::Failure;
use crate::jobs::Project;

/// Storages are asked again after this time.
const COPIES_KEPT: Duration = Duration::from_secs(60);
/// No storage holds up a scrape for longer; what it said last is told again.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Jobs, or databases, that have labels of their own: those of the configuration always do.
const MOST_LABELS: usize = 200;

/// What the journal tells of each job.
#[derive(Clone, Debug, Default)]
pub(super) struct Jobs(BTreeMap<String, Job>);

#[derive(Clone, Debug, Default)]
struct Job {
    runs: BTreeMap<&'static str, u64>,
    /// Of the last that is over.
    status: Option<Status>,
    succeeded: Option<Success>,
}

#[derive(Clone, Debug)]
struct Success {
    finished: Timestamp,
    seconds: f64,
    bytes: Option<u64>,
}

impl Jobs {
    pub fn read(project: &Project) -> Result<Self, Failure> {
        let mut jobs: BTreeMap<String, Job> = project
            .config
            .jobs
            .keys()
            .map(|name| (name.to_string(), Job::default()))
            .collect();
        let most = jobs.len() + MOST_LABELS;
        project.log.each(|record| {
            if jobs.len() < most || jobs.contains_key(&record.job) {
                jobs.entry(record.job.clone()).or_default().add(record);
            }
        })?;
        Ok(Self(jobs))
    }

    pub fn encode(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        let label = |job: &String| [("job", job.clone())];
        counters(
            to,
            "orchestrator_job_runs",
            "Runs by how they ended, as far back as this machine's journal goes",
            self.0.iter().flat_map(|(name, job)| {
                job.runs.iter().map(|(status, count)| {
                    let labels = [("job", name.clone()), ("status", (*status).to_owned())];
                    (labels, *count)
                })
            }),
        )?;
        gauges(
            to,
            "orchestrator_job_last_status",
            "1 for how the job's last run ended",
            self.0.iter().filter_map(|(name, job)| {
                let labels = [
                    ("job", name.clone()),
                    ("status", job.status?.as_str().to_owned()),
                ];
                Some((labels, 1_u64))
            }),
        )?;
        let succeeded = || {
            self.0
                .iter()
                .filter_map(move |(name, job)| Some((label(name), job.succeeded.as_ref()?)))
        };
        gauges(
            to,
            "orchestrator_job_last_success_timestamp_seconds",
            "When the job's last successful run ended, as a Unix time",
            succeeded().map(|(labels, last)| (labels, seconds(last.finished))),
        )?;
        gauges(
            to,
            "orchestrator_job_last_success_duration_seconds",
            "How long the job's last successful run took",
            succeeded().map(|(labels, last)| (labels, last.seconds)),
        )?;
        gauges(
            to,
            "orchestrator_job_last_success_bytes",
            "What the job's last successful run stored or read, where it says so",
            succeeded().filter_map(|(labels, last)| Some((labels, last.bytes?))),
        )
    }
}

impl Job {
    /// Runs come in the order in which they began.
    fn add(&mut self, record: &RunRecord) {
        *self.runs.entry(record.status.as_str()).or_default() += 1;
        let Some(finished) = record.finished else {
            return;
        };
        self.status = Some(record.status);
        if record.status == Status::Succeeded {
            let bytes = record
                .steps
                .iter()
                .find_map(|step| step.result.as_ref()?.get("bytes")?.as_u64());
            self.succeeded = Some(Success {
                finished,
                seconds: record
                    .duration()
                    .map_or(0.0, |duration| duration.as_secs_f64()),
                bytes,
            });
        }
    }
}

/// What the storages tell of backups, and the journal of those that were proven.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    read: Option<Instant>,
    /// By storage and database: when the newest backup was begun.
    newest: BTreeMap<(String, String), Timestamp>,
    /// By database: when the newest one was begun that was restored and compared.
    proven: BTreeMap<String, Timestamp>,
    /// Whether each storage answered.
    answered: BTreeMap<String, bool>,
}

impl Copies {
    /// Asks anew where it is time to; a storage that does not answer keeps what it said last.
    pub async fn refresh(&mut self, project: &Project) {
        let is_fresh = self.read.is_some_and(|read| read.elapsed() < COPIES_KEPT);
        if let Ok(proven) = last_proven(project) {
            self.proven = proven;
        }
        if is_fresh {
            return;
        }
        self.answered.clear();
        let known: BTreeSet<String> = project
            .config
            .storage
            .keys()
            .map(ToString::to_string)
            .collect();
        self.newest
            .retain(|(storage, _), _| known.contains(storage));
        for name in known {
            let asked = tokio::time::timeout(STORAGE_TIMEOUT, newest(project, &name)).await;
            let answer = match asked {
                Ok(Ok(folders)) => Some(folders),
                Ok(Err(failure)) => {
                    tracing::debug!("metrics: the storage {name}: {failure}");
                    None
                }
                Err(_) => None,
            };
            self.answered.insert(name.clone(), answer.is_some());
            let Some(folders) = answer else { continue };
            self.newest.retain(|(storage, _), _| *storage != name);
            for folder in folders.into_iter().take(MOST_LABELS) {
                if let Ok(begun) = backups::begun(&folder) {
                    self.newest.insert((name.clone(), folder.database), begun);
                }
            }
        }
        self.read = Some(Instant::now());
    }

    pub fn encode(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        gauges(
            to,
            "orchestrator_storage_up",
            "Whether the storage answered: 1 or 0",
            self.answered
                .iter()
                .map(|(storage, up)| ([("storage", storage.clone())], u64::from(*up))),
        )?;
        gauges(
            to,
            "orchestrator_newest_backup_timestamp_seconds",
            "When the newest whole backup was begun, as a Unix time",
            self.newest.iter().map(|((storage, database), begun)| {
                let labels = [("storage", storage.clone()), ("database", database.clone())];
                (labels, seconds(*begun))
            }),
        )?;
        gauges(
            to,
            "orchestrator_last_proven_backup_timestamp_seconds",
            "When the newest backup was begun that was restored and compared, as a Unix time",
            self.proven
                .iter()
                .map(|(database, begun)| ([("database", database.clone())], seconds(*begun))),
        )
    }
}

async fn newest(project: &Project, storage: &str) -> Result<Vec<BackupFolder>, Failure> {
    let storage = project.storage(storage).await?;
    backups::newest(storage.objects.as_ref()).await
}

/// By the database's name on the server: when the newest backup was begun that was proven to restore.
fn last_proven(project: &Project) -> Result<BTreeMap<String, Timestamp>, Failure> {
    let mut newest: BTreeMap<String, Timestamp> = BTreeMap::new();
    for proven in project.log.proven()? {
        let folder = BackupFolder::parse(&format!("{}/{}", proven.database, proven.backup));
        let Some(begun) = folder.ok().and_then(|folder| backups::begun(&folder).ok()) else {
            continue;
        };
        if newest.len() < MOST_LABELS || newest.contains_key(&proven.database) {
            let known = newest.entry(proven.database).or_insert(begun);
            *known = begun.max(*known);
        }
    }
    Ok(newest)
}
