//! From chosen relations to everything that restores them whole: what belongs to them (rows, defaults, indexes, constraints,
//! triggers, privileges, ...) and what they need (schemas, types, functions, sequences, parents) unless the target has it.

use std::collections::{BTreeSet, HashMap, HashSet};

use archive::{Entry, Section, Toc};

use crate::entries::{Object, is_relation, namespace, object, tag};

/// The outcome. Indices are those of the archive's entries.
#[derive(Debug)]
pub struct Closure {
    /// For each entry whether it is part.
    pub wanted: Vec<bool>,
    /// Foreign keys to tables that are neither part nor in the target.
    pub left_out: Vec<usize>,
}

/// Closes over a set of relations, named by their dump ids, which are part even when the target has them.
pub fn of(toc: &Toc, roots: &BTreeSet<u32>, existing: &BTreeSet<Object>) -> Closure {
    let by_id: HashMap<u32, &Entry> = toc
        .entries
        .iter()
        .map(|entry| (entry.dump_id, entry))
        .collect();
    let is_there = |entry: &Entry| object(entry).is_some_and(|object| existing.contains(&object));
    let mut wanted: HashSet<u32> = roots.iter().copied().collect();
    let mut grown = true;
    while grown {
        let before = wanted.len();
        for entry in &toc.entries {
            if !wanted.contains(&entry.dump_id) && belongs(entry, &by_id, &wanted) {
                wanted.insert(entry.dump_id);
            }
            if !wanted.contains(&entry.dump_id) || entry.desc == "FK CONSTRAINT" {
                continue;
            }
            let needs = entry.dependencies.iter().filter_map(|id| by_id.get(id));
            let missing =
                needs.filter(|needed| needed.section == Section::PreData && !is_there(needed));
            wanted.extend(missing.map(|needed| needed.dump_id));
        }
        grown = wanted.len() > before;
    }
    let can_be_checked = |entry: &Entry| {
        let tables = entry
            .dependencies
            .iter()
            .filter_map(|id| by_id.get(id))
            .filter(|needed| is_relation(needed));
        tables
            .into_iter()
            .all(|table| wanted.contains(&table.dump_id) || is_there(table))
    };
    let left_out: Vec<usize> = toc
        .entries
        .iter()
        .enumerate()
        .filter(|(_, entry)| {
            entry.desc == "FK CONSTRAINT"
                && wanted.contains(&entry.dump_id)
                && !can_be_checked(entry)
        })
        .map(|(index, _)| index)
        .collect();
    let wanted = toc
        .entries
        .iter()
        .enumerate()
        .map(|(index, entry)| wanted.contains(&entry.dump_id) && !left_out.contains(&index))
        .collect();
    Closure { wanted, left_out }
}

/// Whether an entry is a part of, or a note on, something that is wanted.
fn belongs(entry: &Entry, by_id: &HashMap<u32, &Entry>, wanted: &HashSet<u32>) -> bool {
    let mut wanted_needs = entry
        .dependencies
        .iter()
        .filter(|id| wanted.contains(id))
        .filter_map(|id| by_id.get(id).copied());
    let all_wanted = || {
        !entry.dependencies.is_empty() && entry.dependencies.iter().all(|id| wanted.contains(id))
    };
    match entry.desc.as_str() {
        // pg_dump writes the tag of these as the owner's name, a space and their own.
        "DEFAULT" | "CONSTRAINT" | "CHECK CONSTRAINT" | "FK CONSTRAINT" | "TRIGGER" | "RULE"
        | "POLICY" => wanted_needs.any(|owner| {
            namespace(owner) == namespace(entry)
                && tag(entry)
                    .strip_prefix(tag(owner))
                    .is_some_and(|rest| rest.starts_with(' '))
        }),
        "TABLE DATA" | "SEQUENCE SET" | "MATERIALIZED VIEW DATA" => wanted_needs.any(|owner| {
            is_relation(owner) && tag(owner) == tag(entry) && namespace(owner) == namespace(entry)
        }),
        "INDEX" | "STATISTICS" | "ROW SECURITY" | "STATISTICS DATA" => {
            wanted_needs.any(is_relation)
        }
        // Those of identity columns and of serial ones.
        "SEQUENCE" => {
            wanted_needs.any(|owner| owner.desc == "TABLE" || owner.desc == "FOREIGN TABLE")
        }
        "INDEX ATTACH" | "TABLE ATTACH" | "SEQUENCE OWNED BY" | "PUBLICATION TABLE" => all_wanted(),
        // Column privileges depend on those of the table too, which says nothing about the table.
        "ACL" | "COMMENT" | "SECURITY LABEL" => wanted_needs.any(|object| object.desc != "ACL"),
        _ => false,
    }
}
