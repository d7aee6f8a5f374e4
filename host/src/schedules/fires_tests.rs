//! Fires over the changes of clocks, held against a reference that looks at a clock minute by minute, as Vixie's cron does.

use super::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;

const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Sydney",
    "America/Santiago",
    "Africa/Cairo",
    // Half an hour.
    "Australia/Lord_Howe",
    // Left out the 30th of December 2011.
    "Pacific/Apia",
    "Africa/Nairobi",
    "UTC",
];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

/// The fires from an instant on, as the zone's own time.
fn fires(text: &str, name: &str, from: &str, count: usize) -> Vec<String> {
    let (cron, zone) = (Cron::parse(text).unwrap(), zone(name));
    let mut after: Timestamp = from.parse().unwrap();
    let mut fires = Vec::new();
    for _ in 0..count {
        after = cron.next_after(&zone, after).unwrap();
        fires.push(
            after
                .to_zoned(zone.clone())
                .strftime("%d %H:%M%:z")
                .to_string(),
        );
    }
    fires
}

#[test]
fn a_removed_time_runs_once_right_after_the_gap() {
    let from = "2026-03-28T12:00:00Z";
    assert_eq!(
        fires("30 2 * * *", "Europe/Berlin", from, 2),
        ["29 03:00+02:00", "30 02:30+02:00"]
    );
    // Several that are removed, and one that is not, are one.
    assert_eq!(
        fires("0,30 2,3 * * *", "Europe/Berlin", from, 3),
        ["29 03:00+02:00", "29 03:30+02:00", "30 02:00+02:00"]
    );
    assert_eq!(
        fires("30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", 2),
        ["08 03:00-04:00", "09 02:30-04:00"]
    );
    assert_eq!(
        fires("30 2 * * *", "Australia/Sydney", "2026-10-03T12:00:00Z", 2),
        ["04 03:00+11:00", "05 02:30+11:00"]
    );
    // Midnight itself.
    assert_eq!(
        fires("@daily", "America/Santiago", "2026-09-05T12:00:00Z", 2),
        ["06 01:00-03:00", "07 00:00-03:00"]
    );
    assert_eq!(
        fires("@daily", "Africa/Cairo", "2026-04-23T12:00:00Z", 2),
        ["24 01:00+03:00", "25 00:00+03:00"]
    );
    assert_eq!(
        fires(
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2026-10-03T12:00:00Z",
            2
        ),
        ["04 02:30+11:00", "05 02:15+11:00"]
    );
    // A whole day.
    assert_eq!(
        fires("0 2 * * *", "Pacific/Apia", "2011-12-29T11:00:00Z", 4),
        [
            "29 02:00-10:00",
            "31 00:00+14:00",
            "31 02:00+14:00",
            "01 02:00+14:00"
        ]
    );
    assert_eq!(
        fires("30 2 * * *", "Africa/Nairobi", from, 2),
        ["29 02:30+03:00", "30 02:30+03:00"]
    );
}

#[test]
fn a_repeated_time_runs_once() {
    let from = "2026-10-24T12:00:00Z";
    assert_eq!(
        fires("30 2 * * *", "Europe/Berlin", from, 2),
        ["25 02:30+02:00", "26 02:30+01:00"]
    );
    // Also for one that asks in the middle of the second time.
    assert_eq!(
        fires(
            "0,30,45 2 * * *",
            "Europe/Berlin",
            "2026-10-25T01:10:00Z",
            1
        ),
        ["26 02:00+01:00"]
    );
    assert_eq!(
        fires("30 1 * * *", "America/New_York", "2026-11-01T00:00:00Z", 2),
        ["01 01:30-04:00", "02 01:30-05:00"]
    );
    assert_eq!(
        fires("30 2 * * *", "Australia/Sydney", "2026-04-04T12:00:00Z", 2),
        ["05 02:30+11:00", "06 02:30+10:00"]
    );
    assert_eq!(
        fires("30 23 * * *", "America/Santiago", "2026-04-04T12:00:00Z", 2),
        ["04 23:30-03:00", "05 23:30-04:00"]
    );
    assert_eq!(
        fires(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00:00Z",
            2
        ),
        ["05 01:45+11:00", "06 01:45+10:30"]
    );
}

#[test]
fn intervals_follow_real_time() {
    assert_eq!(
        fires("30 * * * *", "Europe/Berlin", "2026-10-24T23:45:00Z", 4),
        [
            "25 02:30+02:00",
            "25 02:30+01:00",
            "25 03:30+01:00",
            "25 04:30+01:00"
        ]
    );
    assert_eq!(
        fires("30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 3),
        ["29 01:30+01:00", "29 03:30+02:00", "29 04:30+02:00"]
    );
    assert_eq!(
        fires(
            "*/20 * * * *",
            "Australia/Lord_Howe",
            "2026-04-04T14:35:00Z",
            4
        ),
        [
            "05 01:40+11:00",
            "05 01:40+10:30",
            "05 02:00+10:30",
            "05 02:20+10:30"
        ]
    );
    assert_eq!(
        fires("*/5 * * * *", "Pacific/Apia", "2011-12-30T09:52:00Z", 2),
        ["29 23:55-10:00", "31 00:00+14:00"]
    );
    // The second time alone is left, and it is before what comes next on a clock that only goes forward.
    assert_eq!(
        fires("*/30 2 25 10 *", "Europe/Berlin", "2026-10-25T00:59:00Z", 3),
        ["25 02:00+01:00", "25 02:30+01:00", "25 02:00+02:00"]
    );
}

/// An expression as text, and what it means, each field by itself.
#[derive(Clone, Debug)]
struct Expression {
    text: String,
    /// Minutes, hours, days, months, weekdays.
    fields: [Vec<i8>; 5],
    is_interval: bool,
    is_either_day: bool,
}

impl Expression {
    /// Some of many expressions: the seed chooses.
    fn of(choices: &[(u8, Vec<i8>); 5]) -> Self {
        let bounds = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 6)];
        let mut fields: [Vec<i8>; 5] = Default::default();
        let mut texts = Vec::new();
        for (index, (kind, picked)) in choices.iter().enumerate() {
            let (min, max) = bounds[index];
            let within: Vec<i8> = picked
                .iter()
                .map(|value| min + value.rem_euclid(max - min + 1))
                .collect();
            let (text, values): (String, Vec<i8>) = match kind {
                0 => ("*".to_owned(), (min..=max).collect()),
                1 => {
                    let step = within[0].max(1).min(max - min);
                    let values = (min..=max)
                        .filter(|value| (value - min) % step == 0)
                        .collect();
                    (format!("*/{step}"), values)
                }
                2 => {
                    let (first, last) = (within[0].min(within[1]), within[0].max(within[1]));
                    (format!("{first}-{last}"), (first..=last).collect())
                }
                _ => {
                    let list: Vec<String> = within.iter().map(ToString::to_string).collect();
                    (list.join(","), within)
                }
            };
            texts.push(text);
            fields[index] = values;
        }
        Self {
            is_interval: texts[0].starts_with('*') || texts[1].starts_with('*'),
            is_either_day: !texts[2].starts_with('*') && !texts[4].starts_with('*'),
            text: texts.join(" "),
            fields,
        }
    }

    /// Whether the clock shows one of its times; minutes since 1970 on the clock.
    fn is_at(&self, wall: i64) -> bool {
        let [minutes, hours, days, months, weekdays] = &self.fields;
        let time = jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0) + wall.minutes();
        let day = days.contains(&time.day());
        let weekday = weekdays.contains(&time.weekday().to_sunday_zero_offset());
        minutes.contains(&time.minute())
            && hours.contains(&time.hour())
            && months.contains(&time.month())
            && if self.is_either_day {
                day || weekday
            } else {
                day && weekday
            }
    }

    /// All fires after one instant up to another, both on a minute.
    fn reference(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<i64> {
        let wall = |minute: i64| {
            let instant = Timestamp::from_second(minute * 60).unwrap();
            minute + i64::from(zone.to_offset(instant).seconds()) / 60
        };
        let first = from.as_second() / 60;
        // Four hours earlier, for a clock that has been set back before.
        let mut latest = (first - 240..=first).map(wall).max().unwrap();
        let mut fires = Vec::new();
        for minute in first + 1..=to.as_second() / 60 {
            let now = wall(minute);
            let fires_now = if self.is_interval {
                self.is_at(now)
            } else {
                (latest + 1..=now).any(|wall| self.is_at(wall))
            };
            if fires_now {
                fires.push(minute * 60);
            }
            latest = latest.max(now);
        }
        fires
    }

    fn walked(&self, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<i64> {
        let cron = Cron::parse(&self.text).unwrap();
        let mut fires = Vec::new();
        let mut after = from;
        while let Some(next) = cron.next_after(zone, after).filter(|next| *next <= to) {
            assert!(next > after, "{} stands still at {after}", self.text);
            fires.push(next.as_second());
            after = next;
        }
        fires
    }
}

/// Around the changes of the clocks of `ZONES`, and where none is.
const CHANGES: [&str; 10] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-03-08T07:00:00Z",
    "2026-11-01T06:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T16:00:00Z",
    "2026-09-06T04:00:00Z",
    "2026-04-23T22:00:00Z",
    "2011-12-30T10:00:00Z",
    "2028-02-28T23:00:00Z",
];

fn choice(weights: [u32; 4]) -> impl Strategy<Value = (u8, Vec<i8>)> {
    let [any, step, range, list] = weights;
    let kind =
        prop_oneof![any => Just(0u8), step => Just(1u8), range => Just(2u8), list => Just(3u8)];
    (kind, proptest::collection::vec(0i8..60, 2..4))
}

fn expressions() -> impl Strategy<Value = Expression> {
    let choices = (
        choice([2, 2, 1, 5]),
        choice([3, 1, 3, 3]),
        choice([6, 1, 1, 2]),
        // An impossible date is an error, which has tests of its own.
        choice([8, 1, 0, 0]),
        choice([6, 1, 1, 2]),
    );
    choices.prop_map(|(minute, hour, day, month, weekday)| {
        Expression::of(&[minute, hour, day, month, weekday])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn walks_agree_with_the_reference(expression in expressions(), place in 0..ZONES.len(), change in 0..CHANGES.len(), before in 1i64..3000) {
        let zone = zone(ZONES[place]);
        let change: Timestamp = CHANGES[change].parse().unwrap();
        let from = change - before.minutes();
        let to = change + 4000.minutes();
        prop_assert_eq!(
            expression.walked(&zone, from, to),
            expression.reference(&zone, from, to),
            "{} in {}", expression.text, ZONES[place]
        );
    }

    #[test]
    fn nonsense_is_refused_or_understood(text in "[-0-9*/, ajnsu?LW#@]{0,24}") {
        if let Ok(cron) = Cron::parse(&text) {
            prop_assert!(!cron.words().is_empty());
            prop_assert!(cron.next_after(&TimeZone::UTC, Timestamp::UNIX_EPOCH).is_some(), "{}", text);
        }
    }
}

/// 200 schedules as people have them, ten of them every five minutes, by number.
fn mixed(index: u8) -> Expression {
    let any = || (0, vec![0, 0]);
    let only = |value: i8| (3, vec![value, value]);
    let number = i8::try_from(index % 100).unwrap();
    let choices = match index {
        0..10 => [(1, vec![5, 5]), any(), any(), any(), any()],
        _ => match number % 5 {
            0 => [only(number), any(), any(), any(), any()],
            1 => [only(number), only(number), any(), any(), only(number)],
            2 => [only(number), only(2), only(number), any(), any()],
            3 => [only(number), only(2), only(number), any(), only(number)],
            _ => [only(number), only(number / 5), any(), any(), any()],
        },
    };
    Expression::of(&choices)
}

#[test]
fn two_hundred_schedules_through_a_year() {
    let (from, to): (Timestamp, Timestamp) = (
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "2027-01-01T00:00:00Z".parse().unwrap(),
    );
    let mut walk = std::time::Duration::ZERO;
    let (mut fires, mut compared) = (0, 0);
    for number in 0..200u8 {
        let expression = mixed(number);
        let zone = zone(ZONES[usize::from(number) % ZONES.len()]);
        let begin = std::time::Instant::now();
        let walked = expression.walked(&zone, from, to);
        walk += begin.elapsed();
        fires += walked.len();
        // The reference looks at half a million minutes for each: some are held against it, of every kind and zone.
        if number % 23 == 1 {
            assert_eq!(
                walked,
                expression.reference(&zone, from, to),
                "{}",
                expression.text
            );
            compared += 1;
        }
    }
    println!("{fires} fires of 200 schedules in {walk:?}, {compared} of them compared");
    assert!(fires > 1_000_000, "{fires}");
    assert!(walk.as_secs() < 120, "{walk:?}");
}
