//! One fire, from its claim to its end: jitter, overlap, a turn, the run, and again when it failed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{info, warn};

use super::claims::{Before, Claim, Ending, GIVEN_UP, QUEUE};
use super::decision;
use super::held::Hold;
use super::running::Interest;
use super::{Daemon, Loaded};
use crate::deployment_log::{RunRecord, Status, Trigger};
use crate::failure::{Failure, FailureKind};
use crate::jobs::{self, RunRequest};
use crate::notifications::{Audience, Phase, how_it_failed};
use crate::schedules::{Missed, Overlap, Schedule};

/// How long a run that could not even be recorded (a full disk) is tried again.
const RECORDED_WITHIN: Duration = Duration::from_secs(3600);
/// How often it is tried, and how often an earlier fire of the schedule is looked for.
const AGAIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);
/// A fire that has waited so long for an earlier one, or for its turn, or is skipped for one that is so much older, is an alarm.
const LATE_START: SignedDuration = SignedDuration::from_mins(15);

/// How the work on a fire ended.
#[derive(Debug)]
enum Outcome {
    /// It is answered for.
    Ended(Ending),
    /// The daemon is stopping: others, or the next start, take it over.
    Released,
    /// It is another daemon's, or may be by now.
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
                let whose = match hold.taken.is_cancelled() {
                    true => "another daemon has taken the fire over",
                    false => "the fire's lease has run out: whoever looks next takes it over",
                };
                warn!(schedule = %self.schedule.name, fire = %hold.claim.fire, "{whose}");
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
            Ok(None) => {}
            Ok(Some(reason)) => return self.skip(hold, reason).await,
            Err(outcome) => return outcome,
        }
        let mut runs = u32::try_from(claim.runs).unwrap_or(0);
        let mut unrecorded: Option<Instant> = None;
        loop {
            let turn = match self.turn(hold).await {
                Ok(turn) => turn,
                Err(outcome) => return outcome,
            };
            let is_last = runs + 1 >= self.schedule.retry.attempts;
            let watch = FireWatch {
                firing: self,
                hold,
                is_last,
                is_settled: AtomicBool::new(false),
                is_told: AtomicBool::new(false),
                is_unclaimed: AtomicBool::new(false),
                closed: Mutex::new(None),
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
            let record = match (run, watch.closed()) {
                // Nothing has been done: the database went away in this moment.
                _ if watch.is_unclaimed.load(Ordering::Relaxed) => {
                    match self.waited(hold, AGAIN).await {
                        true => continue,
                        false => return self.cut(hold),
                    }
                }
                (Ok(outcome), _) => outcome.record,
                // It is over, and somebody has to hear how, though its record could not be closed.
                (Err(failure), Some(record)) => {
                    warn!(schedule = %self.schedule.name, run = %record.run_id, "{failure}; the next start closes the record");
                    record
                }
                (Err(failure), None) => {
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
            let ending = self.ending(&record, is_last);
            // Cut for its lease, it is begun again by whoever has the fire then. What has ended by itself while the database was away is
            // over: somebody has to hear of it, most of all when it has failed by that.
            let is_over = ending.is_some() && record.status != Status::Cancelled;
            // A fire that has ended has no lease to renew any more: that is no sign of another daemon.
            let is_settled = watch.is_settled.load(Ordering::Relaxed);
            if !is_settled && (hold.taken.is_cancelled() || hold.lost.is_cancelled() && !is_over) {
                return Outcome::Lost;
            }
            let before = match record.status {
                Status::Succeeded => {
                    // The switch need not wait for the question, which is worth it only where somebody may be told that all is well again.
                    let audience = self.audience(claim.fire);
                    audience.ping(Phase::Success, Some(record.run_id));
                    self.outcome_before(hold).await
                }
                _ => None,
            };
            if !watch.is_told.load(Ordering::Relaxed) {
                self.tell_end(&record, claim.fire, ending.is_some(), before);
            }
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

    /// Waits until a run may begin: there is room for one, and the database of the log says that the fire is this daemon's.
    async fn turn(&self, hold: &Hold<'_>) -> Result<OwnedSemaphorePermit, Outcome> {
        let mut alarm = Delayed::new(
            self,
            hold.claim.fire,
            "there is no room for its run: max_concurrent_jobs are under way",
        );
        let turn = loop {
            tokio::select! {
                turn = self.daemon.runs.turn() => break turn,
                () = self.daemon.stop.cancelled() => return Err(Outcome::Released),
                () = hold.lost.cancelled() => return Err(Outcome::Lost),
                () = alarm.due() => alarm.tell(),
            }
        };
        let Ok(turn) = turn else {
            return Err(Outcome::Released);
        };
        loop {
            match self.daemon.claims.is_mine(&hold.claim).await {
                Ok(true) => return Ok(turn),
                Ok(false) => {
                    hold.taken.cancel();
                    hold.lost.cancel();
                    return Err(Outcome::Lost);
                }
                Err(failure) => {
                    warn!(schedule = %self.schedule.name, "the run waits: {failure}");
                }
            }
            if !self.waited(hold, LOOK).await {
                return Err(self.cut(hold));
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

    /// Waits until no earlier fire is being worked on; or why this one is to be skipped.
    async fn earlier_is_over(&self, hold: &Hold<'_>) -> Result<Option<Failure>, Outcome> {
        let mut alarm = Delayed::new(
            self,
            hold.claim.fire,
            "an earlier fire is still being worked on",
        );
        loop {
            match self.daemon.claims.before(&hold.claim).await {
                Ok(None) => return Ok(None),
                // One that was begun before is not skipped.
                Ok(Some(before)) if hold.claim.attempt == 1 && self.is_skipped(&before) => {
                    return Ok(Some(self.overlap(hold.claim.fire, &before)));
                }
                Ok(Some(_)) => {}
                Err(failure) => {
                    warn!(schedule = %self.schedule.name, "looking for an earlier fire: {failure}")
                }
            }
            if alarm.is_due() {
                alarm.tell();
            }
            if !self.waited(hold, LOOK).await {
                return Err(self.cut(hold));
            }
        }
    }

    fn is_skipped(&self, before: &Before) -> bool {
        self.schedule.overlap == Overlap::Skip || before.count > QUEUE
    }

    /// Why a fire is skipped. That an earlier one takes much longer than it should is told once for each of these.
    fn overlap(&self, fire: Timestamp, before: &Before) -> Failure {
        let name = &self.schedule.name;
        let reason = match self.schedule.overlap {
            Overlap::Skip => Failure::new(
                FailureKind::Conflict,
                format!(
                    "the fire of {name} at {} is still being worked on",
                    before.first
                ),
            )
            .hint("with overlap = \"queue\" it would have waited"),
            Overlap::Queue => Failure::limit(format!(
                "{QUEUE} fires of {name} wait already, for the one at {}",
                before.first
            ))
            .hint("see what that run waits for; a `timeout` in the schedule would end it"),
        };
        let is_long = |fire: Timestamp| fire.duration_since(before.first) >= LATE_START;
        if is_long(fire) && !before.skipped.is_some_and(is_long) {
            self.alarm(fire, &reason);
        }
        reason
    }

    async fn skip(&self, hold: &Hold<'_>, reason: Failure) -> Outcome {
        let message = reason.to_string();
        self.record_skipped(hold, reason).await;
        Outcome::Ended(Ending {
            status: Status::Skipped,
            message: Some(message),
        })
    }

    /// A fire that nobody runs any more: recorded, and told.
    pub async fn miss(&self, claim: Claim, reason: Failure, is_unheard: bool) {
        let hold = self.daemon.held.hold(claim);
        let message = reason.to_string();
        let miss = || self.daemon.claims.miss(&hold.claim, &message);
        if self.insist(&hold, "recording a missed fire", miss).await == Some(true) {
            if is_unheard {
                self.alarm(hold.claim.fire, &reason);
            }
            self.record_skipped(&hold, reason).await;
        }
    }

    /// Tries until the journal has room, for some time.
    async fn record_skipped(&self, hold: &Hold<'_>, reason: Failure) {
        let fire = hold.claim.fire;
        warn!(schedule = %self.schedule.name, fire = %fire, "not run: {reason}");
        let begun = Instant::now();
        loop {
            let skipped = jobs::skip(&self.loaded.project, self.request(fire), reason.clone());
            let Err(failure) = skipped.await else { return };
            warn!(schedule = %self.schedule.name, fire = %fire, "a fire that was not run could not be recorded: {failure}");
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {}
                () = self.daemon.stop.cancelled() => return,
            }
            if begun.elapsed() > RECORDED_WITHIN {
                return;
            }
        }
    }

    /// Writes how the fire ended, however long that takes.
    async fn settle(&self, hold: &Hold<'_>, ending: &Ending) -> bool {
        let end = || self.daemon.claims.end(&hold.claim, ending);
        let done = self.insist(hold, "writing the end of a fire", end).await;
        done.unwrap_or(false)
    }

    /// How the fire before this one ended.
    async fn outcome_before(&self, hold: &Hold<'_>) -> Option<Status> {
        let ask = || self.daemon.claims.outcome_before(&hold.claim);
        let before = self.insist(hold, "looking for the fire before", ask).await;
        before.flatten()
    }

    /// Asks the database until it answers, the daemon is killed, or the fire is another daemon's. A lease that has run out is no reason to
    /// end: each write names its attempt, and changes nothing that somebody else has begun.
    async fn insist<T, F>(&self, hold: &Hold<'_>, what: &str, ask: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        loop {
            match ask().await {
                Ok(answer) => return Some(answer),
                Err(failure) => {
                    warn!(schedule = %self.schedule.name, "{what}, it is tried again: {failure}")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.daemon.kill.cancelled() => return None,
                () = hold.taken.cancelled() => return None,
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
        let environment = self.loaded.project.config.environment().to_string();
        let job = self.schedule.job.as_str();
        self.audience(fire).missed(job, &environment, message);
    }

    /// A run is over. A failure that is tried again is only logged. `before` is how the last fire ended.
    fn tell_end(&self, record: &RunRecord, fire: Timestamp, is_last: bool, before: Option<Status>) {
        let schedule = &self.schedule.name;
        if record.status == Status::Succeeded {
            info!(schedule = %schedule, run = %record.run_id, "{} succeeded", record.job);
            self.audience(fire).succeeded(record, before);
            return;
        }
        warn!(schedule = %schedule, run = %record.run_id, "{}", how_it_failed(record));
        if is_last {
            self.audience(fire).failed(record);
        }
    }

    fn audience(&self, fire: Timestamp) -> Audience<'_> {
        Audience {
            notifications: self.daemon.notifications(),
            targets: &self.schedule.notify,
            ping: self.schedule.ping.as_ref(),
            schedule: Some(self.schedule.name.as_str()),
            fire: Some(fire),
        }
    }
}

/// Why somebody is told of a fire that runs late, or of which a later one runs in its place.
pub(super) fn run_late(claim: &Claim, overdue: Timestamp, now: Timestamp) -> Failure {
    let late = jiff::SignedDuration::from_secs(now.duration_since(overdue).as_secs());
    let is_itself = claim.fire == overdue;
    let how = match is_itself {
        true => "it runs now".to_owned(),
        false => format!("the one at {} runs in its place", claim.fire),
    };
    // One that is stood in for is counted with those before it.
    let others = match claim.passed_over - i32::from(!is_itself) {
        ..=0 => String::new(),
        1 => ", and for one before it".to_owned(),
        count => format!(", and for {count} before it"),
    };
    Failure::new(
        FailureKind::Timeout,
        format!("it was found {late:#} late; {how}{others}"),
    )
}

/// Why nobody runs a fire again.
pub(super) fn given_up() -> Failure {
    Failure::limit(GIVEN_UP)
        .hint("look into the logs of those daemons for what killed them, then run the job by hand")
}

/// Why a fire that its daemon has left is not run: the rule `missed`, or a schedule that is another one now.
pub(super) fn stale(
    schedule: &Schedule,
    claim: &Claim,
    since: Timestamp,
    now: Timestamp,
) -> Option<Failure> {
    if claim.fire < since {
        return Some(Failure::new(
            FailureKind::Conflict,
            format!(
                "its daemon has left the fire of {} at {}, and the schedule has changed since",
                schedule.name, claim.fire
            ),
        ));
    }
    let is_late = now.duration_since(claim.fire) > decision::ON_TIME;
    (is_late && schedule.missed == Missed::Skip).then(|| missed(schedule, claim, now))
}

/// Tells of a fire that has waited for long, once.
struct Delayed<'a> {
    firing: &'a Firing<'a>,
    fire: Timestamp,
    why: &'static str,
    is_told: bool,
}

impl<'a> Delayed<'a> {
    fn new(firing: &'a Firing<'a>, fire: Timestamp, why: &'static str) -> Self {
        Self {
            firing,
            fire,
            why,
            is_told: false,
        }
    }

    /// Its time, with what it waits by itself.
    fn late(&self) -> SignedDuration {
        let jitter = decision::jitter(self.firing.schedule, self.fire);
        let jitter = SignedDuration::try_from(jitter).unwrap_or(SignedDuration::MAX);
        Timestamp::now()
            .duration_since(self.fire)
            .saturating_sub(jitter)
    }

    fn is_due(&self) -> bool {
        !self.is_told && self.late() >= LATE_START
    }

    /// Never, when it was told.
    async fn due(&self) {
        if self.is_told {
            return std::future::pending().await;
        }
        let wait = Duration::try_from(LATE_START.saturating_sub(self.late()));
        tokio::time::sleep(wait.unwrap_or(Duration::ZERO)).await;
    }

    fn tell(&mut self) {
        self.is_told = true;
        let reason = format!(
            "it has waited for {} min: {}",
            LATE_START.as_mins(),
            self.why
        );
        self.firing
            .alarm(self.fire, &Failure::new(FailureKind::Timeout, reason));
    }
}

/// Why a fire was not run.
pub(super) fn missed(schedule: &Schedule, claim: &Claim, now: Timestamp) -> Failure {
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
    is_told: AtomicBool,
    /// The database of the log went away before it could say that the run may begin.
    is_unclaimed: AtomicBool,
    /// The record as it was to be closed.
    closed: Mutex<Option<RunRecord>>,
}

impl FireWatch<'_> {
    fn closed(&self) -> Option<RunRecord> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.take()
    }
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
                self.firing.audience(self.hold.claim.fire).began(record);
                Ok(())
            }
            Ok(false) => {
                self.hold.lost.cancel();
                Err(Failure::cancelled())
            }
            Err(failure) => {
                self.is_unclaimed.store(true, Ordering::Relaxed);
                Err(failure.context("noting which run answers for the fire"))
            }
        }
    }

    /// First the fire, then the record: a daemon that dies in between leaves a fire that nobody runs again.
    async fn closing(&self, record: &RunRecord) {
        if self.is_unclaimed.load(Ordering::Relaxed) {
            return;
        }
        let closed = Some(record.clone());
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = closed;
        let ending = self.firing.ending(record, self.is_last);
        // Whoever is to hear of a failure does not wait for a database that may be what has failed.
        if matches!(record.status, Status::Failed | Status::Refused)
            && ending.is_some()
            && !self.hold.taken.is_cancelled()
        {
            let fire = self.hold.claim.fire;
            self.firing.tell_end(record, fire, true, None);
            self.is_told.store(true, Ordering::Relaxed);
        }
        if self.hold.lost.is_cancelled() {
            return;
        }
        if let Some(ending) = ending {
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
