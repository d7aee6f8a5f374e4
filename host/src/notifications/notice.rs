//! What is told.

use jiff::Timestamp;
use uuid::Uuid;

use crate::config::NoticeKind;
use crate::deployment_log::{ErrorRecord, Redactor};
use crate::text::{printable, shortened};

/// One thing to tell.
#[derive(Clone, Debug)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// The schedule that ran the job, or did not.
    pub schedule: Option<String>,
    /// The job.
    pub job: String,
    /// The run, where there is one.
    pub run: Option<Uuid>,
    /// `local`, `staging` or `production`.
    pub environment: String,
    /// The machine.
    pub host: String,
    /// The binding of the database, where the run has one.
    pub database: Option<String>,
    /// When it should have run.
    pub fire: Option<Timestamp>,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Why it did not succeed.
    pub error: Option<ErrorRecord>,
    /// Each in one sentence.
    pub warnings: Vec<String>,
    /// One sentence for people.
    pub message: String,
}

/// Where a run stands, to a dead man's switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It began.
    Start,
    /// It is done.
    Success,
    /// It failed.
    Fail,
}

/// Longer texts are cut: Slack and others refuse long messages.
pub(super) const LONGEST: usize = 2000;

/// More warnings than anybody reads in a notice; the report has all.
const MOST_WARNINGS: usize = 20;

impl Notice {
    /// A notice that only says that notices arrive.
    pub fn test(environment: &str) -> Self {
        let mut notice = Self::about(NoticeKind::Test, "test", environment);
        notice.message = format!(
            "a test: notices of orchestrator on {} arrive here",
            notice.host
        );
        notice
    }

    /// From this machine, with nothing but what every notice has.
    pub(super) fn about(kind: NoticeKind, job: &str, environment: &str) -> Self {
        Self {
            kind,
            schedule: None,
            job: job.to_owned(),
            run: None,
            environment: environment.to_owned(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            database: None,
            fire: None,
            started: None,
            finished: None,
            error: None,
            warnings: Vec::new(),
            message: String::new(),
        }
    }

    /// Without secrets and control characters, and not too long.
    pub(super) fn redacted(mut self, redactor: &Redactor) -> Self {
        // Cut last: of a secret that is cut, nobody knows what it was.
        let clean = |text: &str| shortened(&clean(text, redactor), LONGEST);
        self.message = clean(&self.message);
        self.warnings.truncate(MOST_WARNINGS);
        self.warnings
            .iter_mut()
            .for_each(|warning| *warning = clean(warning));
        self.error = self.error.map(|error| ErrorRecord {
            message: clean(&error.message),
            detail: error.detail.as_deref().map(clean),
            hint: error.hint.as_deref().map(clean),
            ..error
        });
        self
    }

    /// `[production] nightly failed on db1`
    pub(super) fn title(&self) -> String {
        let what = match self.kind {
            NoticeKind::Started => "began",
            NoticeKind::Succeeded => "succeeded",
            NoticeKind::Warned => "succeeded with warnings",
            NoticeKind::Failed => "failed",
            NoticeKind::Missed => "has not run when it should",
            NoticeKind::Recovered => "succeeds again",
            NoticeKind::Test => "of notices",
        };
        format!(
            "[{}] {} {what} on {}",
            self.environment, self.job, self.host
        )
    }

    /// Names and values of what is known, in the order in which people read them.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let time = |time: Option<Timestamp>| {
            time.map(|time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        };
        let error = self.error.as_ref();
        [
            ("job", Some(self.job.clone())),
            ("schedule", self.schedule.clone()),
            ("environment", Some(self.environment.clone())),
            ("host", Some(self.host.clone())),
            ("database", self.database.clone()),
            ("run", self.run.map(|run| run.to_string())),
            ("due", time(self.fire)),
            ("started", time(self.started)),
            ("finished", time(self.finished)),
            ("error", error.map(|error| error.message.clone())),
            ("detail", error.and_then(|error| error.detail.clone())),
            ("hint", error.and_then(|error| error.hint.clone())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .chain(
            self.warnings
                .iter()
                .map(|warning| ("warning", warning.clone())),
        )
        .collect()
    }
}

/// Without secrets and control characters. Looked through once more in the end: what stood between the parts of a secret may be gone.
pub(super) fn clean(text: &str, redactor: &Redactor) -> String {
    redactor.text(&printable(&redactor.text(text)))
}
