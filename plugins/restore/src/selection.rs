//! Which entries are restored, and which part of each (`_tocEntryRequired` in `pg_backup_archiver.c`).
//!
//! The schema `orchestrator` is the host's own: what the target has of it is never replaced. Its deployment log is merged
//! instead, so that no row of either side is lost.

mod closure;

use std::collections::BTreeSet;

use archive::{Entry, Toc};
use catalog::Pattern;

use crate::entries::{
    Object, ObjectKind, is_of_database, is_privilege, is_relation, namespace, object, parts, tag,
};
use crate::parameters::Parameters;

/// The host's schema in every database that it works on.
pub const OWN_SCHEMA: &str = "orchestrator";
/// The host's table in it.
pub const DEPLOYMENT_LOG: &str = "deployment_log";

/// The outcome. Indices are those of the archive's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// For each entry whether its definition and whether its data is restored.
    parts: Vec<(bool, bool)>,
    /// The rows to merge into the target's deployment log.
    pub deployment_log: Option<usize>,
    /// Foreign keys of chosen tables to tables that are neither chosen nor there.
    pub left_out: Vec<usize>,
}

impl Selection {
    /// The definition of this entry is restored.
    pub fn definition(&self, index: usize) -> bool {
        self.parts.get(index).is_some_and(|parts| parts.0)
    }

    /// The data of this entry is restored.
    pub fn data(&self, index: usize) -> bool {
        self.parts.get(index).is_some_and(|parts| parts.1)
    }

    /// Anything of this entry is restored.
    pub fn any(&self, index: usize) -> bool {
        self.definition(index) || self.data(index)
    }
}

/// Chooses from an archive what the parameters ask for, given the objects that the target has. Fails with a text when a
/// pattern is none, or fits nothing.
pub fn select(
    toc: &Toc,
    parameters: &Parameters,
    existing: &BTreeSet<Object>,
) -> Result<Selection, String> {
    let mut chosen: Vec<bool> = toc
        .entries
        .iter()
        .map(|entry| allowed(entry, parameters))
        .collect();
    let mut left_out = Vec::new();
    if !parameters.table.is_empty() {
        let roots = roots(toc, &parameters.table)?;
        let closure = closure::of(toc, &roots, existing);
        for (chosen, wanted) in chosen.iter_mut().zip(&closure.wanted) {
            *chosen &= *wanted;
        }
        if !parameters.data_only {
            left_out = closure.left_out;
        }
    }
    let log = keep_own_schema(toc, existing, &mut chosen);
    let mask = |(index, entry): (usize, &Entry)| {
        let (definition, data) = parts(entry);
        (
            chosen[index] && definition && !parameters.data_only,
            chosen[index] && data && !parameters.schema_only,
        )
    };
    Ok(Selection {
        parts: toc.entries.iter().enumerate().map(mask).collect(),
        deployment_log: log.filter(|_| !parameters.schema_only && parameters.table.is_empty()),
        left_out,
    })
}

/// The rules that look at one entry alone.
fn allowed(entry: &Entry, parameters: &Parameters) -> bool {
    if is_of_database(entry) && !parameters.mode.creates() {
        return false;
    }
    !(parameters.no_privileges && is_privilege(entry)
        || parameters.no_security_labels && entry.desc == "SECURITY LABEL")
}

/// Takes what the target has of the host's schema out of the choice, with everything that belongs to it. Gives the entry
/// of the deployment log's rows, when the target has that table.
fn keep_own_schema(toc: &Toc, existing: &BTreeSet<Object>, chosen: &mut [bool]) -> Option<usize> {
    let own = |kind, schema: &str, name: &str| Object {
        kind,
        schema: schema.to_owned(),
        name: name.to_owned(),
    };
    if !existing.contains(&own(ObjectKind::Schema, "", OWN_SCHEMA)) {
        return None;
    }
    let schema_entry = |entry: &Entry| entry.desc == "SCHEMA" && tag(entry) == OWN_SCHEMA;
    let schema_ids: BTreeSet<u32> = toc
        .entries
        .iter()
        .filter(|entry| schema_entry(entry))
        .map(|entry| entry.dump_id)
        .collect();
    let mut kept: BTreeSet<u32> = BTreeSet::new();
    let mut log = None;
    // Entries stand behind what they depend on.
    for (index, entry) in toc.entries.iter().enumerate() {
        let note = entry.desc != "SCHEMA" && namespace(entry).is_empty();
        let keeps = if schema_entry(entry)
            || namespace(entry) == OWN_SCHEMA && entry.desc == "DEFAULT ACL"
        {
            true
        } else if note {
            entry
                .dependencies
                .iter()
                .any(|id| schema_ids.contains(id) || kept.contains(id))
                && matches!(entry.desc.as_str(), "ACL" | "COMMENT" | "SECURITY LABEL")
        } else if namespace(entry) == OWN_SCHEMA {
            object(entry).is_some_and(|object| existing.contains(&object))
                || entry.dependencies.iter().any(|id| kept.contains(id))
        } else {
            false
        };
        if !keeps {
            continue;
        }
        chosen[index] = false;
        if !schema_entry(entry) {
            kept.insert(entry.dump_id);
        }
        if entry.desc == "TABLE DATA" && tag(entry) == DEPLOYMENT_LOG {
            log = Some(index);
        }
    }
    let table = own(ObjectKind::Relation, OWN_SCHEMA, DEPLOYMENT_LOG);
    log.filter(|_| existing.contains(&table))
}

/// The relations that the patterns name.
fn roots(toc: &Toc, patterns: &[String]) -> Result<BTreeSet<u32>, String> {
    let mut roots = BTreeSet::new();
    for text in patterns {
        let pattern = Pattern::parse(text)?;
        let fitting = toc
            .entries
            .iter()
            .filter(|entry| is_relation(entry) && pattern.matches(namespace(entry), tag(entry)));
        let mut found = 0;
        for entry in fitting {
            found += 1;
            roots.insert(entry.dump_id);
        }
        if found == 0 {
            return Err(format!(
                "no table, view or sequence of the backup fits the pattern {:?}",
                pattern.text()
            ));
        }
    }
    Ok(roots)
}

#[cfg(test)]
pub mod tests;
