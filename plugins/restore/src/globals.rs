//! Roles of the backup that the target's server lacks: created before anything that needs them, with the memberships and settings
//! that they are part of. Roles that are there stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use archive::layout;
use catalog::GlobalStatement;
use orchestrator_sdk::postgres::{Connection, Step};
use orchestrator_sdk::{Error, ErrorKind};

use crate::backup::Backup;
use crate::sessions::script;

/// What is missing on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// That will be created.
    pub roles: BTreeSet<String>,
    statements: Vec<String>,
}

impl Globals {
    /// What of the backup's roles is not among those that are there (and whether this role is a member of them).
    pub fn missing(backup: &Backup, existing: &BTreeMap<String, bool>) -> Result<Globals, Error> {
        let text = backup.read_text(layout::GLOBALS)?.ok_or_else(|| {
            Error::not_found("the backup has no globals.sql: nothing is known of its roles")
                .hint("leave out --globals, and create the roles with `pg_dumpall --roles-only` of the old server")
        })?;
        let statements = GlobalStatement::parse(&text).map_err(|statement| {
            Error::unsupported(format!(
                "globals.sql holds a statement that is not understood: {statement}"
            ))
            .hint("run it with psql, then restore without --globals")
        })?;
        Ok(choose(statements, existing))
    }

    /// Creates them, all or none.
    pub fn create(&self, connection: &Connection) -> Result<(), Error> {
        let steps = self.statements.iter().cloned().map(Step::Statement);
        match script(connection, steps.collect(), true, "creating roles") {
            Ok(_) => Ok(()),
            // insufficient_privilege
            Err(error) if error.sqlstate.as_deref() == Some("42501") => Err(Error {
                kind: ErrorKind::Refused,
                ..error
            }
            .hint("create the roles as a superuser with the backup's globals.sql, then restore without --globals")
            .while_doing("creating the roles of the backup")),
            Err(error) => Err(error.while_doing("creating the roles of the backup")),
        }
    }
}

fn choose(statements: Vec<GlobalStatement>, existing: &BTreeMap<String, bool>) -> Globals {
    let mut globals = Globals::default();
    for statement in statements {
        let new = |role: &String| globals.roles.contains(role);
        let sql = match statement {
            GlobalStatement::Create { role, sql } if !existing.contains_key(&role) => {
                globals.roles.insert(role);
                sql
            }
            GlobalStatement::Describe {
                role: Some(role),
                sql,
            } if new(&role) => sql,
            GlobalStatement::Grant { role, member, sql } if new(&role) || new(&member) => sql,
            _ => continue,
        };
        globals.statements.push(sql);
    }
    globals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_stays_as_it_is() {
        let text = "CREATE ROLE app;\nALTER ROLE app WITH LOGIN;\nCREATE ROLE boss;\nALTER ROLE boss WITH SUPERUSER;\n\
                    ALTER ROLE ALL SET work_mem TO '1GB';\nALTER ROLE boss SET work_mem TO '1GB';\n\
                    GRANT boss TO app;\nGRANT pg_monitor TO boss;\nGRANT pg_monitor TO app;\n";
        let statements = GlobalStatement::parse(text).unwrap();
        let globals = choose(statements, &[("boss".to_owned(), true)].into());
        assert_eq!(globals.roles, ["app".to_owned()].into());
        assert_eq!(
            globals.statements,
            [
                "CREATE ROLE app",
                "ALTER ROLE app WITH LOGIN",
                "GRANT boss TO app",
                "GRANT pg_monitor TO app"
            ]
        );
    }
}
