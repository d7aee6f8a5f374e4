//! A run's record as memory holds it. A daemon knows thousands of runs that are over, and looks at few of them: those are
//! held as their JSON, which takes a tenth of what maps and texts of their own do, and in one piece.

use std::borrow::Cow;

use jiff::Timestamp;
use uuid::Uuid;

use super::record::{RunRecord, Status, Trigger};

/// One record.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// Of a run that is under way: it changes with every event. Also one that JSON cannot hold.
    Open(Box<RunRecord>),
    /// Of a run that is over: what lists and plans are made of, and the rest.
    Closed {
        run_id: Uuid,
        job: Box<str>,
        status: Status,
        started: Timestamp,
        json: Box<[u8]>,
    },
}

impl Kept {
    pub fn new(record: RunRecord) -> Self {
        if !record.status.is_closed() {
            return Self::Open(Box::new(record));
        }
        let Ok(json) = serde_json::to_vec(&record) else {
            return Self::Open(Box::new(record));
        };
        Self::Closed {
            run_id: record.run_id,
            job: record.job.into(),
            status: record.status,
            started: record.started,
            json: json.into(),
        }
    }

    pub fn run_id(&self) -> Uuid {
        match self {
            Self::Open(record) => record.run_id,
            Self::Closed { run_id, .. } => *run_id,
        }
    }

    pub fn job(&self) -> &str {
        match self {
            Self::Open(record) => &record.job,
            Self::Closed { job, .. } => job,
        }
    }

    pub fn status(&self) -> Status {
        match self {
            Self::Open(record) => record.status,
            Self::Closed { status, .. } => *status,
        }
    }

    pub fn started(&self) -> Timestamp {
        match self {
            Self::Open(record) => record.started,
            Self::Closed { started, .. } => *started,
        }
    }

    /// All of it; what little is known besides, where its JSON cannot be read.
    pub fn whole(&self) -> Cow<'_, RunRecord> {
        match self {
            Self::Open(record) => Cow::Borrowed(record),
            Self::Closed {
                run_id,
                job,
                status,
                started,
                json,
            } => Cow::Owned(serde_json::from_slice(json).unwrap_or_else(|error| {
                tracing::warn!(run = %run_id, %error, "the record of a run cannot be read; what is known is its job and how it ended");
                RunRecord {
                    run_id: *run_id,
                    status: *status,
                    started: *started,
                    finished: Some(*started),
                    host: String::new(),
                    ..RunRecord::new(&**job, Trigger::Cli, "", "")
                }
            })),
        }
    }

    /// To be changed in all but its status; `None` once the run is over.
    pub fn open_mut(&mut self) -> Option<&mut RunRecord> {
        match self {
            Self::Open(record) => (!record.status.is_closed()).then_some(record),
            Self::Closed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::record::ErrorRecord;
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_given() {
        let mut record = RunRecord::new("backup", Trigger::Schedule, "nightly \u{1F980}", "local");
        record
            .facts
            .set("proven", json!({ "seconds": 0.1, "big": u64::MAX }));
        record.warnings.push("\u{0} \"quoted\"\n".into());
        let open = Kept::new(record.clone());
        assert_eq!(*open.whole(), record);
        record.close(Status::Failed, Some(ErrorRecord::default()), 1);
        let mut closed = Kept::new(record.clone());
        assert_eq!(*closed.whole(), record);
        assert_eq!(
            (
                closed.run_id(),
                closed.job(),
                closed.status(),
                closed.started()
            ),
            (record.run_id, "backup", Status::Failed, record.started)
        );
        assert!(closed.open_mut().is_none());
    }
    #[test]
    fn a_record_that_cannot_be_read_again_harms_nobody() {
        let mut deep = json!(1);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        let mut record = RunRecord::new("odd", Trigger::Cli, "a", "local");
        record.facts.set("deep", deep);
        record.close(Status::Failed, None, 1);
        let whole = Kept::new(record.clone()).whole().into_owned();
        assert_eq!(
            (whole.run_id, &*whole.job, whole.status, whole.started),
            (record.run_id, "odd", Status::Failed, record.started)
        );
    }
}
