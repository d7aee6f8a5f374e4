//! One field of a cron expression: `*`, `*/15`, `1-5`, `mon,wed`, `9-17/2`.

use super::cron::CronError;

/// What a field counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    min: u8,
    max: u8,
    /// From `min` on, in lower case.
    names: &'static [&'static str],
}

pub(super) const SECOND: Unit = unit("second", 0, 59, &[]);
pub(super) const MINUTE: Unit = unit("minute", 0, 59, &[]);
pub(super) const HOUR: Unit = unit("hour", 0, 23, &[]);
pub(super) const DAY: Unit = unit("day of the month", 1, 31, &[]);
pub(super) const MONTH: Unit = unit(
    "month",
    1,
    12,
    &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
);
/// Sunday is 0, and 7 where a range ends on it.
pub(super) const WEEKDAY: Unit = unit(
    "day of the week",
    0,
    7,
    &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
);

const fn unit(name: &'static str, min: u8, max: u8, names: &'static [&'static str]) -> Unit {
    Unit {
        name,
        min,
        max,
        names,
    }
}

/// The values of one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Bit n stands for the value n; of weekdays 0 to 6.
    bits: u64,
    /// It begins with an asterisk, by which cron tells what repeats from what is fixed.
    pub(super) is_wild: bool,
    /// The whole field is `*/n`.
    pub(super) step: Option<u8>,
}

impl Field {
    pub(super) fn only(value: u8) -> Self {
        Self {
            bits: 1 << value,
            is_wild: false,
            step: None,
        }
    }

    pub(super) fn parse(text: &str, unit: &Unit) -> Result<Self, CronError> {
        let mut field = Self {
            bits: 0,
            is_wild: text.starts_with('*'),
            step: None,
        };
        for part in text.split(',') {
            field.bits |= part_bits(part, unit)?;
        }
        if let Some(step) = text.strip_prefix("*/") {
            field.step = step.parse().ok();
        }
        Ok(field)
    }

    pub(super) fn values(&self) -> Vec<u8> {
        (0..64)
            .filter(|value| self.bits & (1 << value) != 0)
            .collect()
    }

    pub(super) fn is_everything(&self, unit: &Unit) -> bool {
        (unit.min..=last(unit)).all(|value| self.bits & (1 << value) != 0)
    }
}

/// 7 is another name for a value that is there already.
fn last(unit: &Unit) -> u8 {
    if *unit == WEEKDAY { 6 } else { unit.max }
}

fn part_bits(part: &str, unit: &Unit) -> Result<u64, CronError> {
    refuse_other_dialects(part, unit)?;
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, Some(step)),
        None => (part, None),
    };
    let (first, end) = if range == "*" {
        (unit.min, last(unit))
    } else if let Some((first, end)) = range.split_once('-') {
        let (first, mut end) = (value(first, unit)?, value(end, unit)?);
        // `sat-sun`, and `fri-0`.
        if *unit == WEEKDAY && end == 0 && first > 0 {
            end = 7;
        }
        if first > end {
            return Err(CronError::new(
                format!("the range {range:?} of the {} goes backwards", unit.name),
                format!(
                    "write it in two parts: {first}-{},{}-{end}",
                    last(unit),
                    unit.min
                ),
            ));
        }
        (first, end)
    } else {
        let value = value(range, unit)?;
        if step.is_some() {
            return Err(CronError::new(
                format!("the {} {part:?} has a step without a range", unit.name),
                format!("write {value}-{}/n or */n", last(unit)),
            ));
        }
        (value, value)
    };
    let step = match step {
        None => 1,
        Some(text) => step_of(text, part, end - first, unit)?,
    };
    let values = (first..=end).step_by(usize::from(step));
    Ok(values.fold(0, |bits, value| {
        let value = if *unit == WEEKDAY { value % 7 } else { value };
        bits | (1 << value)
    }))
}

/// A step that leaves one value alone is a mistake: `*/90` does not run every 90 minutes.
fn step_of(text: &str, part: &str, width: u8, unit: &Unit) -> Result<u8, CronError> {
    let step = number(text).filter(|step| *step > 0).ok_or_else(|| {
        CronError::new(
            format!(
                "the step {text:?} of the {} is no whole number from 1",
                unit.name
            ),
            "write a step as */5 or 9-17/2",
        )
    })?;
    match u8::try_from(step) {
        Ok(step) if step <= width || step == 1 => Ok(step),
        _ => Err(CronError::new(
            format!(
                "the step of the {} {part:?} is longer than its range",
                unit.name
            ),
            format!("a step counts within one range; the longest here is {width}"),
        )),
    }
}

fn value(text: &str, unit: &Unit) -> Result<u8, CronError> {
    let lower = text.to_ascii_lowercase();
    if let Some(index) = unit.names.iter().position(|name| *name == lower) {
        return Ok(unit.min + u8::try_from(index).unwrap_or_default());
    }
    let values = format!("{} to {}", unit.min, unit.max);
    let or_names = match unit.names {
        [first, .., last] => format!(", or {first} to {last}"),
        _ => String::new(),
    };
    let hint = format!("write {values}{or_names}; *, */n, a-b and lists with commas serve too");
    let number = number(text)
        .ok_or_else(|| CronError::new(format!("{text:?} is no {}", unit.name), hint.clone()))?;
    u8::try_from(number)
        .ok()
        .filter(|number| (unit.min..=unit.max).contains(number))
        .ok_or_else(|| {
            CronError::new(
                format!("the {} {text} is not within {values}", unit.name),
                hint,
            )
        })
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u32> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// What Quartz and its kin write, and POSIX does not have.
fn refuse_other_dialects(part: &str, unit: &Unit) -> Result<(), CronError> {
    let refused = |sign: &str, hint: &str| {
        Err(CronError::new(
            format!("{sign} in the {} {part:?} is not of POSIX cron", unit.name),
            hint,
        ))
    };
    let is_number_before = |sign: char| {
        part.strip_suffix([sign, sign.to_ascii_lowercase()])
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if part.contains('?') {
        return refused("?", "write *");
    }
    if part.contains('#') {
        return refused(
            "#",
            "write the days of the month, or a weekday of every week",
        );
    }
    if is_number_before('L') || part.starts_with("L-") {
        return refused("L", "write days by their number: 28 is in every month");
    }
    if is_number_before('W') || part.eq_ignore_ascii_case("LW") {
        return refused("W", "write days by their number, or weekdays as 1-5");
    }
    Ok(())
}
