//! Which backups stay and why: a pure function of (backups, policy, now). No I/O, no clock.
//!
//! A backup is kept when any of these holds, and told with all of them:
//!
//! - a rule of the policy keeps it, within its group (database and kind);
//! - it is the newest good one of its database, or of its group; where some are known to restore, the newest of those, too. One of a
//!   part of a database takes none of these places from one of the whole;
//! - it is pinned, or the storage holds it (S3 Object Lock);
//! - the policy's minimum is not reached without it.
//!
//! Time counts from the newest backup of a group and not from the clock, and without pauses (`age`), so that a machine which was off for a
//! year, or whose clock jumps, deletes nothing by that. A clock that is visibly wrong refuses the whole plan.

mod age;
mod duration;
mod plan;
mod policy;
mod rules;

pub use duration::{Duration, DurationError};
pub use plan::{Decision, Plan, PlanError, Reason, plan};
pub use policy::{Calendar, Policy, PolicyError, Rules};

pub use jiff::Timestamp;

/// What is known of one backup, or of one snapshot of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its prefix or its name; no other has the same.
    pub key: String,
    /// What it is of: the name of a database, or of a server.
    pub database: String,
    /// Why it was taken.
    pub kind: String,
    /// When it was begun, by the clock of the machine that took it.
    pub taken: Timestamp,
    /// When it became whole, by the clock of the storage, where that is known.
    pub stored: Option<Timestamp>,
    /// How far it can be relied on.
    pub quality: Quality,
    /// It holds a part of its database: some tables, or definitions alone.
    pub is_partial: bool,
    /// Somebody said that it stays, and why.
    pub pin: Option<String>,
    /// The storage does not let go of it.
    pub hold: Option<Hold>,
}

/// How far a backup can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// It is known not to be one: never the last good one.
    Damaged,
    /// All of it is there.
    Whole,
    /// It has been restored, and was what it should be.
    Proven,
}

/// Why the storage does not let go of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until this moment has passed.
    Until(Timestamp),
    /// Until somebody takes the hold off.
    Legal,
}
