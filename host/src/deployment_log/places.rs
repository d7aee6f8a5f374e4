//! Where the entries of runs stand: in the log, or in the files of their months.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::error::LogError;
use super::markdown::{read, shown};
use super::months::{self, Length};
use super::record::{RunRecord, Status};

/// Where an entry belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Log,
    /// `2026-11`
    Month(String),
}

/// What the log and its months' files show. A month is read when somebody asks for a run of it, and once.
pub(super) struct Places {
    path: PathBuf,
    log: BTreeMap<Uuid, String>,
    months: BTreeMap<String, Result<BTreeMap<Uuid, String>, LogError>>,
}

impl Places {
    /// Of the log with this text.
    pub fn of(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            log: shown(text),
            months: BTreeMap::new(),
        }
    }

    /// Of the log at this path. An absent file shows nothing.
    pub fn read(path: &Path) -> Result<Self, LogError> {
        Ok(Self::of(path, &read(path)?))
    }

    /// Whether a run's entry stands somewhere with this status. In a month whose file cannot be read it does, as far as anybody can do
    /// something about it; see `errors`.
    pub fn show(&mut self, run: Uuid, status: Status) -> bool {
        if let Some(shown) = self.log.get(&run) {
            return shown == status.as_str();
        }
        match self.month_of(run).map(|month| self.month(&month)) {
            None => false,
            Some(Ok(month)) => month.get(&run).is_some_and(|it| it == status.as_str()),
            Some(Err(_)) => true,
        }
    }

    /// Where a run's entry is to be written: where it stands. A new one belongs in the log, unless it would be moved out of it at once.
    pub fn place(&mut self, record: &RunRecord, length: Length) -> Place {
        let run = record.run_id;
        if self.log.contains_key(&run) {
            return Place::Log;
        }
        // An id begins with the time of its run.
        let last_kept = self.log.keys().rev().nth(length.kept.saturating_sub(1));
        let is_beyond = last_kept.is_some_and(|last| run < *last);
        let Some(month) = self.month_of(run) else {
            return Place::Log;
        };
        match self.month(&month) {
            Ok(shown) if shown.contains_key(&run) => Place::Month(month),
            Ok(_) if is_beyond && record.status.is_closed() => Place::Month(month),
            _ => Place::Log,
        }
    }

    /// Why months' files could not be read.
    pub fn errors(&self) -> impl Iterator<Item = &LogError> {
        self.months
            .values()
            .filter_map(|month| month.as_ref().err())
    }

    /// The month in whose file a run that the log lacks may stand: none where it is newer than all that the log shows, as that of a run
    /// which begins. So the files of months are not read at every run.
    fn month_of(&self, run: Uuid) -> Option<String> {
        match self.log.last_key_value() {
            Some((newest, _)) if run > *newest => None,
            _ => months::month(run),
        }
    }

    fn month(&mut self, month: &str) -> &Result<BTreeMap<Uuid, String>, LogError> {
        let path = months::path(&self.path, month);
        let read = || read(&path).map(|text| shown(&text));
        self.months.entry(month.to_owned()).or_insert_with(read)
    }
}
