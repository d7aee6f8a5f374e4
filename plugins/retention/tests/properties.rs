//! What holds of every plan.
//!
//! A policy is stricter than another when each of its numbers, its duration and its minimum are at most the other's, or absent where
//! the other has one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, ToSpan};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use retention::{Backup, Hold, Plan, Policy, Quality, Rules, plan};

const HOURS: i64 = 3 * 365 * 24;

fn now() -> Timestamp {
    "2026-01-17T03:00:00Z".parse().unwrap()
}

prop_compose! {
    fn backup()(
        hours in prop_oneof![0..60_i64, 0..HOURS],
        minutes in 0..60_i64,
        database in 0..2_u8,
        kind in 0..2_u8,
        quality in prop_oneof![1 => Just(Quality::Damaged), 6 => Just(Quality::Whole), 1 => Just(Quality::Proven)],
        is_partial in prop_oneof![4 => Just(false), 1 => Just(true)],
        // By a clock that was a little ahead, or some time later, or not known.
        stored in prop_oneof![Just(None), (-5..600_i64).prop_map(Some)],
        pin in prop_oneof![9 => Just(None), 1 => Just(Some("p".to_owned()))],
        hold in prop_oneof![
            9 => Just(None),
            1 => Just(Some(Hold::Legal)),
            1 => (-9..9_i64).prop_map(|hours| Some(Hold::Until(now() + hours.hours()))),
        ],
    ) -> Backup {
        let taken = now() - hours.hours() - minutes.minutes();
        Backup { key: String::new(), database: format!("d{database}"), kind: format!("k{kind}"), taken, stored: stored.map(|minutes| taken + minutes.minutes()), quality, is_partial, pin, hold }
    }
}

fn backups() -> impl Strategy<Value = Vec<Backup>> {
    vec(backup(), 0..40).prop_map(|mut backups| {
        for (number, backup) in backups.iter_mut().enumerate() {
            backup.key = format!("{number:03}");
        }
        backups
    })
}

prop_compose! {
    fn rules()(
        keep_last in option::of(1..6_i64),
        days in option::of(1..400_i64),
        keep_hourly in option::of(1..6_i64),
        keep_daily in option::of(1..9_i64),
        keep_weekly in option::of(1..6_i64),
        keep_monthly in option::of(1..15_i64),
        keep_yearly in option::of(1..4_i64),
        keep_minimum in option::of(1..9_i64),
        zone in prop_oneof![Just(None), Just(Some("Europe/Berlin")), Just(Some("Pacific/Auckland"))],
    ) -> Rules {
        let mut rules = Rules {
            keep_last, keep_hourly, keep_daily, keep_weekly, keep_monthly, keep_yearly, keep_minimum,
            keep_within: days.map(|days| format!("{days}d")),
            time_zone: zone.map(str::to_owned),
        };
        if Policy::new(&rules).is_err() {
            rules.keep_last = Some(1);
        }
        rules
    }
}

/// Rules, and stricter ones.
fn two_policies() -> impl Strategy<Value = (Rules, Rules)> {
    (rules(), vec(0..9_i64, 8)).prop_map(|(loose, less)| {
        let fewer = |number: Option<i64>, at: usize| {
            number
                .map(|number| number - less[at])
                .filter(|number| *number > 0)
        };
        let days = loose.keep_within.as_deref();
        let days = days.and_then(|text| text.trim_end_matches('d').parse().ok());
        let mut strict = Rules {
            keep_last: fewer(loose.keep_last, 0),
            keep_within: fewer(days, 1).map(|days| format!("{days}d")),
            keep_hourly: fewer(loose.keep_hourly, 2),
            keep_daily: fewer(loose.keep_daily, 3),
            keep_weekly: fewer(loose.keep_weekly, 4),
            keep_monthly: fewer(loose.keep_monthly, 5),
            keep_yearly: fewer(loose.keep_yearly, 6),
            keep_minimum: fewer(loose.keep_minimum, 7),
            time_zone: loose.time_zone.clone(),
        };
        if Policy::new(&strict).is_err() {
            strict = loose.clone();
        }
        (loose, strict)
    })
}

fn planned(backups: &[Backup], rules: &Rules) -> Plan {
    plan(backups, &Policy::new(rules).unwrap(), now()).unwrap()
}

fn kept(plan: &Plan) -> BTreeSet<String> {
    plan.kept().map(|kept| kept.backup.key.clone()).collect()
}

/// The newest one that is good enough among those that fit: of a whole database, if there is any.
fn last(backups: &[Backup], quality: Quality, fits: impl Fn(&Backup) -> bool) -> Option<&Backup> {
    let good = || {
        let fit = |backup: &&Backup| backup.quality >= quality && fits(backup);
        backups.iter().filter(fit)
    };
    let newest =
        |one: &&Backup, other: &&Backup| (one.taken, &one.key).cmp(&(other.taken, &other.key));
    let whole = good().filter(|backup| !backup.is_partial).max_by(newest);
    whole.or_else(|| good().max_by(newest))
}

/// The backups of each database and kind, newest first.
fn groups(backups: &[Backup]) -> Vec<Vec<&Backup>> {
    let mut groups: BTreeMap<(&str, &str), Vec<&Backup>> = BTreeMap::new();
    for backup in backups {
        let group = (backup.database.as_str(), backup.kind.as_str());
        groups.entry(group).or_default().push(backup);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by(|one, other| (other.taken, &other.key).cmp(&(one.taken, &one.key)));
    }
    groups
}

/// A part of the calendar as numbers, by other means than the crate's.
fn numbers(part: &str, backup: &Backup, zone: &str) -> [i64; 5] {
    let time = backup.taken.in_tz(zone).unwrap();
    let week = time.date().iso_week_date();
    let [year, month, day, hour] = [
        i64::from(time.year()),
        i64::from(time.month()),
        i64::from(time.day()),
        i64::from(time.hour()),
    ];
    match part {
        "hourly" => [year, month, day, hour, i64::from(time.offset().seconds())],
        "daily" => [year, month, day, 0, 0],
        "weekly" => [i64::from(week.year()), i64::from(week.week()), 0, 0, 0],
        "monthly" => [year, month, 0, 0, 0],
        _ => [year, 0, 0, 0, 0],
    }
}

proptest! {
    #[test]
    fn the_last_good_one_always_stays(backups in backups(), rules in rules()) {
        let kept = kept(&planned(&backups, &rules));
        for one in &backups {
            let of_database = |quality| last(&backups, quality, |other| other.database == one.database);
            let of_group = last(&backups, Quality::Whole, |other| other.database == one.database && other.kind == one.kind);
            for good in [of_database(Quality::Whole), of_database(Quality::Proven), of_group].into_iter().flatten() {
                prop_assert!(kept.contains(&good.key), "{good:?}");
            }
        }
    }

    #[test]
    fn damaged_ones_take_no_good_ones_place(backups in backups(), mut rules in rules()) {
        rules.keep_minimum = None;
        if Policy::new(&rules).is_err() {
            rules.keep_last = Some(1);
        }
        let all = kept(&planned(&backups, &rules));
        let good: Vec<Backup> = backups.into_iter().filter(|backup| backup.quality != Quality::Damaged).collect();
        let without = kept(&planned(&good, &rules));
        prop_assert!(without.is_subset(&all), "{without:?} of {all:?}");
    }

    #[test]
    fn the_newest_ones_stay(backups in backups(), rules in rules()) {
        let kept = kept(&planned(&backups, &rules));
        for group in groups(&backups) {
            let last = usize::try_from(rules.keep_last.unwrap_or(0)).unwrap();
            for backup in group.iter().take(last) {
                prop_assert!(kept.contains(&backup.key), "{backup:?}");
            }
        }
    }

    #[test]
    fn the_newest_of_each_part_of_the_calendar_stays(backups in backups(), rules in rules()) {
        let kept = kept(&planned(&backups, &rules));
        let zone = rules.time_zone.as_deref().unwrap_or("UTC");
        for (part, count) in [
            ("hourly", rules.keep_hourly),
            ("daily", rules.keep_daily),
            ("weekly", rules.keep_weekly),
            ("monthly", rules.keep_monthly),
            ("yearly", rules.keep_yearly),
        ] {
            for group in groups(&backups) {
                let there: BTreeSet<_> = group.iter().map(|backup| numbers(part, backup, zone)).collect();
                let count = usize::try_from(count.unwrap_or(0)).unwrap();
                // Clocks that go back have the larger offset first.
                let of_part = |wanted: &[i64; 5]| group.iter().find(|backup| numbers(part, backup, zone) == *wanted);
                let mut newest: Vec<_> = there.iter().filter_map(of_part).collect();
                newest.sort_by_key(|backup| std::cmp::Reverse(backup.taken));
                for backup in newest.into_iter().take(count) {
                    prop_assert!(kept.contains(&backup.key), "{part}: {backup:?}");
                }
            }
        }
    }

    #[test]
    fn what_no_pause_lies_before_stays_as_long_as_it_should(backups in backups(), days in 1..400_i64) {
        let rules = Rules { keep_within: Some(format!("{days}d")), ..Rules::default() };
        let kept = kept(&planned(&backups, &rules));
        for group in groups(&backups) {
            let newest = group[0].taken;
            for backup in group.iter().filter(|backup| newest.duration_since(backup.taken).as_hours() < days * 24) {
                prop_assert!(kept.contains(&backup.key), "{backup:?}");
            }
        }
    }

    /// Whether the clock has jumped or the machine was off: those that come after it age the older ones as they would have without.
    #[test]
    fn a_jump_deletes_nothing_that_would_have_stayed_without_it(
        cadence in 1..=96_i64,
        count in 1..40_i64,
        after in 1..=5_i64,
        jump in 8 * 24 + 1..20 * 365 * 24_i64,
        keep_last in option::of(1..6_i64),
        days in 1..200_i64,
        unit in prop_oneof![Just("h"), Just("d"), Just("w"), Just("m")],
    ) {
        let rules = Rules { keep_last, keep_within: Some(format!("{days}{unit}")), ..Rules::default() };
        let taken = |key: String, before: i64| Backup {
            key,
            database: "d".to_owned(),
            kind: "k".to_owned(),
            taken: now() - before.hours(),
            stored: None,
            quality: Quality::Whole,
            is_partial: false,
            pin: None,
            hold: None,
        };
        let new = (0..after).map(|number| taken(format!("new {number}"), number * cadence));
        // The older ones end one gap before the first of the new ones.
        let old = |gap: i64| (0..count).map(move |number| taken(format!("old {number}"), (after - 1 + number) * cadence + gap));
        let all = |gap| new.clone().chain(old(gap)).collect::<Vec<_>>();
        let without = kept(&planned(&all(cadence), &rules));
        let with = kept(&planned(&all(jump), &rules));
        prop_assert!(without.is_subset(&with), "{without:?} of {with:?}");
    }

    #[test]
    fn pinned_and_held_ones_stay(backups in backups(), rules in rules()) {
        let kept = kept(&planned(&backups, &rules));
        for backup in &backups {
            let is_held = match backup.hold {
                Some(Hold::Until(until)) => until > now(),
                Some(Hold::Legal) => true,
                None => false,
            };
            if backup.pin.is_some() || is_held {
                prop_assert!(kept.contains(&backup.key), "{backup:?}");
            }
        }
    }

    #[test]
    fn a_stricter_policy_never_keeps_more((loose, strict) in two_policies(), backups in backups()) {
        let (more, less) = (kept(&planned(&backups, &loose)), kept(&planned(&backups, &strict)));
        prop_assert!(less.len() <= more.len(), "{less:?} of {more:?}");
        // The minimum fills up with others where a rule keeps fewer; the rules alone keep a part of what looser ones keep.
        if loose.keep_minimum.is_none() {
            prop_assert!(less.is_subset(&more), "{less:?} of {more:?}");
        }
    }

    #[test]
    fn planning_again_deletes_nothing_more(backups in backups(), rules in rules()) {
        let first = kept(&planned(&backups, &rules));
        let left: Vec<Backup> = backups.into_iter().filter(|backup| first.contains(&backup.key)).collect();
        prop_assert_eq!(kept(&planned(&left, &rules)), first);
    }

    #[test]
    fn the_order_of_the_input_does_not_matter((backups, shuffled) in backups().prop_flat_map(|backups| (Just(backups.clone()), Just(backups).prop_shuffle())), rules in rules()) {
        prop_assert_eq!(planned(&backups, &rules), planned(&shuffled, &rules));
    }

    #[test]
    fn an_older_backup_that_comes_along_costs_no_newer_one_its_place(backups in backups(), more in 1..1000_i64, mut rules in rules()) {
        // The minimum counts what stays, and the older one may be among that.
        rules.keep_minimum = None;
        if Policy::new(&rules).is_err() {
            rules.keep_last = Some(1);
        }
        let Some(model) = backups.first() else { return Ok(()) };
        // The first of a whole database takes the place of the last good one from those of a part, wherever it comes from.
        let is_partial = last(&backups, Quality::Whole, |other| other.database == model.database && other.kind == model.kind)
            .is_none_or(|good| good.is_partial);
        let oldest = backups.iter().map(|backup| backup.taken).min().unwrap();
        let older = Backup { key: "older".to_owned(), taken: oldest - more.hours(), stored: None, quality: Quality::Whole, is_partial, ..model.clone() };
        let before = kept(&planned(&backups, &rules));
        let mut all = backups;
        all.push(older);
        let after = kept(&planned(&all, &rules));
        prop_assert!(before.is_subset(&after), "{:?} of {:?}", before, after);
    }

    #[test]
    fn every_backup_is_decided_with_a_reason_and_the_minimum_is_kept(backups in backups(), rules in rules()) {
        let plan = planned(&backups, &rules);
        prop_assert_eq!(plan.decisions.len(), backups.len());
        for decision in &plan.decisions {
            prop_assert!(!decision.why().is_empty());
            let group: Vec<_> = plan.decisions.iter().filter(|other| {
                other.backup.database == decision.backup.database && other.backup.kind == decision.backup.kind
            }).collect();
            let good: Vec<_> = group.iter().filter(|other| other.backup.quality != Quality::Damaged).collect();
            let stay = good.iter().filter(|other| other.is_kept()).count() as i64;
            prop_assert!(stay >= rules.keep_minimum.unwrap_or(0).min(good.len() as i64));
        }
    }
}
