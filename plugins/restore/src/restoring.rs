//! The restore itself: looks at both sides, plans, verifies, and only then changes the target.

use std::collections::BTreeMap;

use archive::Entry;
use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::{Error, ErrorKind, run};
use serde_json::{Value, json};

use crate::backup::Backup;
use crate::batches::{Named, apply, apply_what_can_be};
use crate::cleaning::drop_statement;
use crate::data::{Tables, merge_deployment_log};
use crate::database::Maintenance;
use crate::entries::{Object, ObjectKind, describe, is_of_database, namespace, object, tag};
use crate::large_objects::LargeObjects;
use crate::names::rename_database;
use crate::parallel::run_all;
use crate::parameters::{Mode, Parameters};
use crate::plan::Plan;
use crate::post_data::PostData;
use crate::preconditions::{Findings, Situation, check};
use crate::report::Report;
use crate::schedule::Schedule;
use crate::selection::{OWN_SCHEMA, Selection, select};
use crate::sessions::{Sessions, script};
use crate::statements::Style;
use crate::target::{TableName, TargetState, references, tables_with_rows};
use crate::undo::Undo;
use crate::verification::verify;

/// Runs the step.
pub fn restore(parameters: &Parameters, dry_run: bool) -> Result<Value, Error> {
    parameters.check()?;
    let mut report = Report::new();
    run::phase("reading the backup");
    let backup = Backup::open(&parameters.storage, parameters.prefix())?;
    run::phase("looking at the target");
    let sessions = Sessions::new(&parameters.database, &backup.toc)?;
    let (restoring, findings) = Restoring::prepare(parameters, &backup, &sessions)?;
    for warning in &findings.warnings {
        run::warn(warning);
    }
    if dry_run {
        return Ok(restoring.describe(&findings));
    }
    findings.into_result()?;
    restoring.expect()?;
    restoring.verify(&mut report)?;
    restoring.change(&mut report)?;
    let identity = json!({ "id": backup.manifest.backup, "location": parameters.prefix() });
    run::fact("backup", &identity)?;
    Ok(report.into_json(parameters.mode.name(), &identity))
}

struct Restoring<'a> {
    parameters: &'a Parameters,
    backup: &'a Backup,
    sessions: &'a Sessions,
    selection: Selection,
    plan: Plan,
    target: TargetState,
    style: Style,
    /// In the mode `create`.
    maintenance: Option<Maintenance>,
    /// Foreign keys of the target, when data alone is restored.
    references: Vec<(TableName, TableName)>,
}

impl<'a> Restoring<'a> {
    /// Looks at the target and decides. Nothing changes.
    fn prepare(
        parameters: &'a Parameters,
        backup: &'a Backup,
        sessions: &'a Sessions,
    ) -> Result<(Restoring<'a>, Findings), Error> {
        let toc = &backup.toc;
        let mut references_of_target = Vec::new();
        let mut filled = Vec::new();
        let (maintenance, target, in_the_way, connection) = if parameters.mode == Mode::Create {
            let maintenance = Maintenance::open(&parameters.database)?;
            let target = TargetState::of_server(maintenance.connection())?;
            let in_the_way = maintenance
                .exists()?
                .then(|| maintenance.database().to_owned());
            (Some(maintenance), target, in_the_way, None)
        } else {
            let connection = sessions.open()?;
            (
                None,
                TargetState::of_database(&connection)?,
                None,
                Some(connection),
            )
        };
        let selection = select(toc, parameters, &target.objects).map_err(Error::invalid_input)?;
        let size = sizes(backup);
        let plan = Plan::new(toc, &selection, target.version, &|id| {
            size.get(&id).copied().unwrap_or_default()
        });
        if let Some(connection) = connection.filter(|_| parameters.data_only) {
            references_of_target = references(&connection)?;
            let there = plan
                .tables
                .iter()
                .map(|index| table_name(&toc.entries[*index]))
                .filter(|(schema, name)| {
                    target.objects.contains(&Object {
                        kind: ObjectKind::Relation,
                        schema: schema.clone(),
                        name: name.clone(),
                    })
                });
            filled = tables_with_rows(&connection, &there.collect::<Vec<_>>())?;
        }
        let findings = check(Situation {
            manifest: &backup.manifest,
            toc,
            selection: &selection,
            parameters,
            target: &target,
            in_the_way: in_the_way.as_deref(),
            filled: &filled,
        });
        let restoring = Restoring {
            parameters,
            backup,
            sessions,
            selection,
            plan,
            target,
            style: Style::new(parameters, toc),
            maintenance,
            references: references_of_target,
        };
        Ok((restoring, findings))
    }

    /// The plan, for a dry run.
    fn describe(&self, findings: &Findings) -> Value {
        let rows_and_bytes = |entry: &Entry| {
            let table = self.backup.table(entry);
            table.map_or((0, 0), |table| (table.rows, table.plain_bytes))
        };
        let problems: Vec<Value> = findings
            .problems
            .iter()
            .map(|problem| json!({ "message": problem.message, "hint": problem.hint }))
            .collect();
        let drops: Vec<String> = self.drops().into_iter().map(|drop| drop.sql).collect();
        json!({
            "backup": { "id": self.backup.manifest.backup, "location": self.parameters.prefix() },
            "mode": self.parameters.mode.name(),
            "database": self.maintenance.as_ref().map(Maintenance::database),
            "plan": self.plan.describe(&self.backup.toc, &rows_and_bytes),
            "would_drop": drops,
            "bytes_to_read": self.backup.manifest.totals.bytes,
            "problems": problems,
            "warnings": findings.warnings,
        })
    }

    /// Tells progress how much there is to do.
    fn expect(&self) -> Result<(), Error> {
        let needed = self.backup.needed(&self.selection)?;
        let to_verify: u64 = if self.parameters.skip_verify {
            0
        } else {
            needed.iter().map(|object| object.bytes).sum()
        };
        let to_load: u64 = needed
            .iter()
            .filter_map(|object| object.table.as_ref())
            .map(|table| table.plain_bytes)
            .sum();
        let scripts = self.plan.tables.len() + self.plan.post_data.len();
        let verified = if self.parameters.skip_verify {
            0
        } else {
            needed.len()
        };
        run::expect(to_verify + to_load, (scripts + verified) as u64);
        Ok(())
    }

    fn verify(&self, report: &mut Report) -> Result<(), Error> {
        if self.parameters.skip_verify {
            return Ok(());
        }
        let objects = self.backup.needed(&self.selection)?;
        report.phase("verifying", |report| {
            let bytes = verify(self.backup, &objects, self.parameters.jobs)?;
            report.verified = Some((objects.len(), bytes));
            Ok((objects.len() as u64, ()))
        })
    }

    /// From here on the target changes. After an error, what was created is removed again where it can be.
    fn change(&self, report: &mut Report) -> Result<(), Error> {
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
        let size = sizes(self.backup);
        let tasks = self.plan.table_tasks(toc, &self.references, &|id| {
            size.get(&id).copied().unwrap_or_default()
        });
        let mut tables = Tables::new(
            self.backup,
            self.entries(&self.plan.tables).into_iter(),
            &created,
        );
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
        let size = sizes(self.backup);
        let tasks = self
            .plan
            .post_data_tasks(toc, &|id| size.get(&id).copied().unwrap_or_default());
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

    fn sql(&self, entry: &Entry) -> String {
        let sql = self.style.statements(entry);
        match &self.maintenance {
            Some(maintenance) if is_of_database(entry) => {
                let from = tag(entry).strip_prefix("DATABASE ").unwrap_or(tag(entry));
                rename_database(&sql, from, maintenance.database())
            }
            _ => sql,
        }
    }

    /// In the mode `clean`: what is dropped first. Never anything of the host's own schema.
    fn drops(&self) -> Vec<Named> {
        if self.parameters.mode != Mode::Clean {
            return Vec::new();
        }
        let own = |entry: &Entry| {
            namespace(entry) == OWN_SCHEMA
                || object(entry).is_some_and(|object| {
                    object.kind == ObjectKind::Schema && object.name == OWN_SCHEMA
                })
        };
        let entries = self
            .plan
            .dropped(&self.backup.toc)
            .into_iter()
            .filter(|entry| !own(entry));
        entries
            .filter_map(|entry| {
                Some(Named {
                    name: describe(entry),
                    sql: drop_statement(entry)?,
                })
            })
            .collect()
    }

    fn entries(&self, indices: &[usize]) -> Vec<&'a Entry> {
        indices
            .iter()
            .map(|index| &self.backup.toc.entries[*index])
            .collect()
    }
}

/// Bytes of tables' rows before compression, by the dump id of their entry.
fn sizes(backup: &Backup) -> BTreeMap<u32, u64> {
    let tables = backup
        .manifest
        .objects
        .iter()
        .filter_map(|object| object.table.as_ref());
    tables
        .map(|table| (table.dump_id, table.plain_bytes))
        .collect()
}

fn table_name(entry: &Entry) -> TableName {
    (namespace(entry).to_owned(), tag(entry).to_owned())
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
