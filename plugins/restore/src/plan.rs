//! The chosen entries by phase, each phase in the order in which it is applied (`restore_toc_entries_prefork`,
//! `fix_dependencies` and `identify_locking_dependencies` in `pg_backup_archiver.c`).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use archive::{Entry, Section, Toc};
use serde_json::{Value, json};

use crate::entries::{Pass, describe, is_setting, namespace, object, pass, tag};
use crate::schedule::Task;
use crate::selection::Selection;
use crate::target::TableName;

/// What is done, in this order. Indices are those of the archive's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The database itself and its settings.
    pub database: Vec<usize>,
    /// One after another, before the data.
    pub pre_data: Vec<usize>,
    /// Rows, the largest table first.
    pub tables: Vec<usize>,
    /// Groups of large objects' bytes.
    pub large_objects: Vec<usize>,
    /// Values of sequences, and other statements that count as data.
    pub sequences: Vec<usize>,
    /// At the same time, as far as dependencies and locks allow.
    pub post_data: Vec<usize>,
    /// Privileges.
    pub privileges: Vec<usize>,
    /// Event triggers and materialized views.
    pub last: Vec<usize>,
    /// The rows to merge into the target's deployment log.
    pub deployment_log: Option<usize>,
}

impl Plan {
    /// Sorts what was chosen into phases. `size` gives the bytes of a table's rows, by the dump id of their entry.
    pub fn new(
        toc: &Toc,
        selection: &Selection,
        target_version: u32,
        size: &dyn Fn(u32) -> u64,
    ) -> Plan {
        let mut plan = Plan {
            deployment_log: selection.deployment_log,
            ..Plan::default()
        };
        let mut in_pre_data = true;
        for (index, entry) in toc.entries.iter().enumerate() {
            in_pre_data &= !matches!(entry.section, Section::Data | Section::PostData);
            let too_new = entry.desc == "STATISTICS DATA" && target_version < 180_000;
            if !selection.any(index) || is_setting(entry) || too_new {
                continue;
            }
            let phase = match (entry.desc.as_str(), pass(entry), entry.section) {
                ("DATABASE" | "DATABASE PROPERTIES", _, _) => &mut plan.database,
                (_, Pass::Privileges, _) => &mut plan.privileges,
                (_, Pass::Last, _) => &mut plan.last,
                ("TABLE DATA", _, _) => &mut plan.tables,
                ("BLOBS", _, _) => &mut plan.large_objects,
                // Creates the large objects that BLOBS fills.
                ("BLOB METADATA", _, _) => &mut plan.pre_data,
                (_, _, Section::PreData) => &mut plan.pre_data,
                (_, _, Section::Data) => &mut plan.sequences,
                (_, _, Section::None) if in_pre_data => &mut plan.pre_data,
                _ => &mut plan.post_data,
            };
            phase.push(index);
        }
        plan.tables
            .sort_by_key(|index| Reverse(size(toc.entries[*index].dump_id)));
        plan
    }

    /// The tasks of the phase after the data. Entries that are not restored stay in it as links between others.
    pub fn post_data_tasks(&self, toc: &Toc, size: &dyn Fn(u32) -> u64) -> Vec<Task> {
        let work: BTreeSet<usize> = self.post_data.iter().copied().collect();
        let by_id: HashMap<u32, &Entry> = toc
            .entries
            .iter()
            .map(|entry| (entry.dump_id, entry))
            .collect();
        let rows_of: HashMap<u32, u32> = toc
            .entries
            .iter()
            .filter(|entry| entry.desc == "TABLE DATA")
            .flat_map(|data| data.dependencies.iter().map(|table| (*table, data.dump_id)))
            .collect();
        let table_of = |id: &u32| match by_id.get(id)?.desc.as_str() {
            "TABLE" => Some(*id),
            "TABLE DATA" => by_id[id].dependencies.first().copied(),
            _ => None,
        };
        let waits = |(index, entry): &(usize, &Entry)| {
            work.contains(index) || pass(entry) == Pass::Main && entry.section == Section::PostData
        };
        toc.entries
            .iter()
            .enumerate()
            .filter(waits)
            .map(|(index, entry)| {
                let uses: Vec<u32> = entry.dependencies.iter().filter_map(table_of).collect();
                let sizes = uses
                    .iter()
                    .filter_map(|table| rows_of.get(table))
                    .map(|data| size(*data));
                Task {
                    id: entry.dump_id,
                    dependencies: entry.dependencies.clone(),
                    size: sizes.max().unwrap_or_default(),
                    exclusive: entry.section == Section::PostData && entry.desc != "INDEX",
                    only_a_link: !work.contains(&index),
                    uses,
                }
            })
            .collect()
    }

    /// The tasks that load rows. Where data alone is restored, tables wait for those that their foreign keys refer to.
    pub fn table_tasks(
        &self,
        toc: &Toc,
        references: &[(TableName, TableName)],
        size: &dyn Fn(u32) -> u64,
    ) -> Vec<Task> {
        let name = |entry: &Entry| (namespace(entry).to_owned(), tag(entry).to_owned());
        let loaded: HashMap<TableName, u32> = self
            .tables
            .iter()
            .map(|index| (name(&toc.entries[*index]), toc.entries[*index].dump_id))
            .collect();
        let mut dependencies: HashMap<u32, Vec<u32>> = HashMap::new();
        for (table, referenced) in references {
            if let (Some(table), Some(referenced)) = (loaded.get(table), loaded.get(referenced)) {
                dependencies.entry(*table).or_default().push(*referenced);
            }
        }
        let task = |index: &usize| {
            let id = toc.entries[*index].dump_id;
            Task {
                id,
                dependencies: dependencies.remove(&id).unwrap_or_default(),
                size: size(id),
                ..Task::default()
            }
        };
        self.tables.iter().map(task).collect()
    }

    /// Dump ids of tables that this plan creates itself, so that their rows need no log of their own.
    pub fn created_tables(&self, toc: &Toc) -> BTreeSet<u32> {
        let entries = self.pre_data.iter().map(|index| &toc.entries[*index]);
        entries
            .filter(|entry| entry.desc == "TABLE")
            .map(|entry| entry.dump_id)
            .collect()
    }

    /// Dump ids of tables whose rows are worth keeping in their order: those that were clustered, and those with a BRIN index,
    /// which is as good as neighbours are alike.
    pub fn ordered_tables(&self, toc: &Toc) -> BTreeSet<u32> {
        let keeps_order = |entry: &&Entry| {
            let definition = entry.definition.as_deref().unwrap_or_default();
            entry.section == Section::PostData
                && (definition.contains(" USING brin ") || definition.contains(" CLUSTER ON "))
        };
        let entries = self.post_data.iter().map(|index| &toc.entries[*index]);
        entries
            .filter(keeps_order)
            .flat_map(|entry| entry.dependencies.iter().copied())
            .collect()
    }

    /// Entries that create objects, in the order in which they have to be dropped again.
    pub fn dropped<'a>(&self, toc: &'a Toc) -> Vec<&'a Entry> {
        let mut indices: Vec<usize> = [&self.pre_data, &self.post_data, &self.last]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        indices.sort_unstable_by_key(|index| Reverse(*index));
        indices
            .into_iter()
            .map(|index| &toc.entries[index])
            .collect()
    }

    /// For a dry run: names by phase, with what is known of the data.
    pub fn describe(&self, toc: &Toc, rows_and_bytes: &dyn Fn(&Entry) -> (u64, u64)) -> Value {
        let names = |indices: &[usize]| -> Vec<String> {
            indices
                .iter()
                .map(|index| describe(&toc.entries[*index]))
                .collect()
        };
        let tables: Vec<Value> = self
            .tables
            .iter()
            .map(|index| {
                let entry = &toc.entries[*index];
                let (rows, bytes) = rows_and_bytes(entry);
                json!({ "table": format!("{}.{}", namespace(entry), tag(entry)), "rows": rows, "bytes": bytes })
            })
            .collect();
        let schemas = self
            .pre_data
            .iter()
            .filter_map(|index| object(&toc.entries[*index]))
            .count();
        json!({
            "database": names(&self.database),
            "pre_data": names(&self.pre_data),
            "tables": tables,
            "large_objects": names(&self.large_objects),
            "sequences": names(&self.sequences),
            "post_data": names(&self.post_data),
            "privileges": names(&self.privileges),
            "last": names(&self.last),
            "objects_created": schemas,
            "deployment_log": if self.deployment_log.is_some() { "merged" } else { "as the backup has it" },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::entries::tests::entry;
    use crate::schedule::Schedule;
    use crate::selection::select;
    use crate::selection::tests::{parameters, toc};

    fn plan(toc: &Toc) -> Plan {
        let selection = select(toc, &parameters(), &BTreeSet::new()).unwrap();
        Plan::new(toc, &selection, 150_018, &|id| u64::from(id == 32) * 100)
    }

    fn ids(toc: &Toc, indices: &[usize]) -> Vec<u32> {
        indices
            .iter()
            .map(|index| toc.entries[*index].dump_id)
            .collect()
    }

    #[test]
    fn entries_are_sorted_into_phases() {
        let mut toc = toc();
        toc.entries
            .push(entry(50, "COMMENT", "public", "INDEX orders_user", &[42]));
        toc.entries
            .push(entry(51, "MATERIALIZED VIEW DATA", "public", "totals", &[]));
        toc.entries
            .push(entry(52, "EVENT TRIGGER", "", "audit", &[]));
        let plan = plan(&toc);
        assert_eq!(
            ids(&toc, &plan.pre_data),
            [5, 6, 10, 11, 20, 21, 23, 24, 25, 26]
        );
        assert_eq!(ids(&toc, &plan.tables), [32, 30, 31]);
        assert_eq!(ids(&toc, &plan.sequences), [33]);
        assert_eq!(ids(&toc, &plan.post_data), [40, 41, 42, 43, 44, 50]);
        assert_eq!(ids(&toc, &plan.privileges), [22]);
        assert_eq!(ids(&toc, &plan.last), [51, 52]);
        assert_eq!(plan.created_tables(&toc), [20, 21, 25].into());
        assert_eq!(plan.dropped(&toc)[0].dump_id, 52);
    }

    #[test]
    fn constraints_keep_their_tables_to_themselves_and_foreign_keys_come_last() {
        let toc = toc();
        let tasks = plan(&toc).post_data_tasks(&toc, &|id| u64::from(id == 32) * 100);
        let mut schedule = Schedule::new(tasks);
        let begun: Vec<u32> = std::iter::from_fn(|| schedule.begin()).collect();
        // The index of the largest table first; the trigger shares `users` with its primary key.
        assert_eq!(begun, [42, 40, 41]);
        schedule.finish(41);
        assert_eq!(schedule.begin(), Some(43));
        schedule.finish(43);
        assert_eq!(schedule.begin(), None);
        schedule.finish(42);
        assert_eq!(schedule.begin(), Some(44));
    }

    #[test]
    fn data_alone_follows_the_foreign_keys_of_the_target() {
        let toc = toc();
        let table = |name: &str| ("public".to_owned(), name.to_owned());
        let references = [
            (table("orders"), table("users")),
            (table("users"), table("elsewhere")),
        ];
        let mut schedule = Schedule::new(plan(&toc).table_tasks(&toc, &references, &|_| 0));
        assert_eq!(schedule.begin(), Some(30));
        assert_eq!(schedule.begin(), Some(31));
        assert_eq!(schedule.begin(), None);
        schedule.finish(31);
        assert_eq!(schedule.begin(), Some(32));
    }
}
