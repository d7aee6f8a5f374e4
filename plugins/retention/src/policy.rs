//! What an operator wants kept.

use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::duration::{Duration, DurationError};

/// A policy as a step's parameters and the command line have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "docs/retention.md says what each is")]
pub struct Rules {
    pub keep_last: Option<i64>,
    pub keep_within: Option<String>,
    pub keep_hourly: Option<i64>,
    pub keep_daily: Option<i64>,
    pub keep_weekly: Option<i64>,
    pub keep_monthly: Option<i64>,
    pub keep_yearly: Option<i64>,
    pub keep_minimum: Option<i64>,
    pub time_zone: Option<String>,
}

/// A policy that can be followed: it keeps something by rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The newest ones.
    pub last: Option<u32>,
    /// All that are not older than the newest one by more.
    pub within: Option<Duration>,
    /// The newest one of each of so many parts of the calendar.
    pub calendar: Vec<(Calendar, u32)>,
    /// So many stay in each group, whatever the rules say.
    pub minimum: Option<u32>,
    /// Where days begin.
    pub zone: TimeZone,
}

/// A part of the calendar; weeks begin on Monday, as those of ISO 8601.
#[allow(missing_docs, reason = "their names say it")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    Hourly,
    Daily,
    Weekly,
    Monthly,
    Yearly,
}

impl Calendar {
    /// As it stands in a reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }
}

/// A policy that cannot be followed.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error(
        "the policy keeps nothing by rule: everything but the last good backups would be deleted"
    )]
    Empty,
    #[error("{name} is {value}, and has to be 1 to {}", u32::MAX)]
    Number { name: &'static str, value: i64 },
    #[error("keep_within: {0}")]
    Within(#[from] DurationError),
    #[error("there is no time zone {0:?}")]
    Zone(String),
}

impl PolicyError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => {
                "name at least one of keep_last, keep_within, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly (on the command line --keep-last and so on); keep_minimum alone is no rule"
            }
            Self::Number { .. } => "a rule that shall keep nothing is left out",
            Self::Within(_) => "y, m (months), w, d and h, as in 30d or 1y6m",
            Self::Zone(_) => {
                "names are those of the IANA database, as Europe/Berlin; left out, it is UTC"
            }
        }
    }
}

impl Policy {
    /// The policy that these rules describe.
    pub fn new(rules: &Rules) -> Result<Self, PolicyError> {
        let calendar = [
            (Calendar::Hourly, number("keep_hourly", rules.keep_hourly)?),
            (Calendar::Daily, number("keep_daily", rules.keep_daily)?),
            (Calendar::Weekly, number("keep_weekly", rules.keep_weekly)?),
            (
                Calendar::Monthly,
                number("keep_monthly", rules.keep_monthly)?,
            ),
            (Calendar::Yearly, number("keep_yearly", rules.keep_yearly)?),
        ];
        let zone = match rules.time_zone.as_deref() {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| PolicyError::Zone(name.to_owned()))?,
        };
        let policy = Self {
            last: number("keep_last", rules.keep_last)?,
            within: rules.keep_within.as_deref().map(str::parse).transpose()?,
            calendar: calendar
                .into_iter()
                .filter_map(|(part, count)| Some((part, count?)))
                .collect(),
            minimum: number("keep_minimum", rules.keep_minimum)?,
            zone,
        };
        if policy.last.is_none() && policy.within.is_none() && policy.calendar.is_empty() {
            return Err(PolicyError::Empty);
        }
        Ok(policy)
    }
}

fn number(name: &'static str, value: Option<i64>) -> Result<Option<u32>, PolicyError> {
    let Some(value) = value else {
        return Ok(None);
    };
    match u32::try_from(value) {
        Ok(number) if number > 0 => Ok(Some(number)),
        _ => Err(PolicyError::Number { name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_has_to_keep_something() {
        let minimum = Rules {
            keep_minimum: Some(3),
            ..Rules::default()
        };
        for rules in [Rules::default(), minimum] {
            assert_eq!(Policy::new(&rules), Err(PolicyError::Empty));
        }
        for value in [0, -1, i64::MAX] {
            let rules = Rules {
                keep_daily: Some(value),
                ..Rules::default()
            };
            let name = "keep_daily";
            assert_eq!(
                Policy::new(&rules),
                Err(PolicyError::Number { name, value })
            );
        }
        let rules = Rules {
            keep_within: Some("soon".to_owned()),
            ..Rules::default()
        };
        let error = Policy::new(&rules).unwrap_err();
        assert_eq!(
            error.to_string(),
            "keep_within: \"soon\" is no duration: one looks like 30d, 1y6m, 2w or 12h, the larger units first"
        );
        let rules = Rules {
            keep_last: Some(1),
            time_zone: Some("Mars/Olympus".to_owned()),
            ..Rules::default()
        };
        assert_eq!(
            Policy::new(&rules),
            Err(PolicyError::Zone("Mars/Olympus".into()))
        );
    }
}
