//! Where a restore works when it creates a database, and how that gets its name.
//!
//! A database is created under the name of a scratch, which the host drops when the step ends or is cut. In the mode `create` it gets the
//! target's name as soon as it tells by itself that a restore into it is unfinished; in the mode `swap` when it is whole.

use archive::CivilTime;
use orchestrator_sdk::postgres::take_scratch;
use orchestrator_sdk::{Error, run};
use serde_json::json;

use crate::decision::Decision;
use crate::parameters::Mode;
use crate::progress::Progress;
use crate::report::Report;

/// Of an identifier, as PostgreSQL cuts it.
const NAME_BYTES_MAX: usize = 63;

impl Decision<'_> {
    /// Creates the database, in the modes that do. After an error there is none.
    pub fn create(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.parameters.resume {
            return Ok(());
        }
        let entries = self.entries(&self.plan.database);
        let Some(maintenance) = &mut self.maintenance else {
            return Ok(());
        };
        report.phase("creating the database", |_| {
            if self.replaces.is_some() {
                maintenance.drop_database()?;
            }
            let scratch = take_scratch(&self.parameters.database)?;
            let name = scratch.name();
            maintenance.create(&name, &entries, self.style)?;
            let beside = self.sessions.beside(scratch);
            if self.parameters.mode.is_beside() {
                self.sessions = beside;
                maintenance.work_on(name);
            } else {
                self.progress = Progress::begin(&beside.open()?, self.backup, self.parameters)?;
                maintenance.rename_from(&name)?;
            }
            Ok::<_, Error>((1, ()))
        })
    }

    /// In the mode `swap`, the database that is whole by now takes the place of the target.
    pub fn take_place(&self, report: &mut Report) -> Result<(), Error> {
        let Some(maintenance) = self
            .maintenance
            .as_ref()
            .filter(|_| self.parameters.mode == Mode::Swap)
        else {
            return Ok(());
        };
        let target = maintenance.connection().server().bound_database;
        let now = run::now();
        report.phase("swapping", |report| {
            let kept_as = maintenance.free_name(|attempt| kept_as(&target, now, attempt))?;
            maintenance.swap(maintenance.database(), &target, &kept_as)?;
            run::info(&format!(
                "the database that was replaced is kept as {kept_as}, until you drop it"
            ));
            run::fact(
                "replaced",
                &json!({ "database": target, "kept_as": kept_as }),
            )?;
            report.kept_as = Some(kept_as);
            Ok::<_, Error>((1, ()))
        })
    }
}

/// `app_before_20260117T020000Z`; with a number behind it where another restore of that second has that name.
fn kept_as(target: &str, now: u64, attempt: u32) -> String {
    let time = CivilTime::from_unix_ms(now).to_string();
    let mut suffix = format!("_before_{}", time.replace(['-', ':'], ""));
    if attempt > 1 {
        suffix.push_str(&format!("_{attempt}"));
    }
    let mut end = target.len().min(NAME_BYTES_MAX - suffix.len());
    while !target.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{suffix}", &target[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_name_tells_when_and_fits() {
        assert_eq!(
            kept_as("app", 1_768_615_200_000, 1),
            "app_before_20260117T020000Z"
        );
        assert_eq!(
            kept_as("app", 1_768_615_200_000, 2),
            "app_before_20260117T020000Z_2"
        );
        let long = kept_as(&"ä".repeat(31), 1_768_615_200_000, 1);
        assert!(long.len() <= NAME_BYTES_MAX && long.ends_with("_before_20260117T020000Z"));
    }
}
