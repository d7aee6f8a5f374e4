//! Changes the target, phase by phase, and removes what was created when a phase fails.

use archive::Entry;
use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::{Error, ErrorKind, run};

use crate::batches::{Named, apply, apply_what_can_be};
use crate::data::{Tables, merge_deployment_log};
use crate::decision::{Decision, size_in, sizes};
use crate::drill;
use crate::entries::describe;
use crate::failures::Failures;
use crate::large_objects::LargeObjects;
use crate::parallel::run_all;
use crate::parameters::Mode;
use crate::post_data::PostData;
use crate::progress::Progress;
use crate::report::Report;
use crate::schedule::Schedule;
use crate::sessions::script;
use crate::undo::Undo;

impl Decision<'_> {
    /// From here on the target changes. After an error, what was created is removed again, where it can be and is not to stay.
    pub fn change(mut self, report: &mut Report) -> Result<(), Error> {
        self.create_roles(report)?;
        self.create(report)?;
        if self.parameters.mode == Mode::Clean && !self.parameters.resume {
            report.phase("dropping", |report| {
                let drops = self.drops();
                report.dropped = drops.len();
                self.clean(&drops)?;
                Ok::<_, Error>((drops.len() as u64, ()))
            })?;
        }
        let failures = Failures::new(self.parameters.keep_going);
        let mut loaded = Vec::new();
        let result = self
            .fill(report, &mut loaded, &failures)
            .and_then(|()| self.take_place(report));
        match result {
            Ok(()) => failures
                .as_error()
                .map_or(Ok(()), |error| Err(self.stays(error))),
            Err(error) if self.parameters.resume || self.parameters.keep_going => {
                Err(self.stays(error))
            }
            Err(error) => {
                let undo = Undo {
                    parameters: self.parameters,
                    toc: &self.backup.toc,
                    plan: &self.plan,
                    target: &self.target,
                    sessions: &self.sessions,
                    maintenance: self.maintenance.as_ref(),
                };
                Err(undo.after(error, &loaded))
            }
        }
    }

    fn create_roles(&self, report: &mut Report) -> Result<(), Error> {
        let roles = &self.globals.roles;
        if roles.is_empty() {
            return Ok(());
        }
        report.phase("creating roles", |report| {
            match &self.maintenance {
                Some(maintenance) => self.globals.create(maintenance.connection())?,
                None => self.globals.create(&self.sessions.open()?)?,
            }
            report.roles_created = roles.iter().cloned().collect();
            Ok::<_, Error>((roles.len() as u64, ()))
        })
    }

    /// What has been restored stays, and its account too where there is one.
    fn stays(&self, error: Error) -> Error {
        match self.progress.mark(0) {
            Some(_) => error.hint("remove the cause, then continue with --resume"),
            None => error,
        }
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

    fn fill(
        &mut self,
        report: &mut Report,
        loaded: &mut Vec<String>,
        failures: &Failures,
    ) -> Result<(), Error> {
        if let Some(maintenance) = &self.maintenance {
            maintenance.configure(&self.entries(&self.plan.database), self.style)?;
        }
        let mut connections = self.sessions.open_many(1)?;
        // Before there are others: no restore may be under way here, this one neither.
        self.keep_account(&connections[0])?;
        connections.extend(self.sessions.open_many(self.parameters.jobs - 1)?);
        let first = &connections[0];
        report.phase("creating objects", |_| {
            self.apply(first, &self.plan.pre_data, "creating objects", failures)
        })?;
        report.phase("loading data", |report| {
            self.load(&connections, first, report, loaded, failures)
        })?;
        report.phase("building indexes and constraints", |_| {
            self.build(&connections, failures)
        })?;
        report.phase("granting privileges", |_| {
            self.apply(
                first,
                &self.plan.privileges,
                "granting privileges",
                failures,
            )
        })?;
        // Event triggers come after everything, also after the account of this restore is gone.
        let (last, event_triggers): (Vec<usize>, Vec<usize>) = self
            .plan
            .last
            .iter()
            .partition(|index| !is_of_event_trigger(&self.backup.toc.entries[**index]));
        report.phase("finishing", |_| {
            let (count, ()) = self.apply(first, &last, "finishing", failures)?;
            if failures.as_error().is_none() {
                self.progress.end(first)?;
            }
            let (more, ()) = self.apply(first, &event_triggers, "finishing", failures)?;
            Ok::<_, Error>((count + more, ()))
        })?;
        if self.parameters.analyze {
            report.phase("analyzing", |_| self.analyze(first, loaded))?;
        }
        if self.parameters.mode == Mode::Check {
            report.phase("asking", |report| {
                let asked = drill::ask(first, &self.parameters.queries, report)?;
                report.answers();
                Ok::<_, Error>((asked, ()))
            })?;
        }
        if self.parameters.mode.is_beside() && !self.parameters.skip_verify {
            report.phase("comparing", |report| {
                let entries = [&self.plan.tables[..], &self.plan.large_objects].concat();
                let entries = self.entries(&entries);
                let compared = crate::comparison::compare(self.backup, &connections, &entries)?;
                report.compared = Some(compared);
                Ok::<_, Error>((compared.tables + compared.large_objects, ()))
            })?;
        }
        Ok(())
    }

    /// Where a cut restore stays, how far it has come is kept in the target: in a database that is not beside it, by a role that may.
    fn keep_account(&mut self, connection: &Connection) -> Result<(), Error> {
        let mode = self.parameters.mode;
        let already = self.parameters.resume || mode == Mode::Create;
        let may = self.target.superuser || self.target.creates_in_database;
        if !already && !mode.is_beside() && !self.parameters.data_only && may {
            self.progress = Progress::begin(connection, self.backup, self.parameters)?;
        }
        Ok(())
    }

    /// The data is there by now: what goes wrong here is worth a warning alone.
    fn analyze(&self, connection: &Connection, tables: &[String]) -> Result<(u64, ()), Error> {
        let name = |table: &String| Named {
            entry: 0,
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
        failures: &Failures,
    ) -> Result<(u64, ()), Error> {
        let toc = &self.backup.toc;
        let created = self.plan.created_tables(toc);
        let sizes = sizes(self.backup);
        let tasks = self
            .plan
            .table_tasks(toc, &self.references, &size_in(&sizes));
        let is_there = |entry: &&Entry| {
            let mut tables = entry.dependencies.iter();
            !tables.any(|table| failures.contains(*table))
        };
        let entries = self.entries(&self.plan.tables);
        let (entries, without_table): (Vec<&Entry>, Vec<&Entry>) =
            entries.into_iter().partition(is_there);
        for entry in &without_table {
            let error = Error::not_found("its table could not be created");
            failures.take(entry.dump_id, &describe(entry), error)?;
        }
        let mut tables = Tables::new(self.backup, entries.into_iter(), &created, &self.progress);
        let tasks = tasks
            .into_iter()
            .filter(|task| !failures.contains(task.id))
            .collect();
        // Where a table may fail and others go on, it is loaded in one transaction: whole or not at all.
        let at_once = match self.parameters.keep_going {
            true => 1,
            false => connections.len(),
        };
        let result = tables
            .cut(tasks, &self.plan.ordered_tables(toc), at_once)
            .and_then(|tasks| run_all(connections, Schedule::new(tasks), &mut tables, failures));
        report.tables = tables.loaded;
        *loaded = std::mem::take(&mut tables.names);
        result?;
        let mut large_objects = LargeObjects::new(
            self.backup,
            self.entries(&self.plan.large_objects).into_iter(),
            &self.progress,
        );
        let tasks = large_objects.tasks();
        run_all(
            connections,
            Schedule::new(tasks),
            &mut large_objects,
            failures,
        )?;
        report.large_objects = large_objects.loaded;
        self.apply(first, &self.plan.sequences, "setting sequences", failures)?;
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

    fn build(&self, connections: &[Connection], failures: &Failures) -> Result<(u64, ()), Error> {
        let toc = &self.backup.toc;
        let sizes = sizes(self.backup);
        let mut tasks = self.plan.post_data_tasks(toc, &size_in(&sizes));
        for task in &mut tasks {
            task.only_a_link |= self.progress.is_done(task.id);
        }
        let entries = self.entries(&self.plan.post_data);
        let mut work = PostData::new(entries.into_iter(), self.style, &self.progress);
        run_all(connections, Schedule::new(tasks), &mut work, failures)?;
        Ok((work.restored, ()))
    }

    /// Applies entries one after another.
    fn apply(
        &self,
        connection: &Connection,
        indices: &[usize],
        label: &str,
        failures: &Failures,
    ) -> Result<(u64, ()), Error> {
        let statements: Vec<Named> = self
            .entries(indices)
            .into_iter()
            .filter(|entry| !self.progress.is_done(entry.dump_id))
            .map(|entry| Named {
                entry: entry.dump_id,
                name: describe(entry),
                sql: self.sql(entry),
            })
            .filter(|named| !named.sql.is_empty())
            .map(|mut named| {
                named.sql.extend(self.progress.mark(named.entry));
                named
            })
            .collect();
        apply(connection, &statements, label, failures)?;
        Ok((indices.len() as u64, ()))
    }
}

fn is_of_event_trigger(entry: &Entry) -> bool {
    entry.desc == "EVENT TRIGGER" || matches!(entry.desc.as_str(), "COMMENT" | "SECURITY LABEL")
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
