//! The record of every run: journal, table, Markdown.
//!
//! ```text
//!            1 journal.jsonl      first, synced; the truth on this machine
//! a run  ->  2 reports/<run>.md   at its end
//!            3 DEPLOYMENT_LOG.md  last: an entry with the right status means that the report is there too
//!            4 orchestrator.deployment_log, whenever the database is there; what it missed is replayed
//! ```
//!
//! A process may be killed between any two of these. Whatever the journal holds and a later place lacks is written at the
//! next start (2, 3) and at the next connection (4). Records move forward only, so it does not matter who comes first.

mod blocks;
mod damaged;
mod entry;
mod error;
mod escape;
mod exchange;
mod facts;
mod history;
mod interruption;
mod journal;
mod kept;
mod known;
mod last_runs;
mod lasting;
mod layout;
mod listing;
mod markdown;
mod months;
mod places;
mod proven;
mod record;
mod redaction;
mod replace;
mod report;
mod run;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

pub use error::LogError;
pub use exchange::Attached;
pub use facts::{Facts, Verification};
pub use history::{Draft, LoginRole, Scratch};
pub use interruption::Interrupted;
pub use last_runs::{EndedRun, EndedRuns, LastRuns};
pub use listing::Page;
pub use proven::{Proven, last_success};
pub use record::{ErrorRecord, RunRecord, Status, StepRecord, Trigger, now};
pub use redaction::{REDACTED, Redactor};
pub use report::report as report_text;
pub use run::{RunGuard, Unclosed};

use history::{Event, History};
use interruption::Claim;
use journal::Journal;
use kept::Kept;
use months::Length;
use places::Places;
use replace::{lock, replace};

/// Where the log lies on this machine.
#[derive(Clone, Debug)]
pub struct LogPaths {
    /// A folder for the journal and its locks; readable by its owner alone. On a local disk: it needs file locks.
    pub state: PathBuf,
    /// `DEPLOYMENT_LOG.md`.
    pub markdown: PathBuf,
    /// A folder for one report a run.
    pub reports: PathBuf,
}

/// The log of one project on one machine. Clones are the same log.
#[derive(Clone, Debug)]
pub struct DeploymentLog {
    paths: Arc<LogPaths>,
    journal: Journal,
    redactor: Redactor,
    /// Of `DEPLOYMENT_LOG.md`.
    length: Length,
}

/// A run that was closed and written down.
#[derive(Clone, Debug)]
pub struct Written {
    /// As it was written: without secrets.
    pub record: RunRecord,
    /// What could not be written besides the journal, each in one sentence.
    pub warnings: Vec<String>,
}

impl DeploymentLog {
    /// Opens the log, makes its state folder, and writes down what a killed process did not. Secrets registered with
    /// `redactor`, also later, are kept out of everything.
    pub fn open(paths: LogPaths, redactor: Redactor) -> Result<Self, LogError> {
        Self::open_with(paths, redactor, months::LENGTH)
    }

    fn open_with(paths: LogPaths, redactor: Redactor, length: Length) -> Result<Self, LogError> {
        let journal = Journal::open(&paths.state)?;
        let log = Self {
            paths: Arc::new(paths),
            journal,
            redactor,
            length,
        };
        let history = log.journal.read()?;
        log.sweep_locks(&history)?;
        for warning in log.write_missing(&history) {
            tracing::warn!("{warning}");
        }
        Ok(log)
    }

    /// Records the start of a run, before its first effect. A run that cannot be recorded must not begin.
    pub fn start(&self, record: RunRecord) -> Result<RunGuard, LogError> {
        let record = self.redactor.record(record);
        let run = record.run_id;
        // The lock comes first: whoever reads of the run must find it alive.
        let claim = Claim::take(&self.paths.state, run)?.ok_or(LogError::AlreadyStarted(run))?;
        let started = Event::Started {
            record: Box::new(record),
        };
        if let Err(error) = self.journal.append(vec![started]) {
            // Best effort: what stays is swept at the next start.
            let _ = claim.release();
            return Err(error);
        }
        for warning in self.write_down(&[run]) {
            tracing::warn!("{warning}");
        }
        Ok(RunGuard::new(self.clone(), claim))
    }

    /// What keeps secrets out of this log.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The report of a run, which is there once the run is closed.
    pub fn report_path(&self, run: Uuid) -> PathBuf {
        self.paths.reports.join(format!("{run}.md"))
    }

    fn write_closed(&self, record: RunRecord) -> Result<Written, LogError> {
        let record = self.redactor.record(record);
        self.journal.append(vec![Event::Finished {
            record: Box::new(record.clone()),
        }])?;
        let warnings = self.write_down(&[record.run_id]);
        Ok(Written { record, warnings })
    }

    /// Writes reports and entries of runs as the journal has them now. What fails is a warning: the next start tries again.
    fn write_down(&self, runs: &[Uuid]) -> Vec<String> {
        if runs.is_empty() {
            return Vec::new();
        }
        let errors = self.written_down(runs).unwrap_or_else(|error| vec![error]);
        errors.iter().map(told).collect()
    }

    /// Returns why some entries are not where they belong.
    fn written_down(&self, runs: &[Uuid]) -> Result<Vec<LogError>, LogError> {
        let _turn = lock(&self.paths.state.join("markdown.lock"))?;
        // Read under the lock, so that nobody puts an older state over a newer one.
        let history = self.journal.read()?;
        let known = runs.iter().filter_map(|run| history.run(*run));
        let records: Vec<Cow<RunRecord>> = known.map(|run| run.record.whole()).collect();
        let records: Vec<&RunRecord> = records.iter().map(Cow::as_ref).collect();
        for record in records.iter().filter(|record| record.status.is_closed()) {
            replace(
                &self.report_path(record.run_id),
                &[report::report(record)],
                0o666,
            )?;
        }
        let link = |run| self.report_link(run);
        markdown::update(&self.paths.markdown, &records, self.length, link)
    }

    /// Writes down the runs that neither `DEPLOYMENT_LOG.md` nor the file of their month shows as they are.
    fn write_missing(&self, history: &History) -> Vec<String> {
        let mut places = match Places::read(&self.paths.markdown) {
            Ok(places) => places,
            Err(error) => return vec![error.to_string()],
        };
        let stale: Vec<Uuid> = history
            .runs()
            .map(|run| &run.record)
            .filter(|record| !places.show(record.run_id(), record.status()))
            .map(Kept::run_id)
            .collect();
        let mut warnings: Vec<String> = places.errors().map(told).collect();
        for warning in self.write_down(&stale) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        warnings
    }

    /// From the log's folder to a report, where the reports lie below it.
    fn report_link(&self, run: Uuid) -> Option<String> {
        let folder = self.paths.markdown.parent().unwrap_or(Path::new(""));
        let path = self.report_path(run);
        let link = path.strip_prefix(folder).ok()?.to_str()?;
        Some(
            link.replace(' ', "%20")
                .replace('(', "%28")
                .replace(')', "%29"),
        )
    }
}

/// An error of a copy of the record, as a warning.
fn told(error: &LogError) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}, and the next command writes it"),
        None => error.to_string(),
    }
}
