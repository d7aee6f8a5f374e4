//! What writing rows has changed.

use serde::Serialize;
use serde_json::Value;

use super::shape::Row;

/// Rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Were not there.
    pub inserted: u64,
    /// Were there, and differed.
    pub updated: u64,
    /// Were there as they were to be.
    pub unchanged: u64,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowChange {
    /// Which row it was of those given, from 1.
    pub number: usize,
    /// The row, for people.
    pub row: String,
    /// What became of it.
    pub change: Change,
    /// Of a row that differed: what was changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnChange>,
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It was not there.
    Inserted,
    /// It differed.
    Updated,
    /// It is as it was.
    Unchanged,
}

/// A column of a row that differed, as PostgreSQL prints its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnChange {
    /// Its name.
    pub column: String,
    /// `None` is NULL.
    pub before: Option<String>,
    /// `None` is NULL.
    pub after: Option<String>,
}

/// What a call has written into a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Numbers of rows.
    #[serde(flatten)]
    pub changes: Changes,
    /// Each row, of few; of many those that were changed, and no more than a thousand.
    pub rows: Vec<RowChange>,
    /// What became of each row, in the order in which they were given.
    #[serde(skip)]
    pub each: Vec<Change>,
}

/// Up to so many rows are told one by one, whatever became of them.
const FEW: usize = 100;
/// No more rows than these are told one by one.
const MOST: usize = 1_000;

impl Changes {
    /// Whether nothing was changed.
    pub fn is_nothing(&self) -> bool {
        self.inserted == 0 && self.updated == 0
    }
}

impl std::ops::AddAssign for Changes {
    fn add_assign(&mut self, other: Self) {
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.unchanged += other.unchanged;
    }
}

/// `5 inserted, 1 updated, 2 unchanged`; what there is none of is left out.
impl std::fmt::Display for Changes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = [
            (self.inserted, "inserted"),
            (self.updated, "updated"),
            (self.unchanged, "unchanged"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
        match parts.is_empty() {
            true => formatter.write_str("no rows"),
            false => formatter.write_str(&parts.join(", ")),
        }
    }
}

impl Written {
    /// Of so many rows.
    pub(super) fn of(count: usize) -> Self {
        Self {
            each: vec![Change::Unchanged; count],
            ..Self::default()
        }
    }

    /// Takes a row in.
    pub(super) fn add(&mut self, change: RowChange) {
        match change.change {
            Change::Inserted => self.changes.inserted += 1,
            Change::Updated => self.changes.updated += 1,
            Change::Unchanged => self.changes.unchanged += 1,
        }
        if let Some(each) = self.each.get_mut(change.number.wrapping_sub(1)) {
            *each = change.change;
        }
        let is_told = self.each.len() <= FEW || change.change != Change::Unchanged;
        if is_told && self.rows.len() < MOST {
            self.rows.push(change);
        }
    }
}

/// `Alice Johnson (alice@example.com)`: what a template says (`{name} ({email})`), else the row's name beside what finds it.
pub(super) fn label(row: &Row, template: Option<&str>, key: &[String]) -> String {
    if let Some(template) = template {
        return filled(template, row);
    }
    let keys: Vec<String> = key
        .iter()
        .filter_map(|name| row.get(name))
        .map(shown)
        .collect();
    let keys = keys.join(", ");
    let name = ["name", "title"]
        .iter()
        .filter(|name| !key.iter().any(|key| key == *name))
        .find_map(|name| row.get(*name)?.as_str());
    match name {
        Some(name) => format!("{name} ({keys})"),
        None => keys,
    }
}

fn filled(template: &str, row: &Row) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            text.push('{');
            rest = after;
            continue;
        };
        text.push_str(&row.get(name).map(shown).unwrap_or_default());
        rest = after;
    }
    text + rest
}

/// A value on one line; of an object its values.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(columns) => columns.values().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(row: Value) -> Row {
        row.as_object().expect("an object").clone()
    }

    #[test]
    fn rows_are_called_by_their_names_and_keys() {
        let alice = row(json!({"email": "alice@example.com", "name": "Alice Johnson", "age": 3}));
        let key = ["email".to_owned()];
        assert_eq!(
            label(&alice, None, &key),
            "Alice Johnson (alice@example.com)"
        );
        assert_eq!(
            label(&alice, Some("{name}, {age}{"), &key),
            "Alice Johnson, 3{"
        );
        let booked = row(
            json!({"queue": {"doctor": {"name": "Dr. Smith"}, "date": "2026-01-18"}, "tokenNo": 1}),
        );
        let key = ["queue".to_owned(), "tokenNo".to_owned()];
        assert_eq!(label(&booked, None, &key), "2026-01-18, Dr. Smith, 1");
    }

    #[test]
    fn counts_leave_out_what_there_is_none_of() {
        let mut changes = Changes::default();
        assert_eq!(changes.to_string(), "no rows");
        changes += Changes {
            inserted: 5,
            updated: 0,
            unchanged: 2,
        };
        assert_eq!(changes.to_string(), "5 inserted, 2 unchanged");
        assert!(!changes.is_nothing());
    }

    #[test]
    fn of_many_rows_only_changes_are_told() {
        let mut written = Written::of(2_000);
        for at in 0..2_000 {
            written.add(RowChange {
                number: at + 1,
                row: at.to_string(),
                change: if at < 500 {
                    Change::Unchanged
                } else {
                    Change::Inserted
                },
                columns: Vec::new(),
            });
        }
        assert_eq!(
            (written.changes.inserted, written.changes.unchanged),
            (1_500, 500)
        );
        assert_eq!(
            (written.rows.len(), written.rows[0].row.as_str()),
            (1_000, "500")
        );
        assert_eq!(
            written.each[499..501],
            [Change::Unchanged, Change::Inserted]
        );
    }
}
