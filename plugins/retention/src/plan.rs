//! The plan: for each backup whether it stays, and why.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::duration::Duration;
use crate::policy::{Calendar, Policy};
use crate::rules::reasons;
use crate::{Backup, Hold, Quality};

/// How much two clocks may differ before one of them is called wrong.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Why a backup stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// One of the newest, the first of which has the number 1.
    Last {
        /// How many the policy keeps.
        of: u32,
        /// Its place.
        number: u32,
    },
    /// Not older than the newest by more.
    Within {
        /// What the policy says.
        duration: Duration,
        /// Time in which nothing was backed up lies between, and does not count.
        with_pauses: bool,
    },
    /// The newest of its hour, day, week, month or year.
    Newest {
        /// What of the calendar.
        part: Calendar,
        /// Which one: `2026-01-17`.
        of: String,
    },
    /// The newest good one of its database, of all kinds; of the whole of it, if there is any.
    LastGood,
    /// The newest good one of its kind; of the whole database, if there is any.
    LastGoodOfKind,
    /// The newest one of its database that is known to restore.
    LastProven,
    /// Somebody said so, and why.
    Pinned(String),
    /// The storage does not let go of it.
    Held(Hold),
    /// Without it fewer would stay.
    Minimum(u32),
}

/// What becomes of one backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which one.
    pub backup: Backup,
    /// All reasons to keep it; none means that it is deleted.
    pub reasons: Vec<Reason>,
}

/// What becomes of all of them: by database and kind, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// One for each backup.
    pub decisions: Vec<Decision>,
}

/// A plan that is not made, because a clock is wrong.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error(
        "the backup {key} is of {taken}, and by this machine's clock it is {now}: one of the clocks is wrong"
    )]
    Future {
        key: String,
        taken: Timestamp,
        now: Timestamp,
    },
    #[error(
        "the backup {key} says that it was begun at {taken}, and the storage had all of it at {stored}: the clock that dated it was ahead"
    )]
    BegunAfterItsEnd {
        key: String,
        taken: Timestamp,
        stored: Timestamp,
    },
    #[error("two backups are called {0}")]
    Twice(String),
}

impl PlanError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Future { .. } => {
                "nothing was deleted; set this machine's clock (NTP). Where the backup's date is wrong, delete that backup by its name: `orchestrator backup delete`"
            }
            Self::BegunAfterItsEnd { .. } => {
                "nothing was deleted; set the clock of the machine that takes backups (NTP), take a new backup, and delete this one by its name: `orchestrator backup delete`"
            }
            Self::Twice(_) => "nothing was deleted; look at the storage by other means",
        }
    }
}

impl Decision {
    /// Whether it stays.
    pub fn is_kept(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// All reasons, in words.
    pub fn why(&self) -> String {
        if self.reasons.is_empty() {
            return format!(
                "no rule keeps it among the backups of {} of the kind {}",
                self.backup.database, self.backup.kind
            );
        }
        let words: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
        words.join("; ")
    }
}

impl Plan {
    /// Those that go.
    pub fn deleted(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| !decision.is_kept())
    }

    /// Those that stay.
    pub fn kept(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.is_kept())
    }
}

/// Decides for each backup. Fails, and so deletes nothing, when a clock is wrong.
pub fn plan(backups: &[Backup], policy: &Policy, now: Timestamp) -> Result<Plan, PlanError> {
    check_clocks(backups, now)?;
    let mut sorted: Vec<&Backup> = backups.iter().collect();
    // Of two of one moment the name decides, so that the order of the input does not.
    sorted.sort_by_key(|backup| {
        (
            &backup.database,
            &backup.kind,
            Reverse((backup.taken, &backup.key)),
        )
    });
    let mut kept: BTreeMap<&str, Vec<Reason>> = BTreeMap::new();
    for backup in &sorted {
        if kept.insert(&backup.key, Vec::new()).is_some() {
            return Err(PlanError::Twice(backup.key.clone()));
        }
    }
    let mut keep = |backup: &Backup, reason| {
        if let Some(reasons) = kept.get_mut(backup.key.as_str())
            && !reasons.iter().any(|known| is_told_by(known, &reason))
        {
            reasons.push(reason);
        }
    };
    let same_group =
        |one: &&Backup, other: &&Backup| one.database == other.database && one.kind == other.kind;
    for group in sorted.chunk_by(same_group) {
        for (backup, of_one) in group.iter().zip(reasons(group, policy)) {
            of_one.into_iter().for_each(|reason| keep(backup, reason));
        }
        // The same once more without those that are damaged: they take no good one's place.
        let sound: Vec<&Backup> = group.iter().copied().filter(is_sound).collect();
        if sound.len() < group.len() {
            for (backup, of_one) in sound.iter().zip(reasons(&sound, policy)) {
                of_one.into_iter().for_each(|reason| keep(backup, reason));
            }
        }
    }
    for of_database in sorted.chunk_by(|one, other| one.database == other.database) {
        newest(of_database, Quality::Whole).inspect(|backup| keep(backup, Reason::LastGood));
        newest(of_database, Quality::Proven).inspect(|backup| keep(backup, Reason::LastProven));
    }
    for group in sorted.chunk_by(same_group) {
        newest(group, Quality::Whole).inspect(|backup| keep(backup, Reason::LastGoodOfKind));
    }
    for backup in &sorted {
        if let Some(why) = &backup.pin {
            keep(backup, Reason::Pinned(why.clone()));
        }
        match backup.hold {
            // What was held until a moment that has passed is free.
            Some(Hold::Until(until)) if until <= now => {}
            Some(hold) => keep(backup, Reason::Held(hold)),
            None => {}
        }
    }
    if let Some(minimum) = policy.minimum {
        for group in sorted.chunk_by(same_group) {
            fill_up(group, minimum, &mut kept);
        }
    }
    let decisions = sorted
        .into_iter()
        .map(|backup| Decision {
            backup: backup.clone(),
            reasons: kept.remove(backup.key.as_str()).unwrap_or_default(),
        })
        .collect();
    Ok(Plan { decisions })
}

/// The newest one that is at least that good; one of a part of a database only where there is none of a whole.
fn newest<'a>(backups: &[&'a Backup], quality: Quality) -> Option<&'a Backup> {
    let good = backups.iter().filter(|backup| backup.quality >= quality);
    good.max_by_key(|backup| (!backup.is_partial, backup.taken, &backup.key))
        .copied()
}

fn is_sound(backup: &&Backup) -> bool {
    backup.quality != Quality::Damaged
}

/// Whether a reason is that of a rule that has kept the backup already.
fn is_told_by(known: &Reason, reason: &Reason) -> bool {
    match (known, reason) {
        (Reason::Last { .. }, Reason::Last { .. })
        | (Reason::Within { .. }, Reason::Within { .. }) => true,
        _ => known == reason,
    }
}

/// Whatever keeps the others, so many good ones stay: the newest of those that would go are added.
fn fill_up(group: &[&Backup], minimum: u32, kept: &mut BTreeMap<&str, Vec<Reason>>) {
    let is_kept = |backup: &&&Backup| {
        let reasons = kept.get(backup.key.as_str());
        reasons.is_some_and(|reasons| !reasons.is_empty())
    };
    let stay: BTreeSet<&str> = group
        .iter()
        .filter(|backup| is_sound(backup) && is_kept(backup))
        .map(|backup| backup.key.as_str())
        .collect();
    let missing = (minimum as usize).saturating_sub(stay.len());
    let others = group
        .iter()
        .filter(|backup| is_sound(backup) && !stay.contains(backup.key.as_str()));
    for backup in others.take(missing) {
        if let Some(reasons) = kept.get_mut(backup.key.as_str()) {
            reasons.push(Reason::Minimum(minimum));
        }
    }
}

fn check_clocks(backups: &[Backup], now: Timestamp) -> Result<(), PlanError> {
    // The newest is named: the others are no better.
    let newest = backups
        .iter()
        .max_by_key(|backup| (backup.taken, &backup.key));
    if let Some(newest) = newest
        && newest.taken.duration_since(now) > TOLERANCE
    {
        return Err(PlanError::Future {
            key: newest.key.clone(),
            taken: newest.taken,
            now,
        });
    }
    let ahead = backups.iter().filter_map(|backup| {
        let stored = backup.stored?;
        (backup.taken.duration_since(stored) > TOLERANCE).then_some((backup, stored))
    });
    match ahead.min_by_key(|(backup, _)| &backup.key) {
        Some((backup, stored)) => Err(PlanError::BegunAfterItsEnd {
            key: backup.key.clone(),
            taken: backup.taken,
            stored,
        }),
        None => Ok(()),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Last { of, number } => write!(f, "last {of}: number {number}"),
            Self::Within {
                duration,
                with_pauses: false,
            } => write!(f, "within {duration} of the newest"),
            Self::Within {
                duration,
                with_pauses: true,
            } => write!(f, "within {duration} of the newest, pauses left out"),
            Self::Newest { part, of } => write!(f, "{}: newest of {of}", part.name()),
            Self::LastGood => f.write_str("the last good one"),
            Self::LastGoodOfKind => f.write_str("the last good one of its kind"),
            Self::LastProven => f.write_str("the last one that was proven to restore"),
            Self::Pinned(why) if why.is_empty() => f.write_str("pinned"),
            Self::Pinned(why) => write!(f, "pinned: {why}"),
            Self::Held(Hold::Until(until)) => write!(f, "held by the storage until {until}"),
            Self::Held(Hold::Legal) => f.write_str("under a legal hold"),
            Self::Minimum(minimum) => write!(f, "minimum of {minimum}"),
        }
    }
}
