//! Who hears of the runs of a job: of a schedule, or of one that was started by hand.

use jiff::Timestamp;
use uuid::Uuid;

use super::{Notice, Notifications, Phase};
use crate::config::{Name, NoticeKind};
use crate::deployment_log::{RunRecord, Status};
use crate::schedules::Ping;

/// Those who hear of it, and of what.
pub struct Audience<'a> {
    /// How they are told.
    pub notifications: Notifications,
    /// Names under `[notify]`.
    pub targets: &'a [Name],
    /// The dead man's switch.
    pub ping: Option<&'a Ping>,
    /// Whose fire it is.
    pub schedule: Option<&'a str>,
    /// When that was due.
    pub fire: Option<Timestamp>,
}

impl Audience<'_> {
    /// A run has begun.
    pub fn began(&self, record: &RunRecord) {
        let message = format!("{} has begun on {}", record.job, record.host);
        self.notice(NoticeKind::Started, record, message);
        self.ping(Phase::Start, Some(record.run_id));
    }

    /// A run has succeeded; the switch hears of it by [`Audience::ping`]. `before` is how the last one ended.
    pub fn succeeded(&self, record: &RunRecord, before: Option<Status>) {
        let job = &record.job;
        let took = record
            .duration()
            .map(|took| jiff::SignedDuration::from_secs(took.as_secs()));
        let took = took.map(|took| format!(" in {took:#}")).unwrap_or_default();
        let (kind, message) = match (record.warnings.is_empty(), before) {
            (_, Some(Status::Failed | Status::Refused)) => (
                NoticeKind::Recovered,
                format!("{job} has succeeded again{took}"),
            ),
            (false, _) => (
                NoticeKind::Warned,
                format!("{job} has succeeded with warnings{took}"),
            ),
            (true, _) => (NoticeKind::Succeeded, format!("{job} has succeeded{took}")),
        };
        self.notice(kind, record, message);
    }

    /// A run has failed, was refused or was cancelled.
    pub fn failed(&self, record: &RunRecord) {
        self.notice(NoticeKind::Failed, record, how_it_failed(record));
        self.ping(Phase::Fail, Some(record.run_id));
    }

    /// A job that should have run has not.
    pub fn missed(&self, job: &str, environment: &str, message: String) {
        self.send(Notice {
            message,
            ..Notice::about(NoticeKind::Missed, job, environment)
        });
        self.ping(Phase::Fail, None);
    }

    /// Tells the switch.
    pub fn ping(&self, phase: Phase, run: Option<Uuid>) {
        if let Some(ping) = self.ping {
            self.notifications.ping(ping, phase, run);
        }
    }

    fn notice(&self, kind: NoticeKind, record: &RunRecord, message: String) {
        self.send(Notice {
            run: Some(record.run_id),
            database: record.database.clone(),
            started: Some(record.started),
            finished: record.finished,
            error: record.error.clone(),
            warnings: record.warnings.clone(),
            message,
            ..Notice::about(kind, &record.job, &record.environment)
        });
    }

    fn send(&self, notice: Notice) {
        let notice = Notice {
            schedule: self.schedule.map(str::to_owned),
            fire: self.fire,
            ..notice
        };
        self.notifications.send(self.targets, notice);
    }
}

/// `nightly has failed: connection refused`
pub fn how_it_failed(record: &RunRecord) -> String {
    let why = record
        .error
        .as_ref()
        .map_or("", |error| error.message.as_str());
    let how = match record.status {
        status @ (Status::Cancelled | Status::Refused) => format!("was {status}"),
        status => format!("has {status}"),
    };
    format!("{} {how}: {why}", record.job)
}
