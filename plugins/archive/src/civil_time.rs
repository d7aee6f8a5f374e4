//! Dates and times in UTC from Unix time, and back, without a clock or a time zone database.

use std::fmt;
use std::str::FromStr;

const SECONDS_A_DAY: i64 = 86_400;

/// A time in UTC of the proleptic Gregorian calendar, to the second, from year 0 to 9999.
///
/// Prints and parses as RFC 3339: `2026-01-17T02:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CivilTime {
    /// 0 to 9999.
    year: u16,
    /// 1 to 12.
    month: u8,
    /// 1 to 31.
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
}

/// A text that is not a time in the form asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time in UTC like {example}")]
pub struct CivilTimeError {
    text: String,
    example: &'static str,
}

impl CivilTime {
    /// The time at this number of Unix milliseconds; what lies after the year 9999 becomes its last second.
    pub fn from_unix_ms(unix_ms: u64) -> CivilTime {
        CivilTime::from_unix_seconds(unix_ms / 1000)
    }

    /// The time at this number of Unix seconds; what lies after the year 9999 becomes its last second.
    pub fn from_unix_seconds(unix_seconds: u64) -> CivilTime {
        const LAST: u64 = 253_402_300_799;
        // Within i64, as LAST is.
        let seconds = unix_seconds.min(LAST) as i64;
        let (year, month, day) = date_from_days(seconds / SECONDS_A_DAY);
        let second_of_day = seconds % SECONDS_A_DAY;
        CivilTime {
            year: year as u16,
            month,
            day,
            hour: (second_of_day / 3600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
        }
    }

    /// Seconds since 1970; negative before.
    pub fn unix_seconds(&self) -> i64 {
        let days = days_from_date(i64::from(self.year), self.month, self.day);
        days * SECONDS_A_DAY
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
    }

    /// Year, month (1 to 12) and day (1 to 31).
    pub fn date(&self) -> (u16, u8, u8) {
        (self.year, self.month, self.day)
    }

    /// Hour, minute and second.
    pub fn time(&self) -> (u8, u8, u8) {
        (self.hour, self.minute, self.second)
    }

    /// As [`Display`](fmt::Display), but fit for the name of a folder on every system: `2026-01-17T02-00-00Z`.
    pub fn file_name(&self) -> String {
        self.format('-')
    }

    /// Reads what [`file_name`](CivilTime::file_name) printed.
    pub fn from_file_name(text: &str) -> Result<CivilTime, CivilTimeError> {
        parse(text, '-').ok_or_else(|| CivilTimeError {
            text: text.to_owned(),
            example: "2026-01-17T02-00-00Z",
        })
    }

    fn format(&self, separator: char) -> String {
        let CivilTime {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}{separator}{minute:02}{separator}{second:02}Z"
        )
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(':'))
    }
}

impl FromStr for CivilTime {
    type Err = CivilTimeError;

    fn from_str(text: &str) -> Result<CivilTime, CivilTimeError> {
        parse(text, ':').ok_or_else(|| CivilTimeError {
            text: text.to_owned(),
            example: "2026-01-17T02:00:00Z",
        })
    }
}

fn parse(text: &str, separator: char) -> Option<CivilTime> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<u16> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum: u16, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + u16::from(digit - b'0'))
        })
    };
    // Every number but the year has two digits, so it fits.
    let small = |from: usize| Some(number(from, from + 2)? as u8);
    let time = CivilTime {
        year: number(0, 4)?,
        month: small(5)?,
        day: small(8)?,
        hour: small(11)?,
        minute: small(14)?,
        second: small(17)?,
    };
    // Printing it again finds wrong separators, a wrong length and days that the month does not have.
    let exists = (1..=12).contains(&time.month)
        && (1..=31).contains(&time.day)
        && time.hour < 24
        && time.minute < 60
        && time.second < 60
        && date_from_days(days_from_date(i64::from(time.year), time.month, time.day))
            == (i64::from(time.year), time.month, time.day);
    (exists && time.format(separator) == text).then_some(time)
}

/// Days since 1970-01-01 to year, month and day: `civil_from_days` of Howard Hinnant's "chrono-compatible low-level date
/// algorithms". Years begin in March there, so that the leap day is the last one.
fn date_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_from_march + 2) / 5 + 1) as u8;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    } as u8;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The inverse, `days_from_civil`.
fn days_from_date(year: i64, month: u8, day: u8) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (i64::from(month) + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696_000, "2000-02-29T12:34:56Z"),
            (1_768_615_200_999, "2026-01-17T02:00:00Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(CivilTime::from_unix_ms(unix_ms).to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in [
            "",
            "2026-01-17",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-17T24:00:00Z",
            "2026-01-17T02:00:00+01:00",
            "2026-01-17T02-00-00Z",
            "2026-01-17T02:00:00Zz",
            "+026-01-17T02:00:00Z",
            "2026-01-17T02:00:0éZ",
        ] {
            assert!(text.parse::<CivilTime>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn printed_times_are_read_back(seconds in 0_u64..253_402_300_800) {
            let time = CivilTime::from_unix_seconds(seconds);
            prop_assert_eq!(time.unix_seconds(), seconds as i64);
            prop_assert_eq!(time.to_string().parse::<CivilTime>(), Ok(time));
            prop_assert_eq!(CivilTime::from_file_name(&time.file_name()), Ok(time));
        }
    }
}
