//! What is said of a fire that has not fired when it should have, and when it is said.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Firing;
use crate::daemon::claims::{Before, Claim, GIVEN_UP, QUEUE};
use crate::daemon::decision;
use crate::failure::{Failure, FailureKind};
use crate::schedules::{Missed, Overlap, Schedule};

/// A fire that has waited so long for an earlier one, or for its turn, is an alarm.
const LATE_WAIT: Duration = Duration::from_mins(15);
/// And so is one that is skipped for one that is so much older, or that was left by its daemon and begins so late.
const LATE_START: SignedDuration = SignedDuration::from_mins(15);

/// Why a fire is skipped for earlier ones.
pub(super) fn overlapping(schedule: &Schedule, before: &Before) -> Failure {
    let name = &schedule.name;
    match schedule.overlap {
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
    }
}

/// Whether a fire that is skipped is the first one from which somebody can tell that an earlier one takes much longer than it should.
pub(super) fn is_unheard_overlap(fire: Timestamp, before: &Before) -> bool {
    let is_long = |fire: Timestamp| fire.duration_since(before.first) >= LATE_START;
    is_long(fire) && !before.skipped.is_some_and(is_long)
}

/// Why somebody is told of a fire that runs late, or of which a later one runs in its place.
pub(in crate::daemon) fn run_late(claim: &Claim, overdue: Timestamp, now: Timestamp) -> Failure {
    let late = SignedDuration::from_secs(now.duration_since(overdue).as_secs());
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

/// Whether nobody has begun a fire that its daemon has left, and it is so late by now that somebody has to hear of it.
pub(in crate::daemon) fn is_left_late(claim: &Claim, now: Timestamp) -> bool {
    claim.runs == 0 && now.duration_since(claim.fire) >= LATE_START
}

/// Why nobody runs a fire again.
pub(in crate::daemon) fn given_up() -> Failure {
    Failure::limit(GIVEN_UP)
        .hint("look into the logs of those daemons for what killed them, then run the job by hand")
}

/// Why a fire that its daemon has left is not run: the rule `missed`, or a schedule that is another one now.
pub(in crate::daemon) fn stale(
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

/// Why a fire was not run.
pub(in crate::daemon) fn missed(schedule: &Schedule, claim: &Claim, now: Timestamp) -> Failure {
    let late = now.duration_since(claim.fire);
    let late = SignedDuration::from_secs(late.as_secs());
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

/// Tells of a fire that has waited for long, once.
pub(super) struct Delayed<'a> {
    firing: &'a Firing<'a>,
    fire: Timestamp,
    why: &'static str,
    since: Instant,
    is_told: bool,
}

impl<'a> Delayed<'a> {
    pub fn new(firing: &'a Firing<'a>, fire: Timestamp, why: &'static str) -> Self {
        Self {
            firing,
            fire,
            why,
            since: Instant::now(),
            is_told: false,
        }
    }

    pub fn is_due(&self) -> bool {
        !self.is_told && self.since.elapsed() >= LATE_WAIT
    }

    /// Never, when it was told.
    pub async fn due(&self) {
        if self.is_told {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.since + LATE_WAIT).await;
    }

    pub fn tell(&mut self) {
        self.is_told = true;
        let reason = format!(
            "it has waited for {} min: {}",
            LATE_WAIT.as_secs() / 60,
            self.why
        );
        self.firing
            .alarm(self.fire, &Failure::new(FailureKind::Timeout, reason));
    }
}
