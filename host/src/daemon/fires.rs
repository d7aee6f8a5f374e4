//! One fire, from its claim to its end: jitter, overlap, a turn, the run, and again when it failed.

mod lateness;
mod watch;

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tracing::{info, warn};

use super::claims::{Before, Claim, Ending, QUEUE};
use super::decision;
use super::held::Hold;
use super::running::{AGAIN, RECORDED_WITHIN};
use super::{Daemon, Loaded};
use crate::deployment_log::{RunRecord, Status, Trigger};
use crate::failure::{Failure, FailureKind};
use crate::jobs::{self, RunOutcome, RunRequest};
use crate::notifications::{Audience, Phase, how_it_failed};
use crate::schedules::{Missed, Overlap, Schedule};
use lateness::Delayed;
pub(super) use lateness::{given_up, is_left_late, missed, run_late, stale};
use watch::FireWatch;

/// How often an earlier fire of the schedule is looked for.
const LOOK: Duration = Duration::from_secs(1);

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
            let watch = FireWatch::new(self, hold, is_last);
            let run = self.run(hold, &watch).await;
            drop(turn);
            let record = match run {
                // Nothing has been done: the database went away in this moment.
                _ if watch.is_unclaimed() => match self.waited(hold, AGAIN).await {
                    true => continue,
                    false => return self.cut(hold),
                },
                Ok(RunOutcome {
                    record, unclosed, ..
                }) => {
                    // It is over, and somebody has to hear how.
                    if let Some(failure) = unclosed {
                        warn!(schedule = %self.schedule.name, run = %record.run_id, "{failure}; the next start closes the record");
                    }
                    record
                }
                Err(failure) => {
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
            if !watch.is_settled()
                && (hold.taken.is_cancelled() || hold.lost.is_cancelled() && !is_over)
            {
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
            if !watch.is_told() {
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

    /// Runs the job once, for as long as the fire is this daemon's.
    async fn run(&self, hold: &Hold<'_>, watch: &FireWatch<'_>) -> Result<RunOutcome, Failure> {
        let cancel = self.daemon.kill.child_token();
        let (lost, cancelled) = (hold.lost.clone(), cancel.clone());
        // A fire that is another daemon's must not be run by two.
        let guard = tokio::spawn(async move {
            lost.cancelled().await;
            cancelled.cancel();
        });
        let request = self.request(hold.claim.fire);
        let schedule = Some(self.schedule.name.to_string());
        let project = &self.loaded.project;
        let runs = &self.daemon.runs;
        let run = runs.run(project, request, schedule, cancel, watch).await;
        guard.abort();
        run
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
        let reason = lateness::overlapping(self.schedule, before);
        if lateness::is_unheard_overlap(fire, before) {
            self.alarm(fire, &reason);
        }
        reason
    }

    async fn skip(&self, hold: &Hold<'_>, reason: Failure) -> Outcome {
        let ending = Ending {
            status: Status::Skipped,
            message: Some(reason.to_string()),
        };
        // First, so that no later fire takes this one for being worked on while there is no room for its record.
        self.settle(hold, &ending).await;
        self.record_skipped(hold, reason).await;
        Outcome::Ended(ending)
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
        let patient = self.daemon.runs.patient();
        loop {
            let skipped = async {
                // Never closed.
                let _place = self.daemon.skips.acquire().await;
                let request = self.request(fire);
                jobs::skip(&self.loaded.project, request, reason.clone(), &patient).await
            };
            let Err(failure) = skipped.await else { return };
            warn!(schedule = %self.schedule.name, fire = %fire, "a fire that was not run could not be recorded: {failure}");
            if !patient.waited().await {
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
            notifications: self.daemon.notifications.clone(),
            targets: &self.schedule.notify,
            ping: self.schedule.ping.as_ref(),
            schedule: Some(self.schedule.name.as_str()),
            fire: Some(fire),
        }
    }
}
