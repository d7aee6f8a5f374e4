//! What the rules of a policy keep of one group.

use jiff::Zoned;

use crate::Backup;
use crate::age::ages;
use crate::plan::Reason;
use crate::policy::{Calendar, Policy};

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
    within(group, policy, &mut reasons);
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

fn within(group: &[&Backup], policy: &Policy, reasons: &mut [Vec<Reason>]) {
    let Some(duration) = &policy.within else {
        return;
    };
    let taken: Vec<_> = group.iter().map(|backup| backup.taken).collect();
    for (age, of_one) in ages(&taken).into_iter().zip(reasons) {
        if age.time <= duration.length() {
            of_one.push(Reason::Within {
                duration: duration.clone(),
                with_pauses: age.has_pauses,
            });
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
