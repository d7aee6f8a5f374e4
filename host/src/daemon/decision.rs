//! What is due: a pure function of a schedule, of what is known of its fires, and of the time.
//!
//! ```text
//! since or the last fire ──x──────x──────x───| on time |──x──── now ─── next
//!                          passed over  ^ overdue         due
//! ```
//!
//! Fires that are less than [`ON_TIME`] old all run, in their order. Of older ones the rule `missed` decides: with `once` the newest of them
//! runs, unless one that is on time stands in for it; with `skip` none does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::schedules::{Missed, Schedule};

/// How late a fire may be and still count as punctual: what a restart, a failover or a reload takes.
pub const ON_TIME: SignedDuration = SignedDuration::from_secs(60);

/// Fires that are counted one by one; of a schedule that has missed more, the count says "at least".
const COUNTED: u32 = 100_000;

/// What is known of a schedule's fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// When the schedule was first seen as it is now: it owes nothing from before.
    pub since: Timestamp,
    /// The newest fire that anybody has answered for.
    pub last: Option<Timestamp>,
}

/// One fire that somebody has to answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it should have been.
    pub fire: Timestamp,
    /// Whether it is to be run; else it is only recorded as missed.
    pub runs: bool,
    /// Whether it is later than [`ON_TIME`].
    pub is_late: bool,
    /// The newest fire later than that which it answers for: itself, or one that it stands in for. Somebody has to hear of it.
    pub overdue: Option<Timestamp>,
    /// Fires before it that nobody has answered for, and that nobody will run.
    pub passed_over: u32,
}

/// What to do about a schedule at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// In the order of time.
    pub due: Vec<Due>,
    /// The first fire after `now`; none when the expression has no more.
    pub next: Option<Timestamp>,
}

/// Decides. A clock that was set back makes nothing due: what was answered for stays so, and the next fire is the first one after it.
pub fn decide(schedule: &Schedule, known: Known, now: Timestamp) -> Decision {
    let mut answered = known.last.map_or(known.since, |last| last.max(known.since));
    let mut overdue = None;
    let mut passed_over = 0;
    let mut punctual = Vec::new();
    let next = loop {
        let Some(fire) = schedule.cron.next_after(&schedule.time_zone, answered) else {
            break None;
        };
        if fire > now {
            break Some(fire);
        }
        answered = fire;
        if now.duration_since(fire) <= ON_TIME {
            punctual.push(fire);
            continue;
        }
        if overdue.replace(fire).is_some() {
            passed_over += 1;
        }
        if passed_over == COUNTED {
            // The rest is found from its end: what lies between would take long to count, and nobody would run it.
            answered = answered.max(now - DAY);
        }
    };
    let mut due = Vec::with_capacity(punctual.len() + 1);
    if let Some(fire) = overdue {
        if punctual.is_empty() {
            due.push(Due {
                fire,
                runs: schedule.missed == Missed::Once,
                is_late: true,
                overdue,
                passed_over,
            });
        } else {
            passed_over += 1;
        }
    }
    for fire in punctual {
        due.push(Due {
            fire,
            runs: true,
            is_late: false,
            overdue: overdue.take(),
            passed_over: std::mem::take(&mut passed_over),
        });
    }
    Decision { due, next }
}

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How long a fire waits before it begins: as long for every daemon, and different for each schedule and fire.
pub fn jitter(schedule: &Schedule, fire: Timestamp) -> Duration {
    // FNV-1a: spreads names well enough, and is the same in every version.
    let text = format!("{} {fire}", schedule.name);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let share = (hash >> 32) as f64 / f64::from(u32::MAX);
    schedule.jitter.mul_f64(share)
}
