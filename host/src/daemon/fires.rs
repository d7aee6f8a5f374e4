//! One fire, from its claim to its end: jitter, overlap, a turn, the run, and again when it failed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::claims::{Claim, Ending};
use super::decision;
use super::held::Hold;
use super::notifications::{Notice, Phase};
use super::running::Interest;
use super::{Daemon, Loaded};
use crate::config::NoticeKind;
use crate::deployment_log::{RunRecord, Status, Trigger};
use crate::failure::{Failure, FailureKind};
use crate::jobs::{self, RunRequest};
use crate::schedules::{Missed, Overlap, Schedule};

/// How long a run that could not even be recorded (a full disk) is tried again.
const RECORDED_WITHIN: Duration = Duration::from_secs(3600);
/// How often it is tried, and how often an earlier fire of the schedule is looked for.
const AGAIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);

/// How the work on a fire ended.
#[derive(Debug)]
enum Outcome {
    /// It is answered for.
    Ended(Ending),
    /// The daemon is stopping: others, or the next start, take it over.
    Released,
    /// It is another daemon's.
    Lost,
}

/// A fire that this daemon answers for.
pub(super) struct Firing<'a> {
    pub daemon: &'a Daemon,
    pub loaded: &'a Loaded,
    pub schedule: &'a Schedule,
    /// It is later than a restart takes.
    pub is_late: bool,
}

impl Firing<'_> {
    /// Runs the job, and writes down how it ended.
    pub async fn answer(&self, claim: Claim) {
        let hold = self.daemon.held.hold(claim);
        match self.work(&hold).await {
            Outcome::Ended(ending) => {
                self.settle(&hold, &ending).await;
            }
            Outcome::Released => {
                if let Err(failure) = self.daemon.claims.release(&hold.claim).await {
                    warn!(schedule = %self.schedule.name, "a fire could not be let go of, its lease will run out: {failure}");
                }
            }
            Outcome::Lost => {
                warn!(schedule = %self.schedule.name, fire = %hold.claim.fire, "another daemon has taken the fire over");
            }
        }
    }

    async fn work(&self, hold: &Hold<'_>) -> Outcome {
        let claim = &hold.claim;
        if claim.attempt == 1
            && !self.is_late
            && !self
                .waited(hold, decision::jitter(self.schedule, claim.fire))
                .await
        {
            return self.cut(hold);
        }
        match self.earlier_is_over(hold).await {
            Ok(true) => {}
            Ok(false) => return self.skip(hold).await,
            Err(outcome) => return outcome,
        }
        let mut runs = u32::try_from(claim.runs).unwrap_or(0);
        let mut unrecorded: Option<Instant> = None;
        loop {
            let turn = tokio::select! {
                turn = self.daemon.runs.turn() => turn,
                () = self.daemon.stop.cancelled() => return Outcome::Released,
                () = hold.lost.cancelled() => return Outcome::Lost,
            };
            let Ok(turn) = turn else {
                return Outcome::Released;
            };
            let is_last = runs + 1 >= self.schedule.retry.attempts;
            let watch = FireWatch {
                firing: self,
                hold,
                is_last,
                is_settled: AtomicBool::new(false),
            };
            let cancel = self.daemon.kill.child_token();
            let lost = hold.lost.clone();
            let cancelled = cancel.clone();
            // A fire that is another daemon's must not be run by two.
            let guard = tokio::spawn(async move {
                lost.cancelled().await;
                cancelled.cancel();
            });
            let run = self
                .daemon
                .runs
                .run(
                    &self.loaded.project,
                    self.request(claim.fire),
                    Some(self.schedule.name.to_string()),
                    cancel,
                    &watch,
                )
                .await;
            guard.abort();
            drop(turn);
            let outcome = match run {
                Ok(outcome) => outcome,
                Err(failure) => {
                    if watch.is_settled.load(Ordering::Relaxed) {
                        warn!(schedule = %self.schedule.name, "{failure}");
                        return Outcome::Lost;
                    }
                    warn!(schedule = %self.schedule.name, "the run could not be recorded, so it was not begun: {failure}");
                    let since = *unrecorded.get_or_insert_with(|| {
                        self.alarm(claim.fire, &failure);
                        Instant::now()
                    });
                    if since.elapsed() > RECORDED_WITHIN {
                        return Outcome::Ended(Ending {
                            status: Status::Failed,
                            message: Some(failure.to_string()),
                        });
                    }
                    match self.waited(hold, AGAIN).await {
                        true => continue,
                        false => return self.cut(hold),
                    }
                }
            };
            runs += 1;
            if hold.lost.is_cancelled() {
                return Outcome::Lost;
            }
            let record = &outcome.record;
            let ending = self.ending(record, is_last);
            let before = match record.status {
                // Worth a question only where somebody may be told that all is well again.
                Status::Succeeded => self
                    .daemon
                    .claims
                    .outcome_before(claim)
                    .await
                    .unwrap_or_default(),
                _ => None,
            };
            self.tell_end(record, claim.fire, ending.is_some(), before.as_deref());
            if let Some(ending) = ending {
                return Outcome::Ended(ending);
            }
            if record.status == Status::Cancelled {
                return Outcome::Released;
            }
            let Some(wait) = self.schedule.retry.wait_after(runs) else {
                return Outcome::Ended(Ending {
                    status: record.status,
                    message: None,
                });
            };
            info!(schedule = %self.schedule.name, "run {} of {} failed; the next one begins in {wait:?}", runs, self.schedule.retry.attempts);
            if !self.waited(hold, wait).await {
                return self.cut(hold);
            }
        }
    }

    /// How the fire ended, if this run was the last one of it.
    fn ending(&self, record: &RunRecord, is_last: bool) -> Option<Ending> {
        let message = record.error.as_ref().map(|error| error.message.clone());
        let status = record.status;
        let may_repeat = match record.error.as_ref().map(|error| error.kind.as_str()) {
            // The same words would be refused again.
            Some(kind) => {
                kind != FailureKind::InvalidInput.name() && kind != FailureKind::Refused.name()
            }
            None => true,
        };
        let ends = match status {
            Status::Failed => is_last || !may_repeat,
            // Cut by the daemon's end: whoever comes next runs it, unless missed fires are left out.
            Status::Cancelled => {
                !self.daemon.kill.is_cancelled() || self.schedule.missed == Missed::Skip
            }
            _ => true,
        };
        ends.then_some(Ending { status, message })
    }

    /// Waits, unless the daemon stops or the fire is lost.
    async fn waited(&self, hold: &Hold<'_>, how_long: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(how_long) => true,
            () = self.daemon.stop.cancelled() => false,
            () = hold.lost.cancelled() => false,
        }
    }

    fn cut(&self, hold: &Hold<'_>) -> Outcome {
        match hold.lost.is_cancelled() {
            true => Outcome::Lost,
            false => Outcome::Released,
        }
    }

    /// Whether the job may begin: `false` when an earlier fire is being worked on and this one is to be skipped.
    async fn earlier_is_over(&self, hold: &Hold<'_>) -> Result<bool, Outcome> {
        loop {
            match self.daemon.claims.is_busy(&hold.claim).await {
                Ok(false) => return Ok(true),
                // One that was begun before is not skipped.
                Ok(true) if self.schedule.overlap == Overlap::Skip && hold.claim.attempt == 1 => {
                    return Ok(false);
                }
                Ok(true) => {}
                Err(failure) => {
                    warn!(schedule = %self.schedule.name, "looking for an earlier fire: {failure}")
                }
            }
            if !self.waited(hold, LOOK).await {
                return Err(self.cut(hold));
            }
        }
    }

    async fn skip(&self, hold: &Hold<'_>) -> Outcome {
        let reason = Failure::new(
            FailureKind::Conflict,
            format!(
                "an earlier fire of the schedule {} is still being worked on",
                self.schedule.name
            ),
        )
        .hint("with overlap = \"queue\" it would have waited");
        let message = reason.to_string();
        self.record_skipped(hold.claim.fire, reason).await;
        Outcome::Ended(Ending {
            status: Status::Skipped,
            message: Some(message),
        })
    }

    /// A fire that nobody runs any more: recorded, and told.
    pub async fn miss(&self, claim: Claim, now: Timestamp) {
        let reason = missed(self.schedule, &claim, now);
        let message = reason.to_string();
        match self.daemon.claims.miss(&claim, &message).await {
            Ok(true) => {
                self.alarm(claim.fire, &reason);
                self.record_skipped(claim.fire, reason).await;
            }
            Ok(false) => {}
            Err(failure) => {
                warn!(schedule = %self.schedule.name, "recording a missed fire: {failure}")
            }
        }
    }

    async fn record_skipped(&self, fire: Timestamp, reason: Failure) {
        warn!(schedule = %self.schedule.name, fire = %fire, "not run: {reason}");
        if let Err(failure) = jobs::skip(&self.loaded.project, self.request(fire), reason).await {
            warn!(schedule = %self.schedule.name, "a fire that was not run could not be recorded: {failure}");
        }
    }

    /// Writes how the fire ended, however long that takes: until the daemon is killed, or the fire is lost.
    async fn settle(&self, hold: &Hold<'_>, ending: &Ending) -> bool {
        loop {
            match self.daemon.claims.end(&hold.claim, ending).await {
                Ok(done) => return done,
                Err(failure) => {
                    warn!(schedule = %self.schedule.name, "the end of a fire could not be written, it is tried again: {failure}")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.daemon.kill.cancelled() => return false,
                () = hold.lost.cancelled() => return false,
            }
        }
    }

    fn request(&self, fire: Timestamp) -> RunRequest {
        let steps = self.loaded.steps(self.schedule.job.as_str());
        let mut facts = Map::new();
        facts.insert("fire".to_owned(), Value::from(fire.to_string()));
        RunRequest {
            overrides: self.schedule.parameters.clone(),
            facts,
            time_limit: self.schedule.timeout,
            ..RunRequest::of_job(
                self.schedule.job.as_str(),
                steps,
                Trigger::Schedule,
                self.schedule.name.as_str(),
            )
        }
    }

    /// A schedule that has not fired when it should have is an alarm.
    pub fn alarm(&self, fire: Timestamp, reason: &Failure) {
        warn!(schedule = %self.schedule.name, fire = %fire, "has not fired when it should have: {reason}");
        let message = format!("{} has not fired at {fire}: {reason}", self.schedule.name);
        self.notice(NoticeKind::Missed, None, fire, message);
        self.ping(Phase::Fail, None);
    }

    /// A run has begun.
    fn tell_start(&self, record: &RunRecord, fire: Timestamp) {
        let message = format!("{} has begun on {}", record.job, record.host);
        self.notice(NoticeKind::Started, Some(record), fire, message);
        self.ping(Phase::Start, Some(record.run_id));
    }

    /// A run is over. A failure that is tried again is only logged: `before` is how the last fire ended, and is `None` then.
    fn tell_end(&self, record: &RunRecord, fire: Timestamp, is_last: bool, before: Option<&str>) {
        let (job, schedule) = (&record.job, &self.schedule.name);
        if record.status == Status::Succeeded {
            info!(schedule = %schedule, run = %record.run_id, "{job} succeeded");
            let took = record
                .duration()
                .map(|took| jiff::SignedDuration::from_secs(took.as_secs()));
            let took = took.map(|took| format!(" in {took:#}")).unwrap_or_default();
            let (kind, message) = match (record.warnings.is_empty(), before) {
                (_, Some("failed" | "refused")) => (
                    NoticeKind::Recovered,
                    format!("{job} has succeeded again{took}"),
                ),
                (false, _) => (
                    NoticeKind::Warned,
                    format!("{job} has succeeded with warnings{took}"),
                ),
                (true, _) => (NoticeKind::Succeeded, format!("{job} has succeeded{took}")),
            };
            self.notice(kind, Some(record), fire, message);
            self.ping(Phase::Success, Some(record.run_id));
            return;
        }
        let why = record
            .error
            .as_ref()
            .map_or("", |error| error.message.as_str());
        let message = format!("{job} has {}: {why}", record.status);
        let message = message
            .replace("has cancelled", "was cancelled")
            .replace("has refused", "was refused");
        warn!(schedule = %schedule, run = %record.run_id, "{message}");
        if is_last {
            self.notice(NoticeKind::Failed, Some(record), fire, message);
            self.ping(Phase::Fail, Some(record.run_id));
        }
    }

    fn notice(
        &self,
        kind: NoticeKind,
        record: Option<&RunRecord>,
        fire: Timestamp,
        message: String,
    ) {
        let notice = Notice {
            kind,
            schedule: Some(self.schedule.name.to_string()),
            job: self.schedule.job.to_string(),
            run: record.map(|record| record.run_id),
            environment: record.map_or_else(
                || self.loaded.project.config.environment().to_string(),
                |record| record.environment.clone(),
            ),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            database: record.and_then(|record| record.database.clone()),
            fire: Some(fire),
            started: record.map(|record| record.started),
            finished: record.and_then(|record| record.finished),
            error: record.and_then(|record| record.error.clone()),
            warnings: record
                .map(|record| record.warnings.clone())
                .unwrap_or_default(),
            message,
        };
        self.daemon
            .notifications()
            .send(&self.schedule.notify, notice);
    }

    fn ping(&self, phase: Phase, run: Option<Uuid>) {
        if let Some(ping) = &self.schedule.ping {
            self.daemon.notifications().ping(ping, phase, run);
        }
    }
}

/// Why a fire was not run.
fn missed(schedule: &Schedule, claim: &Claim, now: Timestamp) -> Failure {
    let late = now.duration_since(claim.fire);
    let late = jiff::SignedDuration::from_secs(late.as_secs());
    let others = match claim.passed_over {
        0 => String::new(),
        1 => ", nor was one before it".to_owned(),
        count => format!(", nor were {count} before it"),
    };
    Failure::new(
        FailureKind::Timeout,
        format!(
            "the fire of {} at {} was found {late:#} late, and was not run{others}",
            schedule.name, claim.fire
        ),
    )
    .hint("with missed = \"once\" it would have been run then")
}

/// Keeps the claim's row beside the run's record.
struct FireWatch<'a> {
    firing: &'a Firing<'a>,
    hold: &'a Hold<'a>,
    is_last: bool,
    is_settled: AtomicBool,
}

#[async_trait]
impl Interest for FireWatch<'_> {
    async fn began(&self, record: &RunRecord) -> Result<(), Failure> {
        match self
            .firing
            .daemon
            .claims
            .began(&self.hold.claim, record.run_id)
            .await
        {
            Ok(true) => {
                self.firing.tell_start(record, self.hold.claim.fire);
                Ok(())
            }
            Ok(false) => {
                self.hold.lost.cancel();
                Err(Failure::cancelled())
            }
            Err(failure) => Err(failure.context("noting which run answers for the fire")),
        }
    }

    /// First the fire, then the record: a daemon that dies in between leaves a fire that nobody runs again.
    async fn closing(&self, record: &RunRecord) {
        if self.hold.lost.is_cancelled() {
            return;
        }
        if let Some(ending) = self.firing.ending(record, self.is_last) {
            let settled = tokio::time::timeout(
                self.firing.daemon.claims.lease(),
                self.firing.settle(self.hold, &ending),
            );
            if settled.await == Ok(true) {
                self.is_settled.store(true, Ordering::Relaxed);
            }
        }
    }
}
