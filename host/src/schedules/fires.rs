//! From the wall clock to instants. Where a zone's clock is changed:
//!
//! - A fixed time that is removed runs once, right after the gap; one that is repeated runs once, the first time.
//! - An interval (minute or hour begins with an asterisk) runs whenever the clock shows its time: not in the gap, and again in the repeated hour.
//!
//! These are the rules of Vixie's cron, without its limit of three hours.

use super::cron::Cron;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

impl Cron {
    /// The first fire strictly after an instant. None after the year 2100.
    pub fn next_after(&self, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
        let next = if self.is_interval() {
            self.next_of_interval(zone, after)
        } else {
            self.next_of_fixed(zone, after)
        };
        next.and_then(|seconds| Timestamp::from_second(seconds).ok())
    }

    /// Each time on the wall clock has one instant, and these never go backwards: the first whose instant is late enough is the next.
    fn next_of_fixed(&self, zone: &TimeZone, after: Timestamp) -> Option<i64> {
        let after_seconds = floor(after);
        let mut wall = after_seconds + seconds(zone.to_offset(after));
        loop {
            wall = self.next_on_wall(wall)?;
            match zone.to_ambiguous_timestamp(clock(wall)?).offset() {
                AmbiguousOffset::Unambiguous { offset } => return Some(wall - seconds(offset)),
                AmbiguousOffset::Gap { before, after } => {
                    return Some(end_of_gap(zone, wall, before, after));
                }
                AmbiguousOffset::Fold { before, .. } => {
                    let first = wall - seconds(before);
                    if first > after_seconds {
                        return Some(first);
                    }
                    // The clock shows it for the second time: what the first one has shown already is over.
                    wall = wall.max(after_seconds + seconds(before));
                }
            }
        }
    }

    /// Between two changes of the clock, the wall clock and time differ by a constant.
    fn next_of_interval(&self, zone: &TimeZone, after: Timestamp) -> Option<i64> {
        let mut offset = seconds(zone.to_offset(after));
        let mut wall = floor(after) + offset;
        let mut changes = zone.following(after);
        loop {
            let next = self.next_on_wall(wall)? - offset;
            match changes.next() {
                Some(change) if change.timestamp().as_second() <= next => {
                    offset = seconds(change.offset());
                    // The moment of the change counts.
                    wall = change.timestamp().as_second() + offset - 1;
                }
                _ => return Some(next),
            }
        }
    }
}

/// The moment at which the clock jumps over a time that it never shows.
fn end_of_gap(zone: &TimeZone, wall: i64, before: Offset, after: Offset) -> i64 {
    // The time by the later offset is an instant before the jump, by the earlier one an instant after it, or the jump itself.
    let (early, late) = (wall - seconds(after), wall - seconds(before));
    let jump = Timestamp::from_second(early).ok().and_then(|early| {
        zone.following(early)
            .take_while(|change| change.timestamp().as_second() <= late)
            .find(|change| change.offset() == after)
    });
    jump.map_or(late, |change| change.timestamp().as_second())
}

fn floor(instant: Timestamp) -> i64 {
    instant.as_second() - i64::from(instant.subsec_nanosecond() < 0)
}

fn seconds(offset: Offset) -> i64 {
    i64::from(offset.seconds())
}

fn clock(wall: i64) -> Option<DateTime> {
    let instant = Timestamp::from_second(wall).ok()?;
    Some(Offset::UTC.to_datetime(instant))
}
