//! A schedule: an expression, the zone whose clock it reads, the job, and the rules around it.

use super::cron::Cron;
use super::ping::Ping;
use crate::config::Name;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// What runs by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Its own, not that of its job.
    pub name: Name,
    /// Where it is written.
    pub file: PathBuf,
    /// What it is for.
    pub description: Option<String>,
    /// Otherwise it never fires by itself.
    pub enabled: bool,
    /// When.
    pub cron: Cron,
    /// Whose clock.
    pub time_zone: TimeZone,
    /// What.
    pub job: Name,
    /// For every step of the job that has them.
    pub parameters: Map<String, Value>,
    /// It starts up to this much later, each time by chance.
    pub jitter: Duration,
    /// A run that takes longer is cancelled.
    pub timeout: Option<Duration>,
    /// After a failure.
    pub retry: Retry,
    /// While the run before is not over.
    pub overlap: Overlap,
    /// After a time without a daemon.
    pub missed: Missed,
    /// Who is told: names of [notify].
    pub notify: Vec<Name>,
    /// The dead man's switch.
    pub ping: Option<Ping>,
}

/// How often a fire is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// In all; 1 is none again.
    pub attempts: u32,
    /// Before the second attempt; it doubles for each one after that.
    pub backoff: Duration,
    /// It does not grow past this.
    pub max_backoff: Duration,
}

/// What a fire does while the run of the one before is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It is recorded as skipped.
    Skip,
    /// It runs afterwards.
    Queue,
}

/// What becomes of fires that nobody was there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// All of them run as one, at once.
    Once,
    /// They are recorded as missed.
    Skip,
}

impl Schedule {
    /// The next time that it fires by its clock, jitter apart, whether it is enabled or not.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        self.cron.next_after(&self.time_zone, after)
    }

    /// The name of its zone, as it is in IANA's database.
    pub fn zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }
}

impl Retry {
    /// The wait after the failure of an attempt, counted from 1; none when it was the last.
    pub fn wait_after(&self, attempt: u32) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let doublings = attempt.saturating_sub(1).min(31);
        Some(
            self.backoff
                .saturating_mul(1 << doublings)
                .min(self.max_backoff),
        )
    }
}

impl Overlap {
    /// The words of the configuration.
    pub const NAMES: [&'static str; 2] = ["skip", "queue"];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
        }
    }
}

impl Missed {
    /// The words of the configuration.
    pub const NAMES: [&'static str; 2] = ["once", "skip"];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Skip => "skip",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry {
            attempts: 5,
            backoff: Duration::from_secs(60),
            max_backoff: Duration::from_secs(300),
        };
        let waits: Vec<_> = (1..=5)
            .map(|attempt| retry.wait_after(attempt).map(|wait| wait.as_secs()))
            .collect();
        assert_eq!(waits, [Some(60), Some(120), Some(240), Some(300), None]);
        let endless = Retry {
            attempts: u32::MAX,
            ..retry
        };
        assert_eq!(endless.wait_after(4_000_000), Some(endless.max_backoff));
    }
}
