//! An expression for Kubernetes, whose parser (robfig/cron, `ParseStandard`) reads five fields a little differently.

use super::cron::{Cron, CronError};
use super::field::{DAY, Field, WEEKDAY};
use super::words::runs;

impl Cron {
    /// The same fires in five fields for a CronJob, or why that cannot be said there.
    pub fn for_kubernetes(&self) -> Result<String, CronError> {
        let fields = &self.fields;
        if fields.second != Field::only(0) {
            return Err(CronError::new(
                "a CronJob knows no seconds",
                "leave out the first of the six fields",
            ));
        }
        // An asterisk with a step counts as a named day there, so that either day would do.
        let steps = |field: Field| field.is_wild && field.step.is_some_and(|step| step > 1);
        let is_both = (steps(fields.day) && !fields.weekday.is_everything(&WEEKDAY))
            || (steps(fields.weekday) && !fields.day.is_everything(&DAY));
        if is_both && !fields.is_either_day() {
            return Err(CronError::new(
                "a CronJob cannot ask for a day of the month and a day of the week at once",
                "name the one or the other",
            ));
        }
        let parts = [
            fields.minute,
            fields.hour,
            fields.day,
            fields.month,
            fields.weekday,
        ];
        Ok(parts.map(part).join(" "))
    }
}

/// With numbers alone: there Sunday is 0, and never 7.
fn part(field: Field) -> String {
    match field.step {
        Some(step) if step > 1 => return format!("*/{step}"),
        _ if field.is_wild => return "*".to_owned(),
        _ => {}
    }
    let parts: Vec<String> = runs(&field.values())
        .into_iter()
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        })
        .collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_with_numbers() {
        for (text, expected) in [
            ("0 2 * * *", "0 2 * * *"),
            ("@weekly", "0 0 * * 0"),
            ("*/5 9-17 * * mon-fri", "*/5 9-17 * * 1-5"),
            ("0 3 1,15 jan 7", "0 3 1,15 1 0"),
            ("0 0 0 2 * * fri-sun", ""),
            ("0 0 2 * * fri-sun", "0 2 * * 0,5-6"),
            ("0 0 */2 * *", "0 0 */2 * *"),
        ] {
            let said = Cron::parse(text).and_then(|cron| cron.for_kubernetes());
            assert_eq!(said.unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn what_a_cron_job_cannot_say() {
        for (text, expected) in [
            ("30 0 2 * * *", "seconds"),
            ("* * * * * *", "seconds"),
            ("0 0 */2 * 1", "at once"),
            ("0 0 1 * */2", "at once"),
        ] {
            let error = Cron::parse(text).unwrap().for_kubernetes().unwrap_err();
            assert!(error.message.contains(expected), "{text}: {error}");
        }
    }
}
