//! Locks on the tables to dump. The functions that print definitions see the present, not the snapshot, so the present must
//! hold still; and a snapshot from before the locks sees nothing in a table that was emptied, rewritten or replaced since.

use std::collections::HashSet;

use super::relations::Purpose;
use super::rows::Reader;
use super::{extensions, known_version, namespaces, relations, roles};
use crate::error::Error;
use crate::model::Relation;
use crate::selection::{Filters, Selection};
use crate::session::Session;

/// Takes ACCESS SHARE on the tables that a dump with these filters needs, and keeps it until the session's transaction ends.
/// The session is as for [`super::read`], in a transaction of its own; it waits for whoever changes a table. A snapshot taken
/// after this, read with [`crate::Locks::HeldBy`], sees those tables as they will stay.
pub fn lock(
    session: &mut dyn Session,
    server_version_num: u32,
    filters: &Filters,
) -> Result<(), Error> {
    let reader = &mut Reader::new(session, known_version(server_version_num)?);
    reader.roles = roles::read(reader)?;
    let extensions = extensions::read(reader, filters)?;
    let members = extensions::members(reader)?;
    let mut selection = Selection::new(filters, &extensions, &members);
    let namespaces = namespaces::read(reader, &mut selection)?;
    reader.learn_schemas(&namespaces);
    let mut relations = relations::read(reader, &selection, Purpose::Locks)?;
    extensions::mark_configuration_tables(&extensions, &mut relations);
    relations::leave_out_rows(filters, &mut relations);
    take(reader, relations.iter())
}

/// Locks many tables in a statement.
pub fn take<'a>(
    reader: &mut Reader<'_>,
    relations: impl Iterator<Item = &'a Relation>,
) -> Result<(), Error> {
    const STATEMENT_BYTES: usize = 100_000;
    let mut names = String::new();
    for relation in relations.filter(|relation| is_locked(relation)) {
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(&relation.qualified());
        if names.len() >= STATEMENT_BYTES {
            reader.lock(&names)?;
            names.clear();
        }
    }
    if names.is_empty() {
        Ok(())
    } else {
        reader.lock(&names)
    }
}

/// Makes sure that a process holds the locks of all tables that this snapshot shows: by OID, since a lock is asked for by a
/// name, which may have gone from one table to another.
pub fn check(reader: &mut Reader<'_>, process: i32, relations: &[Relation]) -> Result<(), Error> {
    let mut held: HashSet<u32> = HashSet::new();
    reader.rows(
        "locks on tables",
        &["l.relation"],
        &format!(
            "FROM pg_locks l WHERE l.locktype = 'relation' AND l.mode = 'AccessShareLock' AND l.granted AND l.pid = {process} \
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())"
        ),
        |row| {
            held.insert(row.oid()?);
            Ok(())
        },
    )?;
    let unlocked = relations
        .iter()
        .find(|relation| is_locked(relation) && !held.contains(&relation.oid));
    match unlocked {
        None => Ok(()),
        Some(relation) => Err(Error::NotLocked(relation.qualified())),
    }
}

fn is_locked(relation: &Relation) -> bool {
    relation.kind.is_table() && relation.is_locked()
}
