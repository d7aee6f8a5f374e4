//! What stands against a restore, all of it found before anything changes.

use std::collections::{BTreeMap, BTreeSet};

use archive::ownership::new_owner;
use archive::{Entry, Section, Toc};
use orchestrator_sdk::{Error, ErrorKind};

use crate::backup::Facts;
use crate::entries::{Object, ObjectKind, describe, is_privilege, namespace, object, tag};
use crate::names::mentions_role;
use crate::parameters::{Mode, Parameters};
use crate::selection::Selection;
use crate::statements::owner_is_understood;
use crate::target::{TableName, TargetState};

/// Names in a message before it only counts.
const NAMES_MAX: usize = 10;

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What a caller may do next.
    pub kind: ErrorKind,
    /// What is wrong.
    pub message: String,
    /// What the user can do.
    pub hint: &'static str,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Each of them keeps the restore from beginning.
    pub problems: Vec<Problem>,
    /// Worth knowing.
    pub warnings: Vec<String>,
}

/// What stands where a database is to be created, or to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// What is expected there, or no database is created at all.
    Ready,
    /// A database, and none is expected.
    InTheWay(String),
    /// No database, and one is to be replaced.
    Missing(String),
    /// A database of somebody else's.
    NotOurs(String),
}

/// Everything that is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    /// The backup.
    pub facts: &'a Facts,
    /// Its table of contents.
    pub toc: &'a Toc,
    /// What of it is restored.
    pub selection: &'a Selection,
    /// What was asked for.
    pub parameters: &'a Parameters,
    /// The target.
    pub target: &'a TargetState,
    /// Where a database is created.
    pub place: &'a Place,
    /// Tables that would be loaded into and hold rows; asked for only when data alone is restored.
    pub filled: &'a [TableName],
}

impl Findings {
    /// All problems as one error; `Ok` when there are none.
    pub fn into_result(self) -> Result<(), Error> {
        let Some(first) = self.problems.first() else {
            return Ok(());
        };
        let message = if self.problems.len() == 1 {
            first.message.clone()
        } else {
            let all: Vec<&str> = self
                .problems
                .iter()
                .map(|problem| problem.message.as_str())
                .collect();
            format!(
                "{} things stand against this restore: {}",
                all.len(),
                all.join("; ")
            )
        };
        let hints: BTreeSet<&str> = self.problems.iter().map(|problem| problem.hint).collect();
        let hint = hints.into_iter().collect::<Vec<_>>().join("; ");
        Err(Error::new(first.kind, message)
            .detail("nothing was changed")
            .hint(hint))
    }

    fn problem(&mut self, kind: ErrorKind, message: String, hint: &'static str) {
        self.problems.push(Problem {
            kind,
            message,
            hint,
        });
    }
}

/// Looks at everything.
pub fn check(situation: Situation<'_>) -> Findings {
    let mut findings = Findings::default();
    occupied(situation, &mut findings);
    roles(situation, &mut findings);
    extensions_and_tablespaces(situation, &mut findings);
    rights(situation, &mut findings);
    deployment_log(situation, &mut findings);
    for entry in situation.entries() {
        if !owner_is_understood(entry) || entry.desc == "BLOB COMMENTS" {
            findings.problem(
                ErrorKind::Unsupported,
                format!(
                    "{} is of a kind that this version cannot restore",
                    describe(entry)
                ),
                "pg_restore of the version that dumped it can",
            );
        }
    }
    warnings(situation, &mut findings);
    findings
}

impl<'a> Situation<'a> {
    /// Roles of the backup that the definitions of such entries name.
    fn roles_in(self, such: impl Fn(&Entry) -> bool) -> BTreeSet<&'a str> {
        let definitions: Vec<&str> = self
            .entries()
            .filter(|entry| such(entry))
            .filter_map(|entry| entry.definition.as_deref())
            .collect();
        let roles = self.facts.roles.iter().map(String::as_str);
        roles
            .filter(|role| definitions.iter().any(|sql| mentions_role(sql, role)))
            .collect()
    }

    fn entries(self) -> impl Iterator<Item = &'a Entry> {
        let chosen = move |index: &usize| self.selection.any(*index);
        (0..self.toc.entries.len())
            .filter(chosen)
            .map(move |index| &self.toc.entries[index])
    }
}

/// What the restore would collide with.
fn occupied(situation: Situation<'_>, findings: &mut Findings) {
    let Situation {
        parameters, target, ..
    } = situation;
    if target.in_recovery {
        let message = "the target's server is a standby, which cannot be written to".to_owned();
        findings.problem(ErrorKind::Refused, message, "restore into its primary");
    }
    match situation.place {
        Place::Ready => {}
        Place::InTheWay(database) => findings.problem(
            ErrorKind::AlreadyExists,
            format!("the database {database} exists already"),
            "use --swap to put the backup in its place, --clean to replace what it holds, or name a database that does not exist",
        ),
        Place::Missing(database) => findings.problem(
            ErrorKind::NotFound,
            format!("there is no database {database} to put the backup in the place of"),
            "use --create",
        ),
        Place::NotOurs(database) => findings.problem(
            ErrorKind::Refused,
            format!("the role {} does not own the database {database}, and so cannot rename it", target.user),
            "restore as its owner or as a superuser, or into a new database with --create",
        ),
    }
    if parameters.mode != Mode::IntoEmpty || parameters.resume {
        return;
    }
    let is_account = |object: &Object| {
        object.kind == ObjectKind::Schema && object.name == crate::progress::SCHEMA
    };
    if target.objects.iter().any(is_account) {
        findings.problem(
            ErrorKind::Conflict,
            "the target holds a restore that was cut".to_owned(),
            "continue it with --resume, or begin anew with --clean",
        );
        return;
    }
    if parameters.data_only {
        let missing = situation
            .entries()
            .filter(|entry| entry.desc == "TABLE DATA")
            .filter_map(|entry| {
                let table = relation(entry);
                (!target.objects.contains(&table)).then(|| table.describe())
            });
        if let Some(names) = listed(missing) {
            let message = format!("the target lacks tables to load into: {names}");
            findings.problem(
                ErrorKind::NotFound,
                message,
                "restore the definitions first, or leave out --data-only",
            );
        }
        if let Some(names) = listed(
            situation
                .filled
                .iter()
                .map(|(schema, name)| format!("{schema}.{name}")),
        ) {
            let message = format!("tables to load into hold rows already: {names}");
            findings.problem(
                ErrorKind::Conflict,
                message,
                "empty them, or restore into another database",
            );
        }
    } else if parameters.table.is_empty() {
        if let Some(names) = listed(target.user_objects().map(Object::describe)) {
            findings.problem(
                ErrorKind::Conflict,
                format!("the target is not empty: it holds {names}"),
                "use --clean to replace what it holds, --create for a new database, or another database",
            );
        }
    } else {
        let collisions = situation.entries().filter_map(object).filter(|object| {
            object.kind != ObjectKind::Extension && target.objects.contains(object)
        });
        if let Some(names) = listed(collisions.map(|object| object.describe())) {
            findings.problem(
                ErrorKind::Conflict,
                format!("the target already has {names}"),
                "use --clean to replace them, or another database",
            );
        }
    }
}

/// Roles that will be named and are not there, or that this role cannot give anything to.
fn roles(situation: Situation<'_>, findings: &mut Findings) {
    let Situation {
        parameters, target, ..
    } = situation;
    let owners: BTreeSet<&str> = if parameters.no_owner {
        BTreeSet::new()
    } else {
        let defined =
            (0..situation.toc.entries.len()).filter(|index| situation.selection.definition(*index));
        defined
            .filter_map(|index| new_owner(&situation.toc.entries[index]))
            .collect()
    };
    let of_privileges = situation.roles_in(is_privilege);
    let of_others = situation.roles_in(|entry| {
        matches!(
            entry.desc.as_str(),
            "POLICY" | "USER MAPPING" | "DATABASE PROPERTIES"
        )
    });
    for (roles, what, hint) in [
        (
            &owners,
            "own what is restored",
            "create the roles, or use --globals or --no-owner",
        ),
        (
            &of_privileges,
            "grant or get privileges",
            "create the roles, or use --globals or --no-privileges",
        ),
        (
            &of_others,
            "policies, user mappings or settings name",
            "create the roles, or use --globals",
        ),
    ] {
        let missing = roles.iter().filter(|role| {
            !target.roles.contains_key(**role) && **role != "public" && !role.starts_with("pg_")
        });
        if let Some(names) = listed(missing.map(|role| (*role).to_owned())) {
            let message = format!("the target's server lacks roles that {what}: {names}");
            findings.problem(ErrorKind::NotFound, message, hint);
        }
    }
    let out_of_reach = owners
        .iter()
        .filter(|role| target.roles.get(**role) == Some(&false) && !target.superuser);
    if let Some(names) = listed(out_of_reach.map(|role| (*role).to_owned())) {
        let message = format!(
            "the role {} is no member of roles that own what is restored: {names}",
            target.user
        );
        findings.problem(
            ErrorKind::Refused,
            message,
            "restore as a superuser or a member of them, or use --no-owner",
        );
    }
}

fn extensions_and_tablespaces(situation: Situation<'_>, findings: &mut Findings) {
    let target = situation.target;
    let extensions = situation
        .entries()
        .filter(|entry| {
            entry.desc == "EXTENSION" && !target.available_extensions.contains(tag(entry))
        })
        .map(|entry| tag(entry).to_owned());
    if let Some(names) = listed(extensions) {
        findings.problem(
            ErrorKind::NotFound,
            format!("the target's server lacks extensions: {names}"),
            "install their packages on the server, or restore to one that has them",
        );
    }
    if situation.parameters.no_tablespaces {
        return;
    }
    let tablespaces: BTreeSet<&str> = situation
        .entries()
        .filter_map(|entry| entry.tablespace.as_deref())
        .filter(|name| !name.is_empty() && !target.tablespaces.contains(*name))
        .collect();
    if let Some(names) = listed(tablespaces.into_iter().map(str::to_owned)) {
        findings.problem(
            ErrorKind::NotFound,
            format!("the target's server lacks tablespaces: {names}"),
            "create them, or use --no-tablespaces",
        );
    }
}

fn rights(situation: Situation<'_>, findings: &mut Findings) {
    let Situation {
        parameters, target, ..
    } = situation;
    if target.superuser || parameters.data_only {
        return;
    }
    let user = &target.user;
    if parameters.mode.creates() {
        if !target.creates_databases {
            let message = format!("the role {user} may not create databases");
            findings.problem(
                ErrorKind::Refused,
                message,
                "grant it CREATEDB, or create an empty database for it",
            );
        }
        return;
    }
    let creates_schemas = situation
        .entries()
        .any(|entry| matches!(entry.desc.as_str(), "SCHEMA" | "EXTENSION"));
    if creates_schemas && !target.creates_in_database {
        let message = format!("the role {user} may not create schemas in the target");
        findings.problem(
            ErrorKind::Refused,
            message,
            "GRANT CREATE ON DATABASE to it",
        );
    }
    let fills_public = situation
        .entries()
        .any(|entry| entry.section == Section::PreData && namespace(entry) == "public");
    if fills_public && !target.creates_in_public {
        let message =
            format!("the role {user} may not create anything in the schema public of the target");
        findings.problem(
            ErrorKind::Refused,
            message,
            "GRANT CREATE ON SCHEMA public to it",
        );
    }
}

/// The log's rows go into the target's own table.
fn deployment_log(situation: Situation<'_>, findings: &mut Findings) {
    let Some(index) = situation.selection.deployment_log else {
        return;
    };
    let known: BTreeSet<&str> = situation
        .target
        .log_columns
        .iter()
        .map(String::as_str)
        .collect();
    let columns = crate::deployment_log::columns(&situation.toc.entries[index]).unwrap_or_default();
    if let Some(names) = listed(
        columns
            .into_iter()
            .filter(|column| !known.contains(column.as_str())),
    ) {
        findings.problem(
            ErrorKind::Unsupported,
            format!("the backup's deployment log has columns that the target's has not: {names}"),
            "use the version of this program that took the backup, or a newer one",
        );
    }
}

fn warnings(situation: Situation<'_>, findings: &mut Findings) {
    let Situation { facts, target, .. } = situation;
    let (from, to) = (facts.server_major, target.version / 10_000);
    if from > to {
        findings.warnings.push(format!(
            "the backup is of PostgreSQL {from} and the target is {to}: what {to} does not know yet will fail"
        ));
    }
    if !target.encoding.is_empty()
        && !facts.encoding.is_empty()
        && target.encoding != facts.encoding
    {
        findings.warnings.push(format!(
            "the backup's database has the encoding {} and the target has {}: characters that it lacks will fail",
            facts.encoding, target.encoding
        ));
    }
    for index in &situation.selection.left_out {
        let key = describe(&situation.toc.entries[*index]);
        findings.warnings.push(format!(
            "{key} is left out: the table that it refers to is neither chosen nor in the target"
        ));
    }
    let mut statistics: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in situation
        .entries()
        .filter(|entry| entry.desc == "STATISTICS DATA")
    {
        *statistics.entry(entry.desc.as_str()).or_default() += 1;
    }
    if to < 18 && !statistics.is_empty() {
        findings.warnings.push("the backup's planner statistics are left out: the target cannot take them before version 18".to_owned());
    }
}

/// The relation that an entry of data belongs to.
fn relation(entry: &Entry) -> Object {
    Object {
        kind: ObjectKind::Relation,
        schema: namespace(entry).to_owned(),
        name: tag(entry).to_owned(),
    }
}

/// The names joined, the first of them when there are many; `None` when there are none.
fn listed(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    let shown = names
        .iter()
        .take(NAMES_MAX)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len() {
        0 => None,
        count if count > NAMES_MAX => Some(format!("{shown} and {} more", count - NAMES_MAX)),
        _ => Some(shown),
    }
}

#[cfg(test)]
mod tests;
