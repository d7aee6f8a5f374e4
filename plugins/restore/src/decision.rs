//! What is going to be done: both sides looked at, the entries chosen and sorted into phases, everything that stands against
//! it found. Nothing changes here.

use std::collections::BTreeMap;

use archive::Entry;
use orchestrator_sdk::Error;
use serde_json::{Value, json};

use crate::backup::Backup;
use crate::batches::Named;
use crate::cleaning::drops;
use crate::database::Maintenance;
use crate::entries::{Object, ObjectKind, is_of_database, namespace, object, tag};
use crate::globals::Globals;
use crate::names::rename_database;
use crate::parameters::{Mode, Parameters};
use crate::plan::Plan;
use crate::preconditions::{Findings, Place, Situation, check};
use crate::progress::{Progress, Unfinished};
use crate::selection::{OWN_SCHEMA, Selection, select};
use crate::sessions::Sessions;
use crate::statements::{Style, privileges_of_group};
use crate::target::{TableName, TargetState, references, tables_with_rows};

/// A restore that has been thought through.
pub struct Decision<'a> {
    /// What was asked for.
    pub parameters: &'a Parameters,
    /// What is restored.
    pub backup: &'a Backup,
    /// Ready for the backup's statements.
    pub sessions: Sessions,
    /// What an earlier restore has done already.
    pub progress: Progress,
    /// The roles to create first.
    pub globals: Globals,
    /// In the mode `create`: the half database of an earlier restore is there, and goes first.
    pub replaces: Option<Unfinished>,
    /// Which entries.
    pub selection: Selection,
    /// In which order.
    pub plan: Plan,
    /// As it is before.
    pub target: TargetState,
    /// How definitions are written out.
    pub style: Style,
    /// Where the database is created.
    pub maintenance: Option<Maintenance>,
    /// Foreign keys of the target, when data alone is restored.
    pub references: Vec<(TableName, TableName)>,
}

impl<'a> Decision<'a> {
    /// Looks at the target and decides. Nothing changes.
    pub fn prepare(
        parameters: &'a Parameters,
        backup: &'a Backup,
        sessions: Sessions,
        progress: Progress,
    ) -> Result<(Decision<'a>, Findings), Error> {
        let toc = &backup.toc;
        let mut references_of_target = Vec::new();
        let mut filled = Vec::new();
        let mut replaces = None;
        let maintenance = match parameters.mode.creates() {
            true => Some(Maintenance::open(&parameters.database)?),
            false => None,
        };
        let mut place = Place::Ready;
        let mut connection = None;
        let target = match &maintenance {
            Some(maintenance) if !parameters.resume => {
                place = Place::of(maintenance, parameters.mode, &sessions, &mut replaces)?;
                TargetState::of_server(maintenance.connection())?
            }
            _ => TargetState::of_database(connection.insert(sessions.open()?))?,
        };
        let mut target = target;
        let mut globals = Globals::default();
        if parameters.globals {
            globals = Globals::missing(backup, &target.roles)?;
            let created = globals.roles.iter();
            target
                .roles
                .extend(created.map(|role| (role.clone(), target.superuser)));
        }
        let before = progress.before(toc, &target.objects);
        let selection = select(toc, parameters, &before).map_err(Error::invalid_input)?;
        let sizes = sizes(backup);
        let plan = Plan::new(toc, &selection, target.version, &size_in(&sizes));
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
            facts: &backup.facts,
            toc,
            selection: &selection,
            parameters,
            target: &target,
            place: &place,
            filled: &filled,
        });
        let decision = Decision {
            parameters,
            backup,
            sessions,
            progress,
            globals,
            replaces,
            selection,
            plan,
            target,
            style: Style::new(parameters, toc),
            maintenance,
            references: references_of_target,
        };
        Ok((decision, findings))
    }

    /// The plan, for a dry run.
    pub fn describe(&self, findings: &Findings) -> Value {
        let rows_and_bytes = |entry: &Entry| {
            let table = self.backup.table(entry).ok().flatten();
            let rows = table.map_or(0, |table| table.rows);
            (rows, self.backup.expected_bytes(entry))
        };
        let problems: Vec<Value> = findings
            .problems
            .iter()
            .map(|problem| json!({ "message": problem.message, "hint": problem.hint }))
            .collect();
        let drops: Vec<String> = self.drops().into_iter().map(|drop| drop.sql).collect();
        json!({
            "backup": { "id": self.backup.facts.name, "location": self.parameters.prefix() },
            "mode": self.parameters.mode.name(),
            "database": self.maintenance.as_ref().map(Maintenance::database),
            "plan": self.plan.describe(&self.backup.toc, &rows_and_bytes),
            "resumes_after": self.parameters.resume.then(|| self.progress.count()),
            "roles_to_create": self.globals.roles,
            "would_drop": drops,
            "bytes_to_read": self.backup.facts.bytes,
            "problems": problems,
            "warnings": findings.warnings,
        })
    }

    /// The statements of an entry.
    pub fn sql(&self, entry: &Entry) -> String {
        if let Some(sql) = privileges_of_group(entry, &self.backup.toc) {
            return sql;
        }
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
    pub fn drops(&self) -> Vec<Named> {
        if self.parameters.mode != Mode::Clean {
            return Vec::new();
        }
        let own = |entry: &Entry| {
            namespace(entry) == OWN_SCHEMA
                || object(entry).is_some_and(|object| {
                    object.kind == ObjectKind::Schema && object.name == OWN_SCHEMA
                })
        };
        let mut entries = self.plan.dropped(&self.backup.toc);
        entries.retain(|entry| !own(entry));
        drops(&entries)
    }

    /// The entries at these indices.
    pub fn entries(&self, indices: &[usize]) -> Vec<&'a Entry> {
        indices
            .iter()
            .map(|index| &self.backup.toc.entries[*index])
            .collect()
    }
}

impl Place {
    /// The database that the binding names, and whether one can be created or put in its place.
    fn of(
        maintenance: &Maintenance,
        mode: Mode,
        sessions: &Sessions,
        replaces: &mut Option<Unfinished>,
    ) -> Result<Place, Error> {
        let name = || maintenance.database().to_owned();
        Ok(match (mode, maintenance.exists()?) {
            (Mode::Create, (true, _)) => {
                *replaces = Unfinished::read(&sessions.open()?)?
                    .filter(|unfinished| unfinished.mode == Mode::Create);
                match replaces {
                    Some(_) => Place::Ready,
                    None => Place::InTheWay(name()),
                }
            }
            (Mode::Swap, (false, _)) => Place::Missing(name()),
            (Mode::Swap, (true, false)) => Place::NotOurs(name()),
            _ => Place::Ready,
        })
    }
}

/// Bytes of tables' rows before compression, by the dump id of their entry.
pub fn sizes(backup: &Backup) -> BTreeMap<u32, u64> {
    let entries = backup.toc.entries.iter();
    entries
        .filter(|entry| entry.desc == "TABLE DATA" && entry.had_dumper)
        .map(|entry| (entry.dump_id, backup.expected_bytes(entry)))
        .collect()
}

/// The size of one of them, 0 for what is none.
pub fn size_in(sizes: &BTreeMap<u32, u64>) -> impl Fn(u32) -> u64 + '_ {
    |id| sizes.get(&id).copied().unwrap_or_default()
}

fn table_name(entry: &Entry) -> TableName {
    (namespace(entry).to_owned(), tag(entry).to_owned())
}
