//! A cron expression as people say it.

use super::cron::Cron;
use super::field::{DAY, Field, HOUR, MINUTE, MONTH, SECOND, WEEKDAY};

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 13] = [
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// More times of a day are told by their hours and minutes.
const TIMES: usize = 6;

impl Cron {
    /// `at 02:00 every day`, `every 5 minutes`, `at 03:30 on Sunday`.
    pub fn words(&self) -> String {
        let (times, goes_round_the_clock) = self.times();
        match self.days() {
            Some(days) => format!("{times} {days}"),
            None if goes_round_the_clock => times,
            None => format!("{times} every day"),
        }
    }

    /// Within a day, and whether that is the same in every hour.
    fn times(&self) -> (String, bool) {
        let (minutes, goes_round_the_clock) = self.minutes();
        let second = self.fields.second;
        if second == Field::only(0) {
            return (minutes, goes_round_the_clock);
        }
        if let Some(times) = self.listed() {
            return (times, false);
        }
        let seconds = match second.step.filter(|step| 60 % step == 0) {
            Some(step) => every(step, "second"),
            None if second.is_everything(&SECOND) => "every second".to_owned(),
            None => format!("at {}", counted("second", &numbers(second))),
        };
        if minutes == "every minute" {
            return (seconds, true);
        }
        (
            format!("{seconds} of the minute, {minutes}"),
            goes_round_the_clock,
        )
    }

    fn minutes(&self) -> (String, bool) {
        let (minute, hour) = (self.fields.minute, self.fields.hour);
        let is_every_hour = hour.is_everything(&HOUR);
        let interval = match minute.step.filter(|step| 60 % step == 0) {
            Some(step) => Some(every(step, "minute")),
            None => minute
                .is_everything(&MINUTE)
                .then(|| "every minute".to_owned()),
        };
        if let Some(interval) = interval {
            return match hours(hour) {
                None => (interval, true),
                Some(hours) => (format!("{interval} {hours}"), false),
            };
        }
        if minute == Field::only(0) {
            if is_every_hour {
                return ("every hour".to_owned(), true);
            }
            if let Some(step) = hour.step.filter(|step| 24 % step == 0) {
                return (every(step, "hour"), true);
            }
        }
        if let Some(times) = self.listed() {
            return (times, false);
        }
        let minutes = counted("minute", &numbers(minute));
        if is_every_hour {
            return (format!("at {minutes} of every hour"), true);
        }
        let hours = counted("hour", &numbers(hour));
        (format!("at {minutes} of {}{hours}", "the "), false)
    }

    /// `at 02:00 and 14:00`, when the times are few.
    fn listed(&self) -> Option<String> {
        let fields = &self.fields;
        let (hours, minutes, seconds) = (
            fields.hour.values(),
            fields.minute.values(),
            fields.second.values(),
        );
        if hours.len() * minutes.len() * seconds.len() > TIMES {
            return None;
        }
        let mut times = Vec::new();
        for hour in &hours {
            for minute in &minutes {
                for second in &seconds {
                    times.push(match fields.second == Field::only(0) {
                        true => format!("{hour:02}:{minute:02}"),
                        false => format!("{hour:02}:{minute:02}:{second:02}"),
                    });
                }
            }
        }
        Some(format!("at {}", enumerated(&times)))
    }

    /// None for every day of the year.
    fn days(&self) -> Option<String> {
        let fields = &self.fields;
        let months = (!fields.month.is_everything(&MONTH))
            .then(|| named(fields.month, |month| MONTHS[usize::from(month)].to_owned()));
        let is_any_day = fields.day.is_everything(&DAY);
        let is_any_weekday = fields.weekday.is_everything(&WEEKDAY);
        let of = months.as_deref().unwrap_or("the month");
        let days = format!("on {} of {of}", counted("day", &numbers(fields.day)));
        let weekdays = named(fields.weekday, |day| WEEKDAYS[usize::from(day)].to_owned());
        let within = |days: String| match &months {
            Some(months) => format!("{days} in {months}"),
            None => days,
        };
        match (is_any_day, is_any_weekday) {
            (true, true) => months
                .as_ref()
                .map(|months| format!("every day in {months}")),
            // With all of one kind named, either is every day.
            _ if fields.is_either_day() && (is_any_day || is_any_weekday) => months
                .as_ref()
                .map(|months| format!("every day in {months}")),
            (false, true) => Some(days),
            (true, false) => Some(within(format!("on {weekdays}"))),
            (false, false) if fields.is_either_day() => {
                Some(format!("{days} or on {}", within(weekdays)))
            }
            (false, false) => Some(format!("{days} when it is {weekdays}")),
        }
    }
}

/// `from 09:00 to 17:59`, or None for all hours.
fn hours(hour: Field) -> Option<String> {
    if hour.is_everything(&HOUR) {
        return None;
    }
    let ranges = runs(&hour.values());
    Some(match ranges.as_slice() {
        [(first, last)] => format!("from {first:02}:00 to {last:02}:59"),
        _ => format!("of the {}", counted("hour", &numbers(hour))),
    })
}

fn every(step: u8, unit: &str) -> String {
    match step {
        1 => format!("every {unit}"),
        step => format!("every {step} {unit}s"),
    }
}

/// `day 1`, `days 1 and 15`.
fn counted(unit: &str, numbers: &str) -> String {
    match numbers.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{unit} {numbers}"),
        false => format!("{unit}s {numbers}"),
    }
}

fn numbers(field: Field) -> String {
    named(field, |value| value.to_string())
}

/// `Monday to Friday and Sunday`.
fn named(field: Field, name: impl Fn(u8) -> String) -> String {
    let mut parts = Vec::new();
    for (first, last) in runs(&field.values()) {
        match last - first {
            0 => parts.push(name(first)),
            1 => parts.extend([name(first), name(last)]),
            _ => parts.push(format!("{} to {}", name(first), name(last))),
        }
    }
    enumerated(&parts)
}

/// Values that follow one another, as the first and the last of them.
pub(super) fn runs(values: &[u8]) -> Vec<(u8, u8)> {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for value in values {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *value => *last = *value,
            _ => runs.push((*value, *value)),
        }
    }
    runs
}

fn enumerated(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [part] => part.clone(),
        [parts @ .., last] => format!("{} and {last}", parts.join(", ")),
    }
}
