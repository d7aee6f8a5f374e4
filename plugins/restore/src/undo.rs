//! After a failure in the middle: what this restore has created goes again, so that the target is as it was.

use orchestrator_sdk::Error;

use crate::batches::{Named, apply_what_can_be};
use crate::cleaning::drops;
use crate::database::Maintenance;
use crate::entries::{ObjectKind, object};
use crate::parameters::{Mode, Parameters};
use crate::plan::Plan;
use crate::progress::forget;
use crate::sessions::{Sessions, script};
use crate::target::TargetState;
use archive::Toc;
use orchestrator_sdk::postgres::Step;

/// What there is to undo.
pub struct Undo<'a> {
    /// What was asked for.
    pub parameters: &'a Parameters,
    /// The archive's entries.
    pub toc: &'a Toc,
    /// What was being done.
    pub plan: &'a Plan,
    /// As it was before.
    pub target: &'a TargetState,
    /// For new sessions: those of the restore may be cut.
    pub sessions: &'a Sessions,
    /// Where the database was created.
    pub maintenance: Option<&'a Maintenance>,
}

/// Drop statements that depend on each other in another way than the archive knows find their turn in one of these rounds.
const ROUNDS: usize = 3;

impl Undo<'_> {
    /// Undoes what can be undone, and says in the error what has become of the target. `loaded` are the tables that rows were
    /// loaded into.
    pub fn after(&self, error: Error, loaded: &[String]) -> Error {
        let outcome = self.undo(loaded);
        let (state, hint) = match outcome {
            Ok(state) => (state.to_owned(), None),
            Err(second) => (
                format!(
                    "the target is incomplete, and what is there could not be removed: {}",
                    second.message
                ),
                Some(match self.parameters.mode {
                    Mode::Create => "drop the database before the next attempt",
                    _ => "continue with --resume, or restore again with --clean",
                }),
            ),
        };
        let detail = match error.detail.clone() {
            Some(detail) => format!("{detail}; {state}"),
            None => state,
        };
        let hint = match (error.hint.clone(), hint) {
            (Some(first), Some(second)) => Some(format!("{first}; {second}")),
            (first, second) => first.or(second.map(str::to_owned)),
        };
        Error {
            detail: Some(detail),
            hint,
            ..error
        }
    }

    fn undo(&self, loaded: &[String]) -> Result<&'static str, Error> {
        if self.parameters.mode.is_beside() {
            return Ok("the database beside the target goes with the end of the step");
        }
        if let Some(maintenance) = self.maintenance {
            maintenance.drop_database()?;
            return Ok("the database that was created has been dropped again");
        }
        if self.parameters.mode == Mode::Clean {
            return Err(Error::conflict("what it held before was dropped"));
        }
        if self.parameters.data_only {
            return self.empty(loaded);
        }
        let connection = self.sessions.open()?;
        let mut left = self.drops();
        for _ in 0..ROUNDS {
            let failed = apply_what_can_be(&connection, &left, "removing what was created")?;
            if failed.is_empty() {
                forget(&connection)?;
                return Ok("what was created has been removed again");
            }
            left.retain(|each| failed.iter().any(|failed| failed.starts_with(&each.name)));
        }
        let names: Vec<&str> = left.iter().map(|each| each.name.as_str()).collect();
        Err(Error::conflict(names.join(", ")))
    }

    /// Tables were empty before their rows came.
    fn empty(&self, loaded: &[String]) -> Result<&'static str, Error> {
        if !loaded.is_empty() {
            let sql = format!("TRUNCATE TABLE ONLY {}", loaded.join(", ONLY "));
            script(
                &self.sessions.open()?,
                vec![Step::Statement(sql)],
                true,
                "removing what was loaded",
            )?;
        }
        Ok("the rows that were loaded have been removed again")
    }

    /// Without what the target had before.
    fn drops(&self) -> Vec<Named> {
        let mut entries = self.plan.dropped(self.toc);
        entries.retain(|entry| {
            object(entry).is_none_or(|object| {
                object.kind != ObjectKind::Extension || !self.target.objects.contains(&object)
            })
        });
        drops(&entries)
    }
}
