//! The configuration and the schedules as they are now. What is broken keeps what was there before, and is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::info;

use super::notifications::{Notifications, TableRecorder};
use crate::config::{Config, Name, Schedules, Step};
use crate::failure::Failure;
use crate::jobs::{Project, register_url};
use crate::schedules::Schedule;

/// Where a configuration comes from.
pub trait Loader: Send + Sync {
    /// Reads it.
    fn config(&self) -> Result<Config, Failure>;
    /// Opens its log.
    fn project(&self, config: Config) -> Result<Project, Failure>;
}

/// What the daemon works with; another one after each reload.
pub struct Loaded {
    /// Of the configuration.
    pub project: Arc<Project>,
    /// By name.
    pub schedules: BTreeMap<Name, Arc<Schedule>>,
    /// What is wrong with which file, each in one sentence.
    pub problems: Vec<String>,
    /// Since when.
    pub at: jiff::Timestamp,
    signature: Signature,
}

/// The files as they lie: when one of them is another, all are read again.
type Signature = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Loaded {
    /// The first time, a broken configuration is an error; a broken schedule is not.
    pub fn first(loader: &dyn Loader) -> Result<Self, Failure> {
        let config = loader.config()?;
        let signature = signature(&config);
        let schedules = Schedules::read(&config);
        let problems = schedules
            .problems
            .iter()
            .map(|problem| Failure::from(problem.clone()).to_string())
            .collect();
        Ok(Self {
            project: Arc::new(loader.project(config)?),
            schedules: shared(schedules),
            problems,
            at: jiff::Timestamp::now(),
            signature,
        })
    }

    /// Reads everything again.
    pub fn again(&self, loader: &dyn Loader) -> Self {
        let signature = signature(&self.project.config);
        let read = loader.config().and_then(|config| loader.project(config));
        let project = match read {
            Ok(project) => Arc::new(project),
            Err(failure) => {
                let hint = failure
                    .hint
                    .as_ref()
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                return Self {
                    project: self.project.clone(),
                    schedules: self.schedules.clone(),
                    problems: vec![format!(
                        "the configuration stays as it was: {failure}{hint}"
                    )],
                    at: self.at,
                    signature,
                };
            }
        };
        let read = Schedules::read(&project.config);
        let broken: Vec<PathBuf> = read
            .problems
            .iter()
            .filter_map(|problem| problem.file().map(Path::to_path_buf))
            .collect();
        let problems = read
            .problems
            .iter()
            .map(|problem| {
                format!(
                    "{}; what it said before still holds",
                    Failure::from(problem.clone())
                )
            })
            .collect();
        let mut schedules = shared(read);
        for (name, schedule) in &self.schedules {
            // One whose job is gone cannot be kept.
            if broken.contains(&schedule.file)
                && !schedules.contains_key(name)
                && project.config.jobs.contains_key(&schedule.job)
            {
                schedules.insert(name.clone(), schedule.clone());
            }
        }
        info!(
            "the configuration was read again: {} schedules",
            schedules.len()
        );
        Self {
            project,
            schedules,
            problems,
            at: jiff::Timestamp::now(),
            signature,
        }
    }

    /// Those who are told of runs. The addresses of dead man's switches are secrets that the configuration knows nothing of.
    pub fn notifications(&self) -> Notifications {
        let (config, log) = (&self.project.config, &self.project.log);
        for schedule in self.schedules.values() {
            if let Some(ping) = &schedule.ping {
                register_url(log.redactor(), ping.url());
            }
        }
        Notifications::start(
            config,
            log.redactor().clone(),
            Arc::new(TableRecorder::new(config)),
        )
    }

    /// Whether a file has changed since it was read.
    pub fn is_stale(&self) -> bool {
        signature(&self.project.config) != self.signature
    }

    /// The steps of a job; none of one that is gone, which then fails by that.
    pub fn steps(&self, job: &str) -> &[Step] {
        self.project
            .config
            .jobs
            .get(job)
            .map_or(&[], |job| &job.steps)
    }
}

fn shared(read: Schedules) -> BTreeMap<Name, Arc<Schedule>> {
    let schedules = read.schedules.into_iter();
    schedules
        .map(|(name, schedule)| (name, Arc::new(schedule)))
        .collect()
}

fn signature(config: &Config) -> Signature {
    let listed = std::fs::read_dir(&config.schedules)
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<PathBuf> = listed.map(|entry| entry.path()).collect();
    files.sort();
    files.extend(config.file.clone());
    let state = |file: PathBuf| {
        let data = std::fs::metadata(&file).ok();
        let size = data.as_ref().map_or(0, std::fs::Metadata::len);
        (file, data.and_then(|data| data.modified().ok()), size)
    };
    files.into_iter().map(state).collect()
}
