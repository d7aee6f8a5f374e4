//! What sets have written, and how it is told.

use orchestrator_sdk::seed::{self, RowChange};
use serde::Serialize;

/// What a set has done.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// Its name.
    pub set: String,
    /// In the order in which they were written.
    pub tables: Vec<TableWritten>,
}

/// What was done to a table.
#[derive(Clone, Debug, Serialize)]
pub struct TableWritten {
    /// Its name.
    pub table: String,
    /// Numbers of rows.
    #[serde(flatten)]
    pub changes: Changes,
    /// Rows that are told one by one: of declared sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowChange>,
}

/// Rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Were not there.
    pub inserted: u64,
    /// Were there, and were changed.
    pub updated: u64,
    /// Were there as they were to be. Nobody knows that of a script.
    pub unchanged: u64,
    /// Are gone: scripts do that.
    pub deleted: u64,
}

impl From<seed::Changes> for Changes {
    fn from(changes: seed::Changes) -> Self {
        Self {
            inserted: changes.inserted,
            updated: changes.updated,
            unchanged: changes.unchanged,
            deleted: 0,
        }
    }
}

/// By table, over all sets, in the order in which they were written.
pub fn totals(written: &[Written]) -> Vec<(&str, Changes)> {
    let mut totals: Vec<(&str, Changes)> = Vec::new();
    for table in written.iter().flat_map(|set| &set.tables) {
        let at = totals.iter().position(|(name, _)| *name == table.table);
        let at = at.unwrap_or_else(|| {
            totals.push((&table.table, Changes::default()));
            totals.len() - 1
        });
        let total = &mut totals[at].1;
        total.inserted += table.changes.inserted;
        total.updated += table.changes.updated;
        total.unchanged += table.changes.unchanged;
        total.deleted += table.changes.deleted;
    }
    totals
}

/// `User: 5 inserted · Doctor: 1 updated, 3 unchanged`
pub fn summary(totals: &[(&str, Changes)]) -> String {
    let tables = totals.iter().map(|(table, changes)| {
        let counts = [
            (changes.inserted, "inserted"),
            (changes.updated, "updated"),
            (changes.deleted, "deleted"),
            (changes.unchanged, "unchanged"),
        ];
        let told: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        match told.is_empty() {
            true => format!("{table}: no rows"),
            false => format!("{table}: {}", told.join(", ")),
        }
    });
    let tables: Vec<String> = tables.collect();
    match tables.is_empty() {
        true => "nothing to change".to_owned(),
        false => tables.join(" · "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_summed_over_all_sets() {
        let set = |inserted, updated| Written {
            set: "a".into(),
            tables: vec![TableWritten {
                table: "User".into(),
                changes: Changes {
                    inserted,
                    updated,
                    unchanged: 1,
                    deleted: 0,
                },
                rows: Vec::new(),
            }],
        };
        assert_eq!(
            summary(&totals(&[set(5, 0), set(1, 2)])),
            "User: 6 inserted, 2 updated, 2 unchanged"
        );
        assert_eq!(summary(&totals(&[])), "nothing to change");
    }
}
