//! A cron expression: POSIX's five fields on a wall clock.

use super::field::{DAY, Field, HOUR, MINUTE, MONTH, SECOND, Unit, WEEKDAY};
use chrono::{DateTime, Utc};
use std::fmt;
use std::str::FromStr;

/// When something runs, by the fields of a wall clock: minute, hour, day of the month, month, day of the week, as POSIX's `crontab` has them;
/// with six fields the second comes first. `@daily` and the like stand for what they mean.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    pub(super) fields: Fields,
    /// One, or two of which either serves: days of the month, days of the week.
    schedules: Vec<cron::Schedule>,
}

/// A text that is no cron expression, or one that never comes true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CronError {
    /// What is wrong.
    pub message: String,
    /// What to write.
    pub hint: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) second: Field,
    pub(super) minute: Field,
    pub(super) hour: Field,
    pub(super) day: Field,
    pub(super) month: Field,
    pub(super) weekday: Field,
}

/// What the words behind @ stand for.
const WORDS: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// Days of a month, from January; of February in its longest year.
const LONGEST: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

impl Cron {
    /// Reads an expression. One that can never come true is an error too.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        Fields::parse(text)
            .and_then(|fields| {
                Ok(Self {
                    text: text.to_owned(),
                    fields,
                    schedules: fields.schedules()?,
                })
            })
            .map_err(|error| CronError {
                message: format!("{text:?} is no cron expression: {}", error.message),
                hint: error.hint,
            })
    }

    /// Whether it runs over and over rather than at times of its own: its minute or its hour begins with an asterisk.
    pub fn is_interval(&self) -> bool {
        self.fields.minute.is_wild || self.fields.hour.is_wild
    }

    /// The next time on a wall clock, strictly after another; both in seconds since the beginning of 1970 on that clock. None after 2100.
    pub(super) fn next_on_wall(&self, wall: i64) -> Option<i64> {
        let after = DateTime::<Utc>::from_timestamp(wall, 0)?;
        let next = |schedule: &cron::Schedule| schedule.after(&after).next();
        self.schedules
            .iter()
            .filter_map(next)
            .min()
            .map(|time| time.timestamp())
    }
}

/// By what is written: `@daily` is not `0 0 * * *`.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl CronError {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}

impl Fields {
    fn parse(text: &str) -> Result<Self, CronError> {
        let text = if text.starts_with('@') {
            meaning(text)?
        } else {
            text
        };
        if text.contains('=') {
            return Err(CronError::new(
                "it holds a variable",
                "the zone is a key of its own: time_zone = \"Europe/Berlin\"",
            ));
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (second, rest) = match fields.as_slice() {
            [second, rest @ ..] if rest.len() == 5 => (Field::parse(second, &SECOND)?, rest),
            rest => (Field::only(0), rest),
        };
        let [minute, hour, day, month, weekday] = rest else {
            return Err(CronError::new(
                match fields.len() {
                    0 => "it is empty".to_owned(),
                    1 => "it has 1 field".to_owned(),
                    count => format!("it has {count} fields"),
                },
                "write five: minute, hour, day of the month, month, day of the week, as 0 2 * * *; with six the second comes first",
            ));
        };
        let fields = Self {
            second,
            minute: Field::parse(minute, &MINUTE)?,
            hour: Field::parse(hour, &HOUR)?,
            day: Field::parse(day, &DAY)?,
            month: Field::parse(month, &MONTH)?,
            weekday: Field::parse(weekday, &WEEKDAY)?,
        };
        fields.check_days()?;
        Ok(fields)
    }

    /// Whether any day of the month that is named is in any month that is named.
    fn check_days(&self) -> Result<(), CronError> {
        let longest = self
            .month
            .values()
            .into_iter()
            .filter_map(|month| LONGEST.get(usize::from(month).checked_sub(1)?).copied())
            .max();
        let earliest = self.day.values().first().copied();
        match (earliest, longest) {
            (Some(day), Some(longest)) if day > longest => Err(CronError::new(
                format!("no month that it names has a day {day}"),
                format!("the longest of them has {longest} days"),
            )),
            _ => Ok(()),
        }
    }

    /// Days of the month or of the week, when both are named without an asterisk (POSIX `crontab`, as Vixie's cron reads it); else both.
    pub(super) fn is_either_day(&self) -> bool {
        !self.day.is_wild && !self.weekday.is_wild
    }

    fn schedules(&self) -> Result<Vec<cron::Schedule>, CronError> {
        if !self.is_either_day() {
            return Ok(vec![
                self.schedule(&list(self.day, &DAY), &weekdays(self.weekday))?,
            ]);
        }
        Ok(vec![
            self.schedule(&list(self.day, &DAY), "*")?,
            self.schedule("*", &weekdays(self.weekday))?,
        ])
    }

    /// In the dialect of the crate `cron`: the second first, Sunday is 1.
    fn schedule(&self, days: &str, weekdays: &str) -> Result<cron::Schedule, CronError> {
        let expression = format!(
            "{} {} {} {days} {} {weekdays}",
            list(self.second, &SECOND),
            list(self.minute, &MINUTE),
            list(self.hour, &HOUR),
            list(self.month, &MONTH),
        );
        cron::Schedule::from_str(&expression)
            .map_err(|error| CronError::new(error.to_string(), "write it with numbers alone"))
    }
}

fn meaning(word: &str) -> Result<&'static str, CronError> {
    let lower = word.to_ascii_lowercase();
    if let Some((_, meaning)) = WORDS.iter().find(|(known, _)| *known == lower) {
        return Ok(meaning);
    }
    let known = WORDS.map(|(known, _)| known);
    let hint = match (lower.as_str(), crate::database::nearest(&lower, known)) {
        ("@reboot", _) => {
            "schedules follow the clock; what is to run at the start of a machine is systemd's"
                .to_owned()
        }
        (_, Some(nearest)) => format!("did you mean {nearest}?"),
        (_, None) => format!("there are: {}", known.join(", ")),
    };
    Err(CronError::new(format!("there is no {word}"), hint))
}

fn list(field: Field, unit: &Unit) -> String {
    if field.is_everything(unit) {
        return "*".to_owned();
    }
    joined(field.values().into_iter())
}

fn weekdays(field: Field) -> String {
    if field.is_everything(&WEEKDAY) {
        return "*".to_owned();
    }
    joined(field.values().into_iter().map(|value| value + 1))
}

fn joined(values: impl Iterator<Item = u8>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    values.join(",")
}
