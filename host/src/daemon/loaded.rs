//! The configuration and the schedules as they are now. What is broken keeps what was there before, and is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{info, warn};

use crate::config::http::gone;
use crate::config::{Config, HttpSettings, Name, Schedules, Step};
use crate::deployment_log::Redactor;
use crate::failure::Failure;
use crate::jobs::{Project, register_url};
use crate::notifications::{Notifications, TableRecorder};
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
    /// Tokens that are gone from a file that cannot be used otherwise.
    revoked: BTreeSet<Name>,
    seen: Seen,
    /// The configuration could not be read, which may pass by itself (a secret's file, a folder on the network): when that was.
    failed: Option<Instant>,
}

/// How soon a configuration that could not be read is tried again, though no file has changed.
const AGAIN: Duration = Duration::from_secs(30);

/// The files as they lay before they were read: when one of them is another, all are read again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// What lies in the folder of schedules.
    folder: BTreeMap<PathBuf, FileState>,
    /// What was read: the configuration, schedules, and the files that hold their secrets.
    read: BTreeMap<PathBuf, FileState>,
}

/// When a file was written, and its size in bytes; none of one that is not there.
type FileState = Option<(SystemTime, u64)>;

impl Loaded {
    /// The first time, a broken configuration is an error; a broken schedule is not.
    pub fn first(loader: &dyn Loader) -> Result<Self, Failure> {
        let config = loader.config()?;
        let seen = Seen::of(&config.schedules, config.files());
        let schedules = Schedules::read(&config);
        let seen = seen.of_what_was_read(config.files().into_iter().chain(schedules.files.clone()));
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
            revoked: BTreeSet::new(),
            seen,
            failed: None,
        })
    }

    /// Reads everything again.
    pub fn again(&self, loader: &dyn Loader) -> Self {
        let seen = self.look_again();
        let read = loader.config().and_then(|config| loader.project(config));
        let project = match read {
            Ok(project) => Arc::new(project),
            Err(failure) => {
                let hint = failure
                    .hint
                    .as_ref()
                    .map(|hint| format!(" ({hint})"))
                    .unwrap_or_default();
                let revoked = self.revoked_too();
                let but = match revoked.is_empty() {
                    true => String::new(),
                    false => {
                        let names: Vec<&str> = revoked.iter().map(Name::as_str).collect();
                        format!(
                            ", but for tokens that are gone from it: {}",
                            names.join(", ")
                        )
                    }
                };
                return Self {
                    project: self.project.clone(),
                    schedules: self.schedules.clone(),
                    problems: vec![format!(
                        "the configuration stays as it was{but}: {failure}{hint}"
                    )],
                    at: self.at,
                    revoked,
                    seen,
                    failed: Some(Instant::now()),
                };
            }
        };
        for key in kept_until_restart(&self.project.config, &project.config) {
            warn!(
                "[daemon] {key} has changed: the daemon goes on as before until it is started again"
            );
        }
        let read = Schedules::read(&project.config);
        let files = project.config.files().into_iter();
        let seen = seen.of_what_was_read(files.chain(read.files.clone()));
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
        // Where the folder itself cannot be read, nobody has said that any of them is gone.
        let is_unread = broken.contains(&project.config.schedules);
        for (name, schedule) in &self.schedules {
            // One whose job is gone cannot be kept.
            if (is_unread || broken.contains(&schedule.file))
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
            revoked: BTreeSet::new(),
            seen,
            failed: is_unread.then(Instant::now),
        }
    }

    /// Who is answered by HTTP.
    pub fn http_settings(&self) -> HttpSettings {
        let mut settings = self.project.config.http.clone();
        settings
            .tokens
            .retain(|name, _| !self.revoked.contains(name));
        settings
    }

    /// Tokens that open nothing any more, though the file that says so cannot be used.
    fn revoked_too(&self) -> BTreeSet<Name> {
        let config = &self.project.config;
        let text = config.file.as_ref().map(std::fs::read_to_string);
        let mut revoked = self.revoked.clone();
        if let Some(Ok(text)) = text {
            revoked.extend(gone(&config.http.tokens, &text));
        }
        revoked
    }

    /// Tells the log what is wrong. What cannot be read is quoted, and may hold a secret that stands in the wrong place.
    pub fn warn_of_problems(&self) {
        for problem in &self.problems {
            warn!("{}", self.project.log.redactor().text(problem));
        }
    }

    /// Those who are told of runs.
    pub fn notifications(&self) -> Notifications {
        let config = &self.project.config;
        Notifications::start(
            config,
            self.redactor(),
            Arc::new(TableRecorder::new(config)),
        )
    }

    /// From now on they are those of this configuration.
    pub fn reload(&self, notifications: &Notifications) {
        let config = &self.project.config;
        notifications.reload(
            config,
            self.redactor(),
            Arc::new(TableRecorder::new(config)),
        );
    }

    /// The addresses of dead man's switches are secrets that the configuration knows nothing of.
    fn redactor(&self) -> Redactor {
        let redactor = self.project.log.redactor();
        for schedule in self.schedules.values() {
            if let Some(ping) = &schedule.ping {
                register_url(redactor, ping.url());
            }
        }
        redactor.clone()
    }

    /// Whether a file has changed since it was read, or could not be read then.
    pub fn is_stale(&self) -> bool {
        self.failed.is_some_and(|at| at.elapsed() >= AGAIN) || self.look_again() != self.seen
    }

    fn look_again(&self) -> Seen {
        let read = self.seen.read.keys().cloned();
        Seen::of(&self.project.config.schedules, read)
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

/// Settings that a daemon reads when it starts.
fn kept_until_restart(before: &Config, after: &Config) -> Vec<&'static str> {
    let changes = [
        ("listen", before.http.listen != after.http.listen),
        ("grace", before.daemon.grace != after.daemon.grace),
        ("lease", before.daemon.lease != after.daemon.lease),
        (
            "max_concurrent_jobs",
            before.daemon.max_concurrent_jobs != after.daemon.max_concurrent_jobs,
        ),
    ];
    let changed = changes.into_iter().filter(|(_, has_changed)| *has_changed);
    changed.map(|(key, _)| key).collect()
}

fn shared(read: Schedules) -> BTreeMap<Name, Arc<Schedule>> {
    let schedules = read.schedules.into_iter();
    schedules
        .map(|(name, schedule)| (name, Arc::new(schedule)))
        .collect()
}

impl Seen {
    fn of(schedules: &Path, read: impl IntoIterator<Item = PathBuf>) -> Self {
        let listed = std::fs::read_dir(schedules).into_iter().flatten().flatten();
        Self {
            folder: states(listed.map(|entry| entry.path())),
            read: states(read),
        }
    }

    /// Afterwards it is known which files were read. Those that nobody expected are as they lie now.
    fn of_what_was_read(mut self, files: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut read = states(files);
        for (file, state) in &mut read {
            let before = self.read.remove(file);
            if let Some(before) = before.or_else(|| self.folder.get(file).copied()) {
                *state = before;
            }
        }
        Self { read, ..self }
    }
}

fn states(files: impl IntoIterator<Item = PathBuf>) -> BTreeMap<PathBuf, FileState> {
    let state = |file: PathBuf| {
        let found = std::fs::metadata(&file).ok();
        let state = found.and_then(|found| Some((found.modified().ok()?, found.len())));
        (file, state)
    };
    files.into_iter().map(state).collect()
}
