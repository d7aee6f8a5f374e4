//! A simulated clock: a year of schedules in seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::decision::{Due, Known, ON_TIME, decide, jitter};
use crate::schedules::{Cron, Missed, Overlap, Retry, Schedule};

const ZONES: [&str; 8] = [
    "UTC",
    "Africa/Nairobi",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
];

const CRONS: [&str; 10] = [
    "*/5 * * * *",
    "0 * * * *",
    "30 2 * * *",
    "15 1,13 * * 1-5",
    "0 3 * * 0",
    "0 0 1 * *",
    "45 23 28-31 * *",
    "0 12 13 * 5",
    "10 */6 * * *",
    "@daily",
];

fn schedule(number: usize, missed: Missed) -> Schedule {
    Schedule {
        name: format!("number-{number}").parse().unwrap(),
        file: format!("schedules/number-{number}.toml").into(),
        description: None,
        enabled: true,
        cron: Cron::parse(CRONS[number % CRONS.len()]).unwrap(),
        time_zone: TimeZone::get(ZONES[number / CRONS.len() % ZONES.len()]).unwrap(),
        job: "backup".parse().unwrap(),
        parameters: serde_json::Map::new(),
        jitter: Duration::from_secs(300),
        timeout: None,
        retry: Retry {
            attempts: 1,
            backoff: Duration::from_secs(60),
            max_backoff: Duration::from_secs(3600),
        },
        overlap: Overlap::Skip,
        missed,
        notify: Vec::new(),
        ping: None,
    }
}

fn begin() -> Timestamp {
    let begin = date(2026, 1, 1).at(0, 0, 0, 0);
    begin.to_zoned(TimeZone::UTC).unwrap().timestamp()
}

fn end() -> Timestamp {
    begin() + SignedDuration::from_hours(24 * 365)
}

/// The fires that the expression has, one after the other.
fn fires(schedule: &Schedule) -> Vec<Timestamp> {
    std::iter::successors(Some(begin()), |last| {
        schedule.cron.next_after(&schedule.time_zone, *last)
    })
    .skip(1)
    .take_while(|fire| *fire <= end())
    .collect()
}

/// Numbers that are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What became of the fires of a schedule.
#[derive(Debug, Default)]
struct Told {
    ran: BTreeMap<Timestamp, SignedDuration>,
    missed: BTreeMap<Timestamp, SignedDuration>,
    passed_over: u64,
}

impl Told {
    fn take(&mut self, due: Due, now: Timestamp) {
        let late = now.duration_since(due.fire);
        assert!(late >= SignedDuration::ZERO, "{} before its time", due.fire);
        assert_eq!(due.is_late, late > ON_TIME, "{due:?} at {now}");
        // What was passed over is worth an alarm as much as what is late itself.
        let is_overdue = due.is_late || due.passed_over > 0;
        assert_eq!(due.overdue.is_some(), is_overdue, "{due:?} at {now}");
        if let Some(overdue) = due.overdue {
            assert!(now.duration_since(overdue) > ON_TIME, "{due:?} at {now}");
            assert_eq!(overdue == due.fire, due.is_late, "{due:?} at {now}");
        }
        let map = if due.runs {
            &mut self.ran
        } else {
            &mut self.missed
        };
        assert!(map.insert(due.fire, late).is_none(), "{} twice", due.fire);
        self.passed_over += u64::from(due.passed_over);
    }

    fn total(&self) -> u64 {
        (self.ran.len() + self.missed.len()) as u64 + self.passed_over
    }
}

#[test]
fn a_year_of_200_schedules_fires_each_once() {
    let clock = std::time::Instant::now();
    let mut total = 0;
    for number in 0..200 {
        let schedule = schedule(number, Missed::Once);
        let mut dice = Dice(number as u64);
        let mut known = Known {
            since: begin(),
            last: None,
        };
        let mut told = Told::default();
        let mut now = begin();
        while now <= end() + SignedDuration::from_hours(1) {
            let decision = decide(&schedule, known, now);
            for due in decision.due {
                told.take(due, now);
                known.last = known.last.max(Some(due.fire));
            }
            let Some(next) = decision.next else { break };
            // The loop wakes up late by a second or two; now and then it looks in between.
            now = match dice.below(10) {
                0 => now + SignedDuration::from_secs(2),
                _ => next.max(now) + SignedDuration::from_millis(dice.below(2000) as i64),
            };
        }
        let ran = told.ran.keys().copied().filter(|fire| *fire <= end());
        let ran: Vec<Timestamp> = ran.collect();
        let wanted = fires(&schedule);
        // A year of them in a message would help nobody.
        let differ = ran.iter().zip(&wanted).find(|(ran, wanted)| ran != wanted);
        assert_eq!(
            (differ, ran.len()),
            (None, wanted.len()),
            "{} in {}",
            schedule.cron,
            schedule.zone_name()
        );
        assert!(told.missed.is_empty() && told.passed_over == 0);
        total += ran.len();
    }
    assert!(total > 2_000_000, "{total} fires");
    let took = clock.elapsed();
    assert!(took < Duration::from_secs(120), "a year took {took:?}");
}

#[test]
fn a_night_a_day_in_every_zone() {
    for zone in ZONES {
        for cron in [
            "30 2 * * *",
            "0 2 * * *",
            "0 0 * * *",
            "59 1 * * *",
            "15 2 * * *",
        ] {
            let mut schedule = schedule(0, Missed::Once);
            schedule.cron = Cron::parse(cron).unwrap();
            schedule.time_zone = TimeZone::get(zone).unwrap();
            let mut days: BTreeMap<_, u32> = BTreeMap::new();
            for fire in fires(&schedule) {
                *days
                    .entry(fire.to_zoned(schedule.time_zone.clone()).date())
                    .or_default() += 1;
            }
            assert!(
                days.values().all(|count| *count == 1),
                "{cron} in {zone}: {days:?}"
            );
            assert!(
                (364..=366).contains(&days.len()),
                "{cron} in {zone}: {} days",
                days.len()
            );
        }
    }
}

#[test]
fn times_without_a_daemon_follow_the_rule() {
    for number in 0..200 {
        let missed = if number % 2 == 0 {
            Missed::Once
        } else {
            Missed::Skip
        };
        let schedule = schedule(number, missed);
        let mut dice = Dice(7 + number as u64);
        let mut known = Known {
            since: begin(),
            last: None,
        };
        let mut told = Told::default();
        let mut now = begin();
        let mut late_runs_expected = 0;
        while now <= end() {
            let decision = decide(&schedule, known, now);
            let late: Vec<&Due> = decision.due.iter().filter(|due| due.is_late).collect();
            assert!(late.len() <= 1, "{late:?}");
            late_runs_expected += late.len();
            for due in &decision.due {
                told.take(*due, now);
                known.last = known.last.max(Some(due.fire));
            }
            let Some(next) = decision.next else { break };
            now = match dice.below(40) {
                // Away, from minutes to three days.
                0 => now + SignedDuration::from_secs(60 * (1 + dice.below(60 * 24 * 3) as i64)),
                // The clock is set back; what was answered for stays so.
                1 => now - SignedDuration::from_hours(1),
                _ => next + SignedDuration::from_secs(dice.below(2) as i64),
            };
        }
        let late = |map: &BTreeMap<Timestamp, SignedDuration>| {
            map.values().filter(|late| **late > ON_TIME).count()
        };
        match missed {
            Missed::Once => assert_eq!(
                (late(&told.ran), told.missed.len()),
                (late_runs_expected, 0)
            ),
            Missed::Skip => assert_eq!(
                (late(&told.ran), told.missed.len()),
                (0, late_runs_expected)
            ),
        }
        // Nothing is lost: each fire ran, was recorded as missed, or is counted by one that came after it.
        let last = known.last.unwrap_or(begin());
        let all = fires_until(&schedule, last);
        assert_eq!(
            told.total(),
            all,
            "{} in {}",
            schedule.cron,
            schedule.zone_name()
        );
    }
}

fn fires_until(schedule: &Schedule, last: Timestamp) -> u64 {
    let mut count = 0;
    let mut fire = begin();
    while let Some(next) = schedule.cron.next_after(&schedule.time_zone, fire) {
        if next > last {
            break;
        }
        count += 1;
        fire = next;
    }
    count
}

#[test]
fn a_schedule_owes_nothing_from_before_it_was_seen() {
    let schedule = schedule(0, Missed::Once);
    let now = begin() + SignedDuration::from_secs(1);
    let known = Known {
        since: now,
        last: None,
    };
    let decision = decide(&schedule, known, now);
    assert_eq!(decision.due, []);
    assert_eq!(decision.next, Some(begin() + SignedDuration::from_mins(5)));
}

#[test]
fn a_fire_on_time_stands_in_for_those_that_were_missed() {
    let mut schedule = schedule(0, Missed::Once);
    schedule.cron = Cron::parse("* * * * *").unwrap();
    let known = Known {
        since: begin(),
        last: Some(begin()),
    };
    let minute = |minute| begin() + SignedDuration::from_mins(minute);
    let decision = decide(&schedule, known, minute(10) + SignedDuration::from_secs(5));
    let due = Due {
        fire: minute(10),
        runs: true,
        is_late: false,
        overdue: Some(minute(9)),
        passed_over: 9,
    };
    assert_eq!(decision.due, [due]);
    assert_eq!(decision.next, Some(minute(11)));
}

#[test]
fn years_without_a_daemon_are_decided_at_once() {
    let mut schedule = schedule(0, Missed::Once);
    schedule.cron = Cron::parse("* * * * * *").unwrap();
    let known = Known {
        since: begin(),
        last: None,
    };
    let decision = decide(&schedule, known, end());
    let last = decision.due.last().expect("the last second is due");
    assert_eq!(last.fire, end());
    assert!(decision.due.len() <= 61, "{}", decision.due.len());
}

#[test]
fn jitter_is_within_its_bound_and_spread() {
    let schedule = schedule(0, Missed::Once);
    let waits: Vec<Duration> = (0..1000)
        .map(|minute| jitter(&schedule, begin() + SignedDuration::from_mins(minute)))
        .collect();
    assert!(waits.iter().all(|wait| *wait <= schedule.jitter));
    for fifth in 0..5 {
        let (from, to) = (
            schedule.jitter * fifth / 5,
            schedule.jitter * (fifth + 1) / 5,
        );
        let count = waits
            .iter()
            .filter(|wait| (from..to).contains(*wait))
            .count();
        assert!(
            (120..280).contains(&count),
            "{count} of 1000 between {from:?} and {to:?}"
        );
    }
}
