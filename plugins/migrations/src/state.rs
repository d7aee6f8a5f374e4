//! Where each migration stands: what the folder and the history say together.

use std::collections::BTreeMap;

use crate::checksum;
use crate::folder::{Folder, Migration};
use crate::history::Row;

/// One migration, in the folder or in the history or in both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Applied, and the file is as it was.
    Applied,
    /// Applied, and the file is another by now. Prisma says nothing of it.
    Edited,
    /// Applied, and no longer in the folder. Prisma says nothing of it.
    Missing,
    /// Begun, and neither ended nor given up.
    Failed,
    /// Not applied yet.
    Pending {
        /// An earlier attempt has failed and was given up.
        was_rolled_back: bool,
        /// A migration of a later name is applied already.
        is_out_of_order: bool,
    },
}

/// All migrations, in the order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// By name.
    pub migrations: BTreeMap<String, Known>,
}

/// What is known of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Where it stands.
    pub standing: Standing,
    /// The row that says so; the newest one of its kind.
    pub row: Option<Row>,
}

impl State {
    /// Compares a folder with a history. `rows` are in the order in which they were begun.
    pub fn of(folder: &Folder, rows: &[Row]) -> State {
        let mut by_name: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            by_name.entry(&row.migration_name).or_default().push(row);
        }
        let newest_applied = by_name
            .iter()
            .filter(|(_, rows)| rows.iter().any(|row| row.is_applied()))
            .map(|(name, _)| *name)
            .next_back();
        let mut migrations: BTreeMap<String, Known> = BTreeMap::new();
        for migration in &folder.migrations {
            let rows = by_name.remove(migration.name.as_str()).unwrap_or_default();
            let known = standing(migration, &rows).unwrap_or_else(|| Known {
                standing: Standing::Pending {
                    was_rolled_back: !rows.is_empty(),
                    is_out_of_order: newest_applied
                        .is_some_and(|newest| newest > migration.name.as_str()),
                },
                row: rows.last().map(|row| (*row).clone()),
            });
            migrations.insert(migration.name.clone(), known);
        }
        for (name, rows) in by_name {
            let failed = last(&rows, Row::is_failed).map(|row| (Standing::Failed, row));
            let applied = last(&rows, Row::is_applied).map(|row| (Standing::Missing, row));
            // What was given up and is gone from the folder is nobody's concern.
            if let Some((standing, row)) = failed.or(applied) {
                let row = Some(row.clone());
                migrations.insert(name.to_owned(), Known { standing, row });
            }
        }
        State { migrations }
    }

    /// The names of the migrations that stand like this, in their order.
    pub fn names(&self, is: impl Fn(&Standing) -> bool) -> Vec<&str> {
        let those = self
            .migrations
            .iter()
            .filter(|(_, known)| is(&known.standing));
        those.map(|(name, _)| name.as_str()).collect()
    }

    /// What is not applied yet.
    pub fn pending(&self) -> Vec<&str> {
        self.names(|standing| matches!(standing, Standing::Pending { .. }))
    }
}

/// Where a migration of the folder stands that is not pending.
fn standing(migration: &Migration, rows: &[&Row]) -> Option<Known> {
    if let Some(row) = last(rows, Row::is_failed) {
        return Some(Known {
            standing: Standing::Failed,
            row: Some(row.clone()),
        });
    }
    let row = last(rows, Row::is_applied)?;
    let script = migration.script.as_deref();
    let is_same = script.is_some_and(|script| checksum::is_of(&row.checksum, script));
    Some(Known {
        standing: match (is_same, script) {
            (true, _) => Standing::Applied,
            (false, Some(_)) => Standing::Edited,
            (false, None) => Standing::Missing,
        },
        row: Some(row.clone()),
    })
}

fn last<'a>(rows: &[&'a Row], is: fn(&Row) -> bool) -> Option<&'a Row> {
    rows.iter().rev().copied().find(|row| is(row))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn folder(names: &[&str]) -> Folder {
        let migration = |name: &&str| Migration {
            name: (*name).to_owned(),
            script: Some(format!("SELECT '{name}';\n")),
            down: None,
        };
        Folder::new(names.iter().map(migration).collect(), None)
    }

    /// As a deployment leaves it.
    pub(crate) fn applied(name: &str) -> Row {
        Row {
            id: format!("id of {name}"),
            checksum: checksum::of(&format!("SELECT '{name}';\n")),
            finished_at: Some("2026-01-17 12:00:00+00".to_owned()),
            migration_name: name.to_owned(),
            started_at: "2026-01-17 11:59:59+00".to_owned(),
            applied_steps_count: 1,
            ..Row::default()
        }
    }

    /// As a deployment leaves it that did not succeed.
    pub(crate) fn failed(name: &str) -> Row {
        Row {
            finished_at: None,
            logs: Some("ERROR: no".to_owned()),
            applied_steps_count: 0,
            ..applied(name)
        }
    }

    pub(crate) fn given_up(name: &str) -> Row {
        Row {
            rolled_back_at: Some("2026-01-17 12:30:00+00".to_owned()),
            ..failed(name)
        }
    }

    fn standing_of(state: &State, name: &str) -> Standing {
        state.migrations[name].standing.clone()
    }

    #[test]
    fn folder_and_history_together_say_where_a_migration_stands() {
        let mut edited = applied("2_edited");
        edited.checksum = checksum::of("something else");
        let rows = [
            applied("1_applied"),
            edited,
            applied("3_missing"),
            given_up("4_again"),
            applied("4_again"),
            given_up("5_given_up"),
            given_up("6_gone"),
            failed("7_failed"),
        ];
        let folder = folder(&[
            "1_applied",
            "2_edited",
            "4_again",
            "5_given_up",
            "7_failed",
            "8_new",
        ]);
        let state = State::of(&folder, &rows);
        let expected = [
            ("1_applied", Standing::Applied),
            ("2_edited", Standing::Edited),
            ("3_missing", Standing::Missing),
            ("4_again", Standing::Applied),
            (
                "5_given_up",
                Standing::Pending {
                    was_rolled_back: true,
                    is_out_of_order: false,
                },
            ),
            ("7_failed", Standing::Failed),
            (
                "8_new",
                Standing::Pending {
                    was_rolled_back: false,
                    is_out_of_order: false,
                },
            ),
        ];
        for (name, standing) in &expected {
            assert_eq!(standing_of(&state, name), *standing, "{name}");
        }
        assert_eq!(state.migrations.len(), expected.len());
        assert_eq!(state.pending(), ["5_given_up", "8_new"]);
    }

    #[test]
    fn what_comes_before_an_applied_one_is_out_of_order() {
        let state = State::of(&folder(&["1", "2", "3"]), &[applied("2")]);
        let out_of_order = |name| {
            matches!(
                standing_of(&state, name),
                Standing::Pending {
                    is_out_of_order: true,
                    ..
                }
            )
        };
        assert!(out_of_order("1"));
        assert!(!out_of_order("3"));
    }

    #[test]
    fn a_failed_attempt_counts_although_an_earlier_one_was_given_up() {
        let rows = [given_up("1"), failed("1")];
        assert_eq!(
            standing_of(&State::of(&folder(&["1"]), &rows), "1"),
            Standing::Failed
        );
    }
}
