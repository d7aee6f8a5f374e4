//! An expression for Kubernetes, whose parser (robfig/cron, `ParseStandard`) reads five fields a little differently.

use super::cron::{Cron, CronError};
use super::field::{DAY, Field, HOUR, MINUTE, MONTH, Unit, WEEKDAY};
use super::words::runs;

impl Cron {
    /// The same fires in five fields for a CronJob, or why that cannot be said there.
    pub fn for_kubernetes(&self) -> Result<String, CronError> {
        let fields = &self.fields;
        if fields.second != Field::only(0) {
            return Err(CronError::new(
                "a CronJob knows no seconds",
                "leave out the first of the six fields",
            ));
        }
        // There both days must hold where one of the fields holds a bare asterisk, which is every day; elsewhere either will do.
        let is_either = fields.is_either_day();
        let is_one_open = fields.day.is_everything(&DAY) || fields.weekday.is_everything(&WEEKDAY);
        if !is_either && !is_one_open {
            return Err(CronError::new(
                "a CronJob cannot ask for a day of the month and a day of the week at once",
                "name the one or the other",
            ));
        }
        let day = |field, unit| match is_either {
            true => values(field),
            false => part(field, unit),
        };
        Ok([
            part(fields.minute, &MINUTE),
            part(fields.hour, &HOUR),
            day(fields.day, &DAY),
            part(fields.month, &MONTH),
            day(fields.weekday, &WEEKDAY),
        ]
        .join(" "))
    }
}

/// As short as it can be said.
fn part(field: Field, unit: &Unit) -> String {
    match field.step {
        _ if field.is_everything(unit) => "*".to_owned(),
        Some(step) => format!("*/{step}"),
        None => values(field),
    }
}

/// With numbers alone: there Sunday is 0, and never 7.
fn values(field: Field) -> String {
    let parts: Vec<String> = runs(&field.values())
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A field as robfig/cron reads it (`getField`, `getRange` and `getBits` of its parser.go): a bit for each value, and the star.
    fn read(text: &str, first: u32, last: u32) -> u64 {
        const STAR: u64 = 1 << 63;
        text.split(',').fold(0, |bits, range| {
            let (range, step) = range.split_once('/').unwrap_or((range, "1"));
            let step: usize = step.parse().unwrap();
            let (from, to, star) = match range.split_once('-') {
                _ if range == "*" => (first, last, if step > 1 { 0 } else { STAR }),
                Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap(), 0),
                None => (range.parse().unwrap(), range.parse().unwrap(), 0),
            };
            assert!(first <= from && from <= to && to <= last, "{text}");
            let values = (from..=to).step_by(step);
            values.fold(bits | star, |bits, value| bits | 1 << value)
        })
    }

    /// What robfig/cron does of an expression (`Next` and `dayMatches` of its spec.go).
    struct Reference([u64; 5]);

    impl Reference {
        fn of(expression: &str) -> Self {
            let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
            let fields: Vec<&str> = expression.split(' ').collect();
            assert_eq!(fields.len(), 5, "{expression}");
            Self(std::array::from_fn(|index| {
                read(fields[index], bounds[index].0, bounds[index].1)
            }))
        }

        fn has_day(&self, day: jiff::civil::Date) -> bool {
            let has = |field: usize, value: i8| self.0[field] & (1 << value) != 0;
            let days = has(2, day.day());
            let weekdays = has(4, day.weekday().to_sunday_zero_offset());
            let is_starred = (self.0[2] | self.0[4]) & (1 << 63) != 0;
            let is_named = match is_starred {
                true => days && weekdays,
                false => days || weekdays,
            };
            is_named && has(3, day.month())
        }

        /// In minutes of a day.
        fn times(&self) -> Vec<i64> {
            let has = |field: usize, value: i64| self.0[field] & (1 << value) != 0;
            let minutes = 0..24 * 60;
            minutes
                .filter(|minute| has(1, minute / 60) && has(0, minute % 60))
                .collect()
        }
    }

    /// In seconds on the wall clock.
    fn begin_of(day: jiff::civil::Date) -> i64 {
        let midnight = day.to_zoned(jiff::tz::TimeZone::UTC).unwrap();
        midnight.timestamp().as_second()
    }

    /// The days of a leap year and the next, each with whether it has fires, and all times of the first day that has some.
    fn compare(text: &str, exported: &str) {
        let (cron, reference) = (Cron::parse(text).unwrap(), Reference::of(exported));
        let first = jiff::civil::date(2028, 1, 1);
        let days = first.series(jiff::ToSpan::days(1)).take(366 + 365);
        let mut times = None;
        for day in days {
            let begin = begin_of(day);
            let next = cron.next_on_wall(begin - 1).unwrap();
            let fires = next < begin + 86_400;
            assert_eq!(fires, reference.has_day(day), "{text} {exported} {day}");
            if fires && times.is_none() {
                let all = std::iter::successors(Some(next), |time| cron.next_on_wall(*time));
                let of_day = all.take_while(|time| *time < begin + 86_400);
                times = Some(of_day.map(|time| (time - begin) / 60).collect::<Vec<_>>());
            }
        }
        if let Some(times) = times {
            assert_eq!(times, reference.times(), "{text} {exported}");
        }
    }

    /// `*`, `*/3`, `5`, `2-9`, `2-9/3`, and lists of them in any order.
    fn field(first: u8, last: u8) -> impl Strategy<Value = String> {
        let value = move || first..=last;
        let one = prop_oneof![
            2 => Just("*".to_owned()),
            2 => (1..=(last - first) / 2).prop_map(|step| format!("*/{step}")),
            3 => value().prop_map(|value| value.to_string()),
            2 => (value(), value()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (value(), value(), 1u8..4).prop_filter_map("too long a step", |(a, b, step)| {
                let (from, to) = (a.min(b), a.max(b));
                (step <= to - from).then(|| format!("{from}-{to}/{step}"))
            }),
        ];
        prop_oneof![
            2 => one.clone(),
            1 => proptest::collection::vec(one, 2..4).prop_map(|parts| parts.join(",")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        /// Whatever is exported fires there when it fires here; only what cannot be said there is refused.
        #[test]
        fn a_cron_job_fires_when_the_schedule_does(
            minute in field(0, 59),
            hour in field(0, 23),
            day in field(1, 31),
            month in field(1, 12),
            weekday in field(0, 7),
        ) {
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            // Some never come true, as `31 2`.
            if let Ok(cron) = Cron::parse(&text) {
                match cron.for_kubernetes() {
                    Ok(exported) => compare(&text, &exported),
                    Err(_) => {
                        prop_assert!(day.starts_with('*') || weekday.starts_with('*'), "{text}");
                        prop_assert!(day != "*" && weekday != "*", "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn five_fields_with_numbers() {
        for (text, expected) in [
            ("0 2 * * *", "0 2 * * *"),
            ("@weekly", "0 0 * * 0"),
            ("*/5 9-17 * * mon-fri", "*/5 9-17 * * 1-5"),
            ("0 3 1,15 jan 7", "0 3 1,15 1 0"),
            ("0 0 0 2 * * fri-sun", ""),
            ("0 0 2 * * fri-sun", "0 2 * * 0,5-6"),
            ("0 0 */2 * *", "0 0 */2 * *"),
            // A list that begins with an asterisk is not everything.
            ("*/15,7 * * * *", "0,7,15,30,45 * * * *"),
            ("0 0 */10,15 * *", "0 0 1,11,15,21,31 * *"),
            ("*,7 */1 * * 0-7", "* * * * *"),
            // All days by their numbers are days that are named: either will do.
            ("0 0 1-31 * mon", "0 0 1-31 * 1"),
            ("0 0 1-31 * *", "0 0 * * *"),
        ] {
            let said = Cron::parse(text).and_then(|cron| cron.for_kubernetes());
            assert_eq!(said.unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn what_a_cron_job_cannot_say() {
        for (text, expected) in [
            ("30 0 2 * * *", "seconds"),
            ("* * * * * *", "seconds"),
            ("0 0 */2 * 1", "at once"),
            ("0 0 1 * */2", "at once"),
            ("0 0 */10,15 * mon", "at once"),
        ] {
            let error = Cron::parse(text).unwrap().for_kubernetes().unwrap_err();
            assert!(error.message.contains(expected), "{text}: {error}");
        }
    }
}
