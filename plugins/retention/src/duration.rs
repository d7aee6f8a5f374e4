//! Durations as people write them: `30d`, `1y6m`, `2w`, `12h`.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Span};

/// Years, months, weeks, days and hours.
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

/// Of each unit: as long as the calendar's longest, so that nothing is older than `1m` before a month of the calendar has passed.
const HOURS: [i64; 5] = [366 * 24, 31 * 24, 7 * 24, 24, 1];

impl Duration {
    /// How long it is. An age is a sum of gaps, which lies nowhere in the calendar: so a year has 366 days here, and a month 31.
    pub fn length(&self) -> SignedDuration {
        let hours = self.parts.iter().zip(HOURS);
        let hours = hours.map(|((_, number), hours)| number.saturating_mul(hours));
        SignedDuration::from_hours(hours.fold(0, i64::saturating_add))
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
    use jiff::Zoned;

    use super::*;

    #[test]
    fn durations_have_a_length() {
        for (text, days) in [
            ("30d", 30),
            ("1m", 31),
            ("1y6m", 366 + 6 * 31),
            ("2w", 14),
            ("24h", 1),
            ("1y1m1w1d24h", 366 + 31 + 7 + 1 + 1),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.to_string(), text);
            assert_eq!(duration.length(), SignedDuration::from_hours(24 * days));
        }
    }

    #[test]
    fn none_is_shorter_than_the_calendar_s() {
        for moment in ["2024-03-31", "2024-02-29", "2023-03-01", "2025-12-31"] {
            let moment: Zoned = format!("{moment}T02:00:00+00:00[UTC]").parse().unwrap();
            for text in ["1m", "2m", "7m", "1y", "4y", "1y6m", "2w12h"] {
                let duration: Duration = text.parse().unwrap();
                let before = moment.checked_sub(duration.span().unwrap()).unwrap();
                let of_the_calendar = moment.duration_since(&before);
                assert!(duration.length() >= of_the_calendar, "{text} of {moment}");
            }
        }
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
