//! What holds of every plan.
//!
//! A policy is stricter than another when each of its numbers, its duration and its minimum are at most the other's, or absent where
//! the other has one.

use std::collections::BTreeSet;

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
        pin in prop_oneof![9 => Just(None), 1 => Just(Some("p".to_owned()))],
        hold in prop_oneof![
            9 => Just(None),
            1 => Just(Some(Hold::Legal)),
            1 => (-9..9_i64).prop_map(|hours| Some(Hold::Until(now() + hours.hours()))),
        ],
    ) -> Backup {
        let taken = now() - hours.hours() - minutes.minutes();
        Backup { key: String::new(), database: format!("d{database}"), kind: format!("k{kind}"), taken, stored: None, quality, pin, hold }
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

/// The newest good one among those that fit.
fn last_good(backups: &[Backup], fits: impl Fn(&Backup) -> bool) -> Option<&Backup> {
    let good = |backup: &&Backup| backup.quality != Quality::Damaged && fits(backup);
    let found = backups.iter().filter(good);
    found.max_by_key(|backup| (backup.taken, &backup.key))
}

proptest! {
    #[test]
    fn the_last_good_one_always_stays(backups in backups(), rules in rules()) {
        let kept = kept(&planned(&backups, &rules));
        for one in &backups {
            let of_database = last_good(&backups, |other| other.database == one.database);
            let of_group = last_good(&backups, |other| other.database == one.database && other.kind == one.kind);
            for good in of_database.into_iter().chain(of_group) {
                prop_assert!(kept.contains(&good.key), "{good:?}");
            }
        }
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
        // Of a group that has two: the second one decides from when time counts.
        let Some(model) = backups.first() else { return Ok(()) };
        let group = backups.iter().filter(|other| other.database == model.database && other.kind == model.kind);
        prop_assume!(group.count() >= 2);
        let oldest = backups.iter().map(|backup| backup.taken).min().unwrap();
        let older = Backup { key: "older".to_owned(), taken: oldest - more.hours(), quality: Quality::Whole, ..model.clone() };
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
            let stay = group.iter().filter(|other| other.is_kept()).count() as i64;
            prop_assert!(stay >= rules.keep_minimum.unwrap_or(0).min(group.len() as i64));
        }
    }
}
