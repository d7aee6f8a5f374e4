//! How old the backups of one group are, by the backups that came after them and by no clock.

use jiff::{SignedDuration, Timestamp};

/// A gap that is not longer is never a pause, whatever the gaps after it.
const PAUSE_AFTER: SignedDuration = SignedDuration::from_hours(8 * 24);

/// The age of one backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Age {
    /// From the newest of the group back to it, without pauses.
    pub time: SignedDuration,
    /// Something was left out.
    pub has_pauses: bool,
}

/// The ages of backups that are given newest first, by when they were taken.
///
/// An age is the sum of the gaps between neighbours, without pauses: gaps that are longer than eight days, and longer than twice the median
/// of the gaps after them (or that have none after them). Time in which nothing was backed up is no age. So neither a clock that jumps
/// nor a machine that was off ages anything, however many backups come after that; and backups that are taken each month do age.
///
/// An age depends on newer backups alone.
pub fn ages(taken: &[Timestamp]) -> Vec<Age> {
    let mut age = Age::default();
    let mut newer: Vec<SignedDuration> = Vec::with_capacity(taken.len());
    let mut ages = Vec::with_capacity(taken.len());
    ages.extend(taken.first().map(|_| age));
    for pair in taken.windows(2) {
        let gap = pair[0].duration_since(pair[1]);
        if is_pause(gap, &newer) {
            age.has_pauses = true;
        } else {
            age.time = age.time.saturating_add(gap);
        }
        ages.push(age);
        newer.insert(newer.partition_point(|other| *other < gap), gap);
    }
    ages
}

/// The gaps after it are sorted.
fn is_pause(gap: SignedDuration, newer: &[SignedDuration]) -> bool {
    if gap <= PAUSE_AFTER {
        return false;
    }
    let Some(last) = newer.len().checked_sub(1) else {
        return true;
    };
    // Of an even number of gaps the median lies between two: twice that is their sum.
    gap > newer[last / 2].saturating_add(newer[newer.len() / 2])
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    /// Days of each age, of backups with these gaps in days, the newest first.
    fn days(gaps: &[i64]) -> Vec<i64> {
        let mut moment: Timestamp = "2026-01-17T02:00:00Z".parse().unwrap();
        let mut taken = vec![moment];
        for gap in gaps {
            moment -= (24 * gap).hours();
            taken.push(moment);
        }
        let ages = ages(&taken).into_iter();
        ages.map(|age| age.time.as_hours() / 24).collect()
    }

    #[test]
    fn nights_and_weeks_add_up() {
        assert_eq!(days(&[]), [0]);
        assert_eq!(days(&[1, 1, 1]), [0, 1, 2, 3]);
        assert_eq!(days(&[7, 7, 7]), [0, 7, 14, 21]);
        // A week without any is still a week.
        assert_eq!(days(&[1, 8, 1]), [0, 1, 9, 10]);
    }

    #[test]
    fn a_pause_is_no_age_however_many_come_after_it() {
        assert_eq!(days(&[365, 1, 1]), [0, 0, 1, 2]);
        assert_eq!(days(&[1, 365, 1]), [0, 1, 1, 2]);
        assert_eq!(days(&[1, 1, 1, 1, 365, 1]), [0, 1, 2, 3, 4, 4, 5]);
        assert_eq!(days(&[1, 9, 1]), [0, 1, 1, 2]);
        assert_eq!(days(&[7, 15, 7]), [0, 7, 7, 14]);
        assert_eq!(days(&[1, 365, 1, 1, 365, 1]), [0, 1, 1, 2, 3, 3, 4]);
    }

    #[test]
    fn months_do_age_but_for_the_first() {
        assert_eq!(days(&[31, 30, 31, 28]), [0, 0, 30, 61, 89]);
        // The median of one night and one month is half a month.
        assert_eq!(days(&[1, 30, 30, 30]), [0, 1, 1, 31, 61]);
        assert_eq!(days(&[31, 30, 365, 30]), [0, 0, 30, 30, 60]);
    }

    #[test]
    fn of_no_backup_there_is_no_age() {
        assert_eq!(ages(&[]), []);
    }
}
