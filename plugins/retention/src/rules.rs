//! What the rules of a policy keep of one group.

use jiff::{SignedDuration, Zoned};

use crate::Backup;
use crate::plan::Reason;
use crate::policy::{Calendar, Policy};

/// A newest backup that comes so much later than the one before it does not say by itself what time it is.
const LONE_AFTER: SignedDuration = SignedDuration::from_hours(8 * 24);

/// The reasons of each backup of a group, which is given newest first.
pub fn reasons(group: &[&Backup], policy: &Policy) -> Vec<Vec<Reason>> {
    let moments: Vec<Zoned> = group
        .iter()
        .map(|backup| backup.taken.to_zoned(policy.zone.clone()))
        .collect();
    let mut reasons = vec![Vec::new(); group.len()];
    if let Some(last) = policy.last {
        let newest = reasons.iter_mut().zip(1..=last);
        for (of_one, number) in newest {
            of_one.push(Reason::Last { of: last, number });
        }
    }
    within(&moments, policy, &mut reasons);
    for (part, count) in &policy.calendar {
        let mut seen = None;
        let mut left = *count;
        for (moment, of_one) in moments.iter().zip(&mut reasons) {
            let bucket = bucket(*part, moment);
            if seen.as_ref() == Some(&bucket) {
                continue;
            }
            if left == 0 {
                break;
            }
            left -= 1;
            of_one.push(Reason::Newest {
                part: *part,
                of: bucket.clone(),
            });
            seen = Some(bucket);
        }
    }
    reasons
}

/// Counts from the newest; where that one comes out of nowhere (a clock that jumped, a long pause), from the one before it, so that one
/// backup with a wrong date does not age all the others.
fn within(moments: &[Zoned], policy: &Policy, reasons: &mut [Vec<Reason>]) {
    let (Some(duration), Some(newest)) = (&policy.within, moments.first()) else {
        return;
    };
    let base = match moments.get(1) {
        Some(second) if newest.duration_since(second) > LONE_AFTER => second,
        _ => newest,
    };
    // Before all calendars begins nothing: everything is within.
    let oldest = duration.before(base);
    for (moment, of_one) in moments.iter().zip(reasons) {
        if oldest.as_ref().is_none_or(|oldest| moment >= oldest) {
            of_one.push(Reason::Within(duration.clone()));
        }
    }
}

/// The part of the calendar that a moment lies in, as people write it. The hour that is there twice when clocks go back is two.
fn bucket(part: Calendar, moment: &Zoned) -> String {
    match part {
        Calendar::Hourly => moment.strftime("%Y-%m-%d %H:00%:z").to_string(),
        Calendar::Daily => moment.strftime("%Y-%m-%d").to_string(),
        Calendar::Weekly => moment.strftime("%G-W%V").to_string(),
        Calendar::Monthly => moment.strftime("%Y-%m").to_string(),
        Calendar::Yearly => moment.strftime("%Y").to_string(),
    }
}
