//! Durations of the calendar: `30d`, `1y6m`, `2w`, `12h`.

use std::fmt;
use std::str::FromStr;

use jiff::{Span, Zoned};

/// Years, months, weeks, days and hours: how long a month is depends on where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duration {
    text: String,
    parts: [(char, i64); 5],
}

/// A text that is no such duration.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("{0:?} is no duration: one looks like 30d, 1y6m, 2w or 12h, the larger units first")]
    Shape(String),
    #[error("the duration {0:?} is nothing at all")]
    Zero(String),
    #[error("the duration {0:?} is longer than the calendar")]
    Long(String),
}

const UNITS: [char; 5] = ['y', 'm', 'w', 'd', 'h'];

impl Duration {
    /// The moment that lies this much before; the oldest one there is when that is before all calendars.
    pub(crate) fn before(&self, moment: &Zoned) -> Option<Zoned> {
        moment.checked_sub(self.span().ok()?).ok()
    }

    fn span(&self) -> Result<Span, jiff::Error> {
        let [(_, years), (_, months), (_, weeks), (_, days), (_, hours)] = self.parts;
        Span::new()
            .try_years(years)?
            .try_months(months)?
            .try_weeks(weeks)?
            .try_days(days)?
            .try_hours(hours)
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let shape = || DurationError::Shape(text.to_owned());
        let mut parts = UNITS.map(|unit| (unit, 0));
        let mut rest = text;
        let mut next = 0;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let unit = after.chars().next().ok_or_else(shape)?;
            // Each unit once, the larger first: `m` is a month and nothing else.
            let at = UNITS.iter().position(|known| *known == unit);
            let at = at
                .filter(|at| *at >= next && digits > 0)
                .ok_or_else(shape)?;
            parts[at].1 = number
                .parse()
                .map_err(|_| DurationError::Long(text.to_owned()))?;
            next = at + 1;
            rest = &after[unit.len_utf8()..];
        }
        if next == 0 {
            return Err(shape());
        }
        if parts.iter().all(|(_, number)| *number == 0) {
            return Err(DurationError::Zero(text.to_owned()));
        }
        let duration = Self {
            text: text.to_owned(),
            parts,
        };
        match duration.span() {
            Ok(_) => Ok(duration),
            Err(_) => Err(DurationError::Long(text.to_owned())),
        }
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_calendar() {
        let moment: Zoned = "2024-03-31T02:00:00+00:00[UTC]".parse().unwrap();
        let before = |text: &str| {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.to_string(), text);
            duration
                .before(&moment)
                .unwrap()
                .strftime("%F %R")
                .to_string()
        };
        assert_eq!(before("30d"), "2024-03-01 02:00");
        assert_eq!(before("1m"), "2024-02-29 02:00");
        assert_eq!(before("1y6m"), "2022-09-30 02:00");
        assert_eq!(before("2w12h"), "2024-03-16 14:00");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "", "30", "d", "30 d", "6m1y", "1d2d", "-3d", "3s", "1.5d", "ten", "3ä",
        ] {
            assert_eq!(
                text.parse::<Duration>(),
                Err(DurationError::Shape(text.to_owned()))
            );
        }
        assert_eq!(
            "0d".parse::<Duration>(),
            Err(DurationError::Zero("0d".into()))
        );
        for text in ["99999y", "99999999999999999999d"] {
            assert_eq!(
                text.parse::<Duration>(),
                Err(DurationError::Long(text.to_owned()))
            );
        }
    }
}
