//! Changes the target, phase by phase, and removes what was created when a phase fails.

use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::{Error, ErrorKind, run};

use crate::batches::{Named, apply, apply_what_can_be};
use crate::data::{Tables, merge_deployment_log};
use crate::decision::{Decision, size_in, sizes};
use crate::entries::describe;
use crate::large_objects::LargeObjects;
use crate::parallel::run_all;
use crate::parameters::Mode;
use crate::post_data::PostData;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::sessions::script;
use crate::undo::Undo;

impl Decision<'_> {
    /// From here on the target changes. After an error, what was created is removed again where it can be.
    pub fn change(&self, report: &mut Report) -> Result<(), Error> {
        if let Some(maintenance) = &self.maintenance {
            let entries = self.entries(&self.plan.database);
            report.phase("creating the database", |_| {
                Ok::<_, Error>((1, maintenance.create(&entries, self.style)?))
            })?;
        }
        if self.parameters.mode == Mode::Clean {
            report.phase("dropping", |report| {
                let drops = self.drops();
                report.dropped = drops.len();
                self.clean(&drops)?;
                Ok::<_, Error>((drops.len() as u64, ()))
            })?;
        }
        let mut loaded = Vec::new();
        let result = self.fill(report, &mut loaded);
        result.map_err(|error| {
            let undo = Undo {
                parameters: self.parameters,
                toc: &self.backup.toc,
                plan: &self.plan,
                target: &self.target,
                sessions: self.sessions,
                maintenance: self.maintenance.as_ref(),
            };
            undo.after(error, &loaded)
        })
    }

    /// All drops in one transaction: either the target is free for what comes, or nothing changed.
    fn clean(&self, drops: &[Named]) -> Result<(), Error> {
        let connection = self.sessions.open()?;
        let steps = drops
            .iter()
            .map(|drop| Step::Statement(drop.sql.clone()))
            .collect();
        match script(&connection, steps, true, "dropping") {
            Ok(_) => Ok(()),
            Err(error) => Err(not_dropped(error)),
        }
    }

    fn fill(&self, report: &mut Report, loaded: &mut Vec<String>) -> Result<(), Error> {
        if let Some(maintenance) = &self.maintenance {
            maintenance.configure(&self.entries(&self.plan.database), self.style)?;
        }
        let connections = self.sessions.open_many(self.parameters.jobs)?;
        let Some(first) = connections.first() else {
            return Err(Error::internal("no connection was opened"));
        };
        report.phase("creating objects", |_| {
            self.apply(first, &self.plan.pre_data, "creating objects")
        })?;
        report.phase("loading data", |report| {
            self.load(&connections, first, report, loaded)
        })?;
        report.phase("building indexes and constraints", |_| {
            self.build(&connections)
        })?;
        report.phase("granting privileges", |_| {
            self.apply(first, &self.plan.privileges, "granting privileges")
        })?;
        report.phase("finishing", |_| {
            self.apply(first, &self.plan.last, "finishing")
        })?;
        if self.parameters.analyze {
            report.phase("analyzing", |_| self.analyze(first, loaded))?;
        }
        Ok(())
    }

    /// The data is there by now: what goes wrong here is worth a warning alone.
    fn analyze(&self, connection: &Connection, tables: &[String]) -> Result<(u64, ()), Error> {
        let name = |table: &String| Named {
            name: table.clone(),
            sql: format!("ANALYZE {table}"),
        };
        let statements: Vec<Named> = tables.iter().map(name).collect();
        for failed in apply_what_can_be(connection, &statements, "analyzing")? {
            run::warn(&format!("statistics were not gathered of {failed}"));
        }
        Ok((statements.len() as u64, ()))
    }

    fn load(
        &self,
        connections: &[Connection],
        first: &Connection,
        report: &mut Report,
        loaded: &mut Vec<String>,
    ) -> Result<(u64, ()), Error> {
        let toc = &self.backup.toc;
        let created = self.plan.created_tables(toc);
        let sizes = sizes(self.backup);
        let tasks = self
            .plan
            .table_tasks(toc, &self.references, &size_in(&sizes));
        let mut tables = Tables::new(
            self.backup,
            self.entries(&self.plan.tables).into_iter(),
            &created,
        );
        let tasks = match connections.len() {
            0 | 1 => tasks,
            _ => tables.cut(tasks, &self.plan.ordered_tables(toc))?,
        };
        let result = run_all(connections, Schedule::new(tasks), &mut tables);
        report.tables = tables.loaded;
        *loaded = std::mem::take(&mut tables.names);
        result?;
        let mut large_objects = LargeObjects::new(
            self.backup,
            self.entries(&self.plan.large_objects).into_iter(),
        );
        let tasks = large_objects.tasks();
        run_all(connections, Schedule::new(tasks), &mut large_objects)?;
        report.large_objects = large_objects.loaded;
        self.apply(first, &self.plan.sequences, "setting sequences")?;
        if let Some(index) = self.plan.deployment_log {
            report.merged = Some(merge_deployment_log(
                first,
                self.backup,
                &toc.entries[index],
            )?);
        }
        Ok((
            self.plan.tables.len() as u64 + report.large_objects.items,
            (),
        ))
    }

    fn build(&self, connections: &[Connection]) -> Result<(u64, ()), Error> {
        let toc = &self.backup.toc;
        let sizes = sizes(self.backup);
        let tasks = self.plan.post_data_tasks(toc, &size_in(&sizes));
        let mut work = PostData::new(self.entries(&self.plan.post_data).into_iter(), self.style);
        run_all(connections, Schedule::new(tasks), &mut work)?;
        Ok((work.restored, ()))
    }

    /// Applies entries one after another.
    fn apply(
        &self,
        connection: &Connection,
        indices: &[usize],
        label: &str,
    ) -> Result<(u64, ()), Error> {
        let statements: Vec<Named> = self
            .entries(indices)
            .into_iter()
            .map(|entry| Named {
                name: describe(entry),
                sql: self.sql(entry),
            })
            .filter(|named| !named.sql.is_empty())
            .collect();
        apply(connection, &statements, label)?;
        Ok((indices.len() as u64, ()))
    }
}

/// A transaction of drops has failed as a whole.
fn not_dropped(error: Error) -> Error {
    let detail = match &error.detail {
        Some(detail) => format!("{detail}; nothing was changed"),
        None => "nothing was changed".to_owned(),
    };
    let (kind, hint) = match error.sqlstate.as_deref() {
        // dependent_objects_still_exist
        Some("2BP01") => (
            ErrorKind::Conflict,
            Some(
                "drop what the backup does not have and what depends on it, or restore into a new database with --create",
            ),
        ),
        // out_of_memory, which is what a full table of locks gives
        Some("53200") => (
            error.kind,
            Some(
                "raise max_locks_per_transaction on the server, or restore into a new database with --create",
            ),
        ),
        _ => (error.kind, None),
    };
    Error {
        kind,
        detail: Some(detail),
        hint: hint.map(str::to_owned).or(error.hint.clone()),
        ..error
    }
    .while_doing("dropping what the backup replaces")
}
