//! Expressions: what they stand for, how they are told, and every mistake.

use super::Cron;
use insta::assert_snapshot;
use jiff::Timestamp;
use jiff::tz::TimeZone;

fn refused(text: &str) -> String {
    let error = Cron::parse(text).expect_err(text);
    format!("{error} | {}", error.hint)
}

fn words(text: &str) -> String {
    Cron::parse(text).unwrap().words()
}

/// The first fires after the beginning of a day, in UTC.
fn fires(text: &str, from: &str, count: usize) -> Vec<String> {
    let cron = Cron::parse(text).unwrap();
    let mut after: Timestamp = from.parse().unwrap();
    let mut fires = Vec::new();
    for _ in 0..count {
        after = cron.next_after(&TimeZone::UTC, after).unwrap();
        fires.push(after.to_string());
    }
    fires
}

#[test]
fn words_of_the_usual_ones() {
    for (text, expected) in [
        ("0 2 * * *", "at 02:00 every day"),
        ("*/5 * * * *", "every 5 minutes"),
        ("30 3 * * 0", "at 03:30 on Sunday"),
        ("30 3 * * 7", "at 03:30 on Sunday"),
        ("0 0 1 * *", "at 00:00 on day 1 of the month"),
        ("@daily", "at 00:00 every day"),
        ("@hourly", "every hour"),
        ("@weekly", "at 00:00 on Sunday"),
        ("@monthly", "at 00:00 on day 1 of the month"),
        ("@Yearly", "at 00:00 on day 1 of January"),
        ("* * * * *", "every minute"),
        ("*/1 * * * *", "every minute"),
        ("0 */6 * * *", "every 6 hours"),
        ("15 * * * *", "at minute 15 of every hour"),
        ("15,45 * * * *", "at minutes 15 and 45 of every hour"),
        (
            "*/7 * * * *",
            "at minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour",
        ),
        ("0 2,14 * * *", "at 02:00 and 14:00 every day"),
        (
            "*/15 9-17 * * mon-fri",
            "every 15 minutes from 09:00 to 17:59 on Monday to Friday",
        ),
        (
            "0 9 * * MON,Wed,5-7",
            "at 09:00 on Sunday, Monday, Wednesday, Friday and Saturday",
        ),
        (
            "0 3 1,15 jan,jul *",
            "at 03:00 on days 1 and 15 of January and July",
        ),
        ("0 0 13 * 5", "at 00:00 on day 13 of the month or on Friday"),
        (
            "0 0 */2 * 1",
            "at 00:00 on days 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29 and 31 of the month when it is Monday",
        ),
        ("0 0 * 12 *", "at 00:00 every day in December"),
        ("0 0 29 2 *", "at 00:00 on day 29 of February"),
        ("0 0 1 * 0-6", "at 00:00 every day"),
        ("0 8-18 * * *", "at minute 0 of the hours 8 to 18 every day"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("30 0 2 * * *", "at 02:00:30 every day"),
        ("0 0 2 * * *", "at 02:00 every day"),
        (
            "*/20 */5 * * * *",
            "every 20 seconds of the minute, every 5 minutes",
        ),
    ] {
        assert_eq!(words(text), expected, "{text}");
    }
}

#[test]
fn either_day_when_both_are_named() {
    assert_eq!(
        fires("0 0 13 * fri", "2026-11-01T00:00:00Z", 4),
        [
            "2026-11-06T00:00:00Z",
            "2026-11-13T00:00:00Z",
            "2026-11-20T00:00:00Z",
            "2026-11-27T00:00:00Z"
        ]
    );
    assert_eq!(
        fires("0 0 10 * fri", "2026-11-01T00:00:00Z", 3),
        [
            "2026-11-06T00:00:00Z",
            "2026-11-10T00:00:00Z",
            "2026-11-13T00:00:00Z"
        ]
    );
    // What begins with an asterisk names nothing: both must hold.
    assert_eq!(
        fires("0 0 */10 * fri", "2026-11-01T00:00:00Z", 2),
        ["2026-12-11T00:00:00Z", "2027-01-01T00:00:00Z"]
    );
}

#[test]
fn rare_dates_are_found() {
    assert_eq!(
        fires("0 0 29 2 *", "2026-01-01T00:00:00Z", 2),
        ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
    );
    assert_eq!(
        fires("59 59 23 31 12 *", "2026-12-31T23:59:58.5Z", 2),
        ["2026-12-31T23:59:59Z", "2027-12-31T23:59:59Z"]
    );
    assert_eq!(
        fires("0 0 31 2,3 *", "2026-01-01T00:00:00Z", 1),
        ["2026-03-31T00:00:00Z"]
    );
    let last = Cron::parse("0 0 1 1 *").unwrap();
    let after = "2100-06-01T00:00:00Z".parse().unwrap();
    assert_eq!(last.next_after(&TimeZone::UTC, after), None);
}

#[test]
fn fires_are_strictly_later() {
    assert_eq!(
        fires("0 2 * * *", "2026-11-01T02:00:00Z", 1),
        ["2026-11-02T02:00:00Z"]
    );
    assert_eq!(
        fires("0 2 * * *", "2026-11-01T01:59:59.999Z", 1),
        ["2026-11-01T02:00:00Z"]
    );
    assert_eq!(
        fires("* * * * *", "1969-12-31T23:59:59.5Z", 1),
        ["1970-01-01T00:00:00Z"]
    );
}

#[test]
fn what_is_equal() {
    assert_eq!(
        Cron::parse(" 0 2 * * * ").unwrap(),
        Cron::parse("0 2 * * *").unwrap()
    );
    assert_ne!(
        Cron::parse("@daily").unwrap(),
        Cron::parse("0 0 * * *").unwrap()
    );
    assert_eq!(Cron::parse("@daily").unwrap().to_string(), "@daily");
}

#[test]
fn mistakes() {
    let all = [
        refused("60 * * * *"),
        refused("@reboot"),
        refused("@dayly"),
        refused("0 2 * *"),
        refused("0 0 2 * * * 2026"),
        refused("  "),
        refused("0 2 L * *"),
        refused("0 2 15W * *"),
        refused("0 2 ? * 1"),
        refused("0 2 * * 5#2"),
        refused("0 0 31 2 *"),
        refused("0 0 31 4,6 1"),
        refused("*/90 * * * *"),
        refused("*/0 * * * *"),
        refused("5/15 * * * *"),
        refused("0 22-4 * * *"),
        refused("0 2 * * fri-mon"),
        refused("0 2 * * 8"),
        refused("0 2 0 * *"),
        refused("0 2 * foo *"),
        refused("-5 * * * *"),
        refused("1,,2 * * * *"),
        refused("99999999999999999999 * * * *"),
        refused("TZ=UTC 0 2 * * *"),
        refused("every day"),
    ];
    assert_snapshot!(all.join("\n"), @r#"
    "60 * * * *" is no cron expression: the minute 60 is not within 0 to 59 | write 0 to 59; *, */n, a-b and lists with commas serve too
    "@reboot" is no cron expression: there is no @reboot | schedules follow the clock; what is to run at the start of a machine is systemd's
    "@dayly" is no cron expression: there is no @dayly | did you mean @daily?
    "0 2 * *" is no cron expression: it has 4 fields | write five: minute, hour, day of the month, month, day of the week, as 0 2 * * *; with six the second comes first
    "0 0 2 * * * 2026" is no cron expression: it has 7 fields | write five: minute, hour, day of the month, month, day of the week, as 0 2 * * *; with six the second comes first
    "" is no cron expression: it is empty | write five: minute, hour, day of the month, month, day of the week, as 0 2 * * *; with six the second comes first
    "0 2 L * *" is no cron expression: L in the day of the month "L" is not of POSIX cron | write days by their number: 28 is in every month
    "0 2 15W * *" is no cron expression: W in the day of the month "15W" is not of POSIX cron | write days by their number, or weekdays as 1-5
    "0 2 ? * 1" is no cron expression: ? in the day of the month "?" is not of POSIX cron | write *
    "0 2 * * 5#2" is no cron expression: # in the day of the week "5#2" is not of POSIX cron | write the days of the month, or a weekday of every week
    "0 0 31 2 *" is no cron expression: no month that it names has a day 31 | the longest of them has 29 days
    "0 0 31 4,6 1" is no cron expression: no month that it names has a day 31 | the longest of them has 30 days
    "*/90 * * * *" is no cron expression: the step of the minute "*/90" is longer than its range | a step counts within one range; the longest here is 59
    "*/0 * * * *" is no cron expression: the step "0" of the minute is no whole number from 1 | write a step as */5 or 9-17/2
    "5/15 * * * *" is no cron expression: the minute "5/15" has a step without a range | write 5-59/n or */n
    "0 22-4 * * *" is no cron expression: the range "22-4" of the hour goes backwards | write it in two parts: 22-23,0-4
    "0 2 * * fri-mon" is no cron expression: the range "fri-mon" of the day of the week goes backwards | write it in two parts: 5-6,0-1
    "0 2 * * 8" is no cron expression: the day of the week 8 is not within 0 to 7 | write 0 to 7, or sun to sat; *, */n, a-b and lists with commas serve too
    "0 2 0 * *" is no cron expression: the day of the month 0 is not within 1 to 31 | write 1 to 31; *, */n, a-b and lists with commas serve too
    "0 2 * foo *" is no cron expression: "foo" is no month | write 1 to 12, or jan to dec; *, */n, a-b and lists with commas serve too
    "-5 * * * *" is no cron expression: "" is no minute | write 0 to 59; *, */n, a-b and lists with commas serve too
    "1,,2 * * * *" is no cron expression: "" is no minute | write 0 to 59; *, */n, a-b and lists with commas serve too
    "99999999999999999999 * * * *" is no cron expression: the minute 99999999999999999999 is not within 0 to 59 | write 0 to 59; *, */n, a-b and lists with commas serve too
    "TZ=UTC 0 2 * * *" is no cron expression: it holds a variable | the zone is a key of its own: time_zone = "Europe/Berlin"
    "every day" is no cron expression: it has 2 fields | write five: minute, hour, day of the month, month, day of the week, as 0 2 * * *; with six the second comes first
    "#);
}
