//! Plans that a person would make by hand.

use jiff::{Timestamp, ToSpan};
use retention::{Backup, Hold, Plan, PlanError, Policy, Quality, Rules, plan};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn backup(text: &str) -> Backup {
    Backup {
        key: format!("app/{text}-full"),
        database: "app".to_owned(),
        kind: "full".to_owned(),
        taken: at(text),
        stored: None,
        quality: Quality::Whole,
        is_partial: false,
        pin: None,
        hold: None,
    }
}

fn nightly(last: &str, count: i64) -> Vec<Backup> {
    let nights = (0..count).map(|day| at(last) - (24 * day).hours());
    nights.map(|night| backup(&night.to_string())).collect()
}

fn policy(rules: Rules) -> Policy {
    Policy::new(&rules).unwrap()
}

/// Date and reasons of those that stay.
fn kept(plan: &Plan) -> Vec<String> {
    plan.kept()
        .map(|kept| format!("{}: {}", &kept.backup.taken.to_string()[..10], kept.why()))
        .collect()
}

const NOW: &str = "2026-01-17T03:00:00Z";

#[test]
fn every_reason_is_told() {
    let mut backups = nightly("2026-01-17T02:00:00Z", 40);
    backups[20].pin = Some("before the audit".to_owned());
    backups[25].hold = Some(Hold::Until(at("2027-01-01T00:00:00Z")));
    backups[26].hold = Some(Hold::Until(at("2026-01-01T00:00:00Z")));
    backups[30].hold = Some(Hold::Legal);
    backups[10].quality = Quality::Proven;
    let rules = Rules {
        keep_last: Some(2),
        keep_daily: Some(3),
        keep_weekly: Some(2),
        keep_monthly: Some(2),
        keep_minimum: Some(2),
        ..Rules::default()
    };
    let plan = plan(&backups, &policy(rules), at(NOW)).unwrap();
    assert_eq!(
        kept(&plan),
        [
            "2026-01-17: last 2: number 1; daily: newest of 2026-01-17; weekly: newest of 2026-W03; monthly: newest of 2026-01; the last good one; the last good one of its kind",
            "2026-01-16: last 2: number 2; daily: newest of 2026-01-16",
            "2026-01-15: daily: newest of 2026-01-15",
            "2026-01-11: weekly: newest of 2026-W02",
            "2026-01-07: the last one that was proven to restore",
            "2025-12-31: monthly: newest of 2025-12",
            "2025-12-28: pinned: before the audit",
            "2025-12-23: held by the storage until 2027-01-01T00:00:00Z",
            "2025-12-18: under a legal hold",
        ]
    );
    assert_eq!(plan.deleted().count(), 31);
    assert_eq!(
        plan.deleted().next().unwrap().why(),
        "no rule keeps it among the backups of app of the kind full"
    );
}

#[test]
fn kinds_and_databases_are_groups_of_their_own() {
    let mut backups = nightly("2026-01-17T02:00:00Z", 5);
    let mut manual = backup("2025-06-01T12:00:00Z");
    manual.kind = "manual".to_owned();
    let mut shop = backup("2025-05-01T12:00:00Z");
    shop.database = "shop".to_owned();
    shop.key = "shop/1".to_owned();
    backups.extend([manual, shop]);
    let plan = plan(
        &backups,
        &policy(Rules {
            keep_within: Some("2d".into()),
            keep_minimum: Some(4),
            ..Rules::default()
        }),
        at(NOW),
    )
    .unwrap();
    let of = |kind: &str, database: &str| {
        plan.kept()
            .filter(|kept| kept.backup.kind == kind && kept.backup.database == database)
            .count()
    };
    assert_eq!(
        (of("full", "app"), of("manual", "app"), of("full", "shop")),
        (4, 1, 1)
    );
    assert!(kept(&plan).contains(&"2026-01-14: minimum of 4".to_owned()));
}

#[test]
fn days_begin_where_people_live() {
    // 23:30 and 00:30 in Berlin: one day in UTC, two there.
    let backups = [
        backup("2026-01-16T22:30:00Z"),
        backup("2026-01-16T23:30:00Z"),
    ];
    let daily = |zone: Option<&str>| {
        let rules = Rules {
            keep_daily: Some(9),
            time_zone: zone.map(str::to_owned),
            ..Rules::default()
        };
        plan(&backups, &policy(rules), at(NOW))
            .unwrap()
            .kept()
            .count()
    };
    assert_eq!((daily(None), daily(Some("Europe/Berlin"))), (1, 2));
}

#[test]
fn the_hour_that_is_there_twice_is_two_hours() {
    let backups = [
        backup("2025-10-26T00:30:00Z"),
        backup("2025-10-26T01:30:00Z"),
    ];
    let rules = Rules {
        keep_hourly: Some(9),
        time_zone: Some("Europe/Berlin".to_owned()),
        ..Rules::default()
    };
    let plan = plan(&backups, &policy(rules), at(NOW)).unwrap();
    assert_eq!(plan.kept().count(), 2);
}

#[test]
fn a_damaged_one_is_never_the_last_good_one() {
    let mut backups = nightly("2026-01-17T02:00:00Z", 4);
    backups[0].quality = Quality::Damaged;
    let plan = plan(
        &backups,
        &policy(Rules {
            keep_last: Some(1),
            ..Rules::default()
        }),
        at(NOW),
    )
    .unwrap();
    assert_eq!(
        kept(&plan),
        [
            "2026-01-17: last 1: number 1",
            "2026-01-16: last 1: number 1; the last good one; the last good one of its kind"
        ]
    );
}

#[test]
fn damaged_ones_take_no_places() {
    let mut backups = nightly("2026-01-17T02:00:00Z", 9);
    for damaged in &mut backups[..3] {
        damaged.quality = Quality::Damaged;
    }
    let days = |rules: Rules| {
        let plan = plan(&backups, &policy(rules), at(NOW)).unwrap();
        let kept = plan.kept().map(|kept| kept.backup.taken.to_string());
        kept.map(|taken| taken[8..10].to_owned())
            .collect::<Vec<_>>()
    };
    let last = Rules {
        keep_last: Some(3),
        ..Rules::default()
    };
    assert_eq!(days(last), ["17", "16", "15", "14", "13", "12"]);
    let minimum = Rules {
        keep_daily: Some(1),
        keep_minimum: Some(3),
        ..Rules::default()
    };
    assert_eq!(days(minimum), ["17", "14", "13", "12"]);
}

#[test]
fn a_clock_that_jumps_deletes_nothing() {
    let backups = nightly("2026-01-17T02:00:00Z", 20);
    let within = policy(Rules {
        keep_within: Some("30d".into()),
        ..Rules::default()
    });
    // Ten years ahead, while nothing new was taken.
    let later = plan(&backups, &within, at("2036-01-17T03:00:00Z")).unwrap();
    assert_eq!(later.deleted().count(), 0);
    // Ten years ahead, and a backup was taken meanwhile: it does not age the others.
    let mut dated = backups.clone();
    dated.push(backup("2036-01-17T02:00:00Z"));
    let later = plan(&dated, &within, at("2036-01-17T03:00:00Z")).unwrap();
    assert_eq!(later.deleted().count(), 0);
    // Nor do those that follow it, night by night, until thirty days of backups have passed.
    let mut more = backups.clone();
    more.extend(nightly("2036-01-27T02:00:00Z", 11));
    let after = plan(&more, &within, at("2036-01-27T03:00:00Z")).unwrap();
    assert_eq!(after.deleted().count(), 0);
    assert_eq!(
        kept(&after).last().map(String::as_str),
        Some("2025-12-29: within 30d of the newest, pauses left out")
    );
    more.extend(nightly("2036-01-29T02:00:00Z", 2));
    let after = plan(&more, &within, at("2036-01-29T03:00:00Z")).unwrap();
    assert_eq!(after.deleted().count(), 1);
    // And back again: it is in the future.
    let error = plan(&dated, &within, at(NOW)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the backup app/2036-01-17T02:00:00Z-full is of 2036-01-17T02:00:00Z, and by this machine's clock it is 2026-01-17T03:00:00Z: one of the clocks is wrong"
    );
    // An hour back, as a clock may be set.
    let error = plan(&backups, &within, at("2026-01-17T01:00:00Z")).unwrap_err();
    assert!(matches!(error, PlanError::Future { .. }), "{error}");
    // Minutes are no jump.
    assert!(plan(&backups, &within, at("2026-01-17T01:56:00Z")).is_ok());
    // The storage's clock says it, too.
    dated[20].stored = Some(at(NOW));
    let error = plan(&dated, &within, at("2036-01-17T03:00:00Z")).unwrap_err();
    assert!(
        matches!(error, PlanError::BegunAfterItsEnd { .. }),
        "{error}"
    );
}

#[test]
fn a_part_of_a_database_is_no_last_good_one_where_there_is_a_whole() {
    let mut backups = nightly("2026-01-17T02:00:00Z", 4);
    let last = policy(Rules {
        keep_last: Some(1),
        ..Rules::default()
    });
    // Under the name of its kind, and under one of its own.
    backups[0].is_partial = true;
    backups[0].quality = Quality::Proven;
    let mut part = backup("2026-01-16T12:00:00Z");
    part.kind = "partial".to_owned();
    part.key = "app/part".to_owned();
    part.is_partial = true;
    backups.push(part);
    let of_both = plan(&backups, &last, at(NOW)).unwrap();
    assert_eq!(
        kept(&of_both),
        [
            "2026-01-17: last 1: number 1; the last one that was proven to restore",
            "2026-01-16: the last good one; the last good one of its kind",
            "2026-01-16: last 1: number 1; the last good one of its kind",
        ]
    );
    // A part is better than nothing.
    let parts: Vec<Backup> = backups
        .into_iter()
        .filter(|backup| backup.is_partial)
        .collect();
    let of_parts = plan(&parts, &last, at(NOW)).unwrap();
    assert!(
        kept(&of_parts)[0].contains("the last good one;"),
        "{:?}",
        kept(&of_parts)
    );
}

#[test]
fn two_of_one_name_are_refused() {
    let one = backup("2026-01-17T02:00:00Z");
    let policy = policy(Rules {
        keep_last: Some(1),
        ..Rules::default()
    });
    let error = plan(&[one.clone(), one], &policy, at(NOW)).unwrap_err();
    assert!(matches!(error, PlanError::Twice(_)));
}
