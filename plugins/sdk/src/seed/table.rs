//! Rows written into a table, found by their key.

use std::rc::Rc;

use serde::Serialize;
use serde_json::Value as Json;

use super::blame;
use super::bulk::Load;
use super::changes::{Change, Changes, ColumnChange, RowChange, Written, label, shown};
use super::relation::{Column, Relation};
use super::shape::{Row, Shape};
use super::statement::Upsert;
use super::transaction::Transaction;
use crate::files::Folder;
use crate::{Error, ErrorKind};

/// A table of a transaction.
pub struct Table<'a> {
    transaction: &'a Transaction,
    name: String,
    key: Option<Vec<String>>,
    label: Option<String>,
}

/// Rows that one statement carries: enough that the way there and back does not count.
const BATCH_ROWS: usize = 2_000;
/// Bytes of JSON that one statement carries, about: one call carries 8 MiB.
const BATCH_BYTES: usize = 1024 * 1024;

/// What is found out once for all rows of a call.
struct Known {
    relation: Relation,
    /// As rows name it.
    key: Vec<String>,
    /// By what the rows look like.
    shapes: Vec<(String, Rc<Shaped>)>,
}

/// A shape, and what finds its rows.
pub(super) struct Shaped {
    pub shape: Shape,
    /// Columns.
    pub key: Vec<String>,
}

/// A row, and which one it is of the call, from 1.
pub(super) struct Numbered {
    pub number: usize,
    pub row: Row,
}

impl<'a> Table<'a> {
    pub(super) fn new(transaction: &'a Transaction, name: &str) -> Self {
        Self {
            transaction,
            name: name.to_owned(),
            key: None,
            label: None,
        }
    }

    /// What finds a row that is there already: columns, or references by the names that the rows have for them. Left out, the
    /// primary key, or another unique key, whose columns the rows give.
    #[must_use]
    pub fn key<K: Into<String>>(mut self, names: impl IntoIterator<Item = K>) -> Self {
        self.key = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// What a row is called in the log: `{name} ({email})`. Left out, its `name` or `title`, and its key.
    #[must_use]
    pub fn label(mut self, template: &str) -> Self {
        self.label = Some(template.to_owned());
        self
    }

    /// Writes rows: those that are not there are inserted, those that differ updated, the others left alone, also by number (`xmin`).
    /// Columns that a row does not give keep their value, or get their default.
    ///
    /// A row is a struct or a map whose fields are columns. An object stands for a reference by key ([`by`](super::by)), unless the
    /// column takes objects (json, jsonb, a row type). Fails naming the row, and the column where that is known; then the transaction can only be
    /// rolled back.
    pub fn upsert<R: Serialize>(
        &self,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Written, Error> {
        let rows = rows
            .into_iter()
            .enumerate()
            .map(|(at, row)| self.row(at + 1, &row))
            .collect::<Result<Vec<Numbered>, Error>>()?;
        let mut written = Written::of(rows.len());
        let Some(first) = rows.first() else {
            self.transaction.relation(&self.name)?;
            return Ok(written);
        };
        let mut known = self.known(first)?;
        let mut batch: Vec<Numbered> = Vec::new();
        let mut bytes = 0;
        for row in rows {
            bytes += size(&row.row);
            batch.push(row);
            if batch.len() >= BATCH_ROWS || bytes >= BATCH_BYTES {
                self.write(&mut known, &mut batch, &mut written)?;
                bytes = 0;
            }
        }
        self.write(&mut known, &mut batch, &mut written)?;
        written.rows.sort_by_key(|row| row.number);
        if written.changes.inserted > 0 {
            self.advance_sequences(&known)?;
        }
        self.transaction.note(&self.name, written.changes);
        Ok(written)
    }

    /// Writes the rows of a file, CSV with a header or NDJSON (see [`Bulk`](super::Bulk)), by the same rules: for millions of them. A reference
    /// by key is a column `user.email`, or an object. It counts them, and tells none one by one.
    pub fn load(&self, folder: &Folder, path: &str) -> Result<Changes, Error> {
        let relation = self.transaction.relation(&self.name)?;
        let load = Load {
            transaction: self.transaction,
            relation: relation.clone(),
            folder,
            path,
            key: self.key.as_deref(),
        };
        let changes = load.run().map_err(|error| {
            error.while_doing(format_args!("loading {path} into {}", self.name))
        })?;
        if changes.inserted > 0 {
            for column in &relation.columns {
                self.advance(&relation, column)?;
            }
        }
        self.transaction.note(&self.name, changes);
        Ok(changes)
    }

    fn row<R: Serialize>(&self, number: usize, row: &R) -> Result<Numbered, Error> {
        match serde_json::to_value(row) {
            Ok(Json::Object(row)) => Ok(Numbered { number, row }),
            Ok(other) => Err(Error::invalid_input(format!(
                "row {number} of {} is {other}, and not columns with values",
                self.name
            ))),
            Err(error) => Err(Error::invalid_input(format!(
                "row {number} of {}: {error}",
                self.name
            ))),
        }
    }

    fn known(&self, first: &Numbered) -> Result<Known, Error> {
        let relation = self.transaction.relation(&self.name)?;
        let shape = Shape::of(&first.row, &relation, self.transaction)
            .map_err(|error| self.at_row(error, first, self.key.as_deref().unwrap_or_default()))?;
        let key = match &self.key {
            Some(key) if key.is_empty() => {
                return Err(Error::invalid_input(format!(
                    "the key of {} is empty: it names the columns that find a row",
                    self.name
                )));
            }
            Some(key) => key.clone(),
            None => relation
                .keys
                .iter()
                .find(|key| key.iter().all(|column| shape.targets().any(|target| target == column)))
                .cloned()
                .ok_or_else(|| {
                    Error::invalid_input(format!(
                        "the rows of {} give no whole unique key of it, by which they would be found again",
                        self.name
                    ))
                    .hint("name the columns that find a row: key = [\"email\"]")
                })?,
        };
        Ok(Known {
            relation,
            key,
            shapes: Vec::new(),
        })
    }

    /// Writes a batch, one statement for each shape in it.
    fn write(
        &self,
        known: &mut Known,
        batch: &mut Vec<Numbered>,
        written: &mut Written,
    ) -> Result<(), Error> {
        let mut groups: Vec<(Rc<Shaped>, Vec<Numbered>)> = Vec::new();
        for row in batch.drain(..) {
            let shaped = self.shaped(known, &row)?;
            match groups
                .iter_mut()
                .find(|(other, _)| Rc::ptr_eq(other, &shaped))
            {
                Some((_, rows)) => rows.push(row),
                None => groups.push((shaped, vec![row])),
            }
        }
        for (shaped, rows) in groups {
            let changes = self
                .transaction
                .attempt(|| self.write_shaped(known, &shaped, &rows))
                .map_err(|error| self.blame(known, &shaped, &rows, error))?;
            for change in changes {
                written.add(change);
            }
        }
        Ok(())
    }

    /// The statement said what is wrong, and not where: again, one by one.
    fn blame(&self, known: &Known, shaped: &Shaped, rows: &[Numbered], error: Error) -> Error {
        if blame::is_about_a_row(&error) {
            for row in rows {
                let alone = std::slice::from_ref(row);
                let tried = self
                    .transaction
                    .attempt(|| self.write_shaped(known, shaped, alone));
                if let Err(error) = tried {
                    let (relation, shape) = (&known.relation, &shaped.shape);
                    let error = blame::column(self.transaction, relation, shape, row, error);
                    return self.at_row(error, row, &known.key);
                }
            }
        }
        match error.kind {
            ErrorKind::Database => error.while_doing(format_args!("writing into {}", self.name)),
            _ => error,
        }
    }

    fn shaped(&self, known: &mut Known, row: &Numbered) -> Result<Rc<Shaped>, Error> {
        let signature = signature(&row.row);
        let cached = known.shapes.iter().find(|(other, _)| *other == signature);
        if let Some((_, shaped)) = cached {
            return Ok(shaped.clone());
        }
        let shaped = (|| {
            let shape = Shape::of(&row.row, &known.relation, self.transaction)?;
            let key = shape.columns_of(&known.key, &known.relation)?;
            for column in &key {
                let is_null = match shape.columns.contains(column) {
                    true => row.row.get(column).is_none_or(Json::is_null),
                    false => !shape.parents.iter().any(|parent| {
                        parent.by.is_some() && parent.reference.columns.contains(column)
                    }),
                };
                if is_null {
                    return Err(Error::invalid_input(format!(
                        "{column:?} is not given or NULL, and it is part of the key by which the row is found"
                    )));
                }
            }
            Ok(Shaped { shape, key })
        })()
        .map_err(|error| self.at_row(error, row, &known.key))?;
        let alike = known
            .shapes
            .iter()
            .find(|(_, other)| other.shape == shaped.shape);
        let shaped = match alike {
            Some((_, other)) => other.clone(),
            None => Rc::new(shaped),
        };
        known.shapes.push((signature, shaped.clone()));
        Ok(shaped)
    }

    fn write_shaped(
        &self,
        known: &Known,
        shaped: &Shaped,
        rows: &[Numbered],
    ) -> Result<Vec<RowChange>, Error> {
        let upsert = Upsert {
            table: &known.relation,
            shape: &shaped.shape,
            key: &shaped.key,
        };
        let given: Vec<&Row> = rows.iter().map(|row| &row.row).collect();
        let given = serde_json::to_string(&given)?;
        let compared = upsert.compared_columns();
        let mut changes: Vec<RowChange> = Vec::with_capacity(rows.len());
        let answer = self.transaction.query(&upsert.sql(), &[given.into()])?;
        answer.for_each(|answer| {
            let at: usize = usize::try_from(answer.get::<u64>("at")?).unwrap_or(usize::MAX);
            let row = rows
                .get(at.wrapping_sub(1))
                .ok_or_else(|| Error::internal(format!("the server tells of a row {at}")))?;
            missing(&shaped.shape, row, answer.get("found")?)
                .map_err(|error| self.at_row(error, row, &known.key))?;
            let first = usize::try_from(answer.get::<u64>("first")?).unwrap_or(usize::MAX);
            if first != at {
                let other = rows.get(first.wrapping_sub(1)).map_or(0, |row| row.number);
                let error = Error::conflict(format!("row {other} has the same key"));
                return Err(self.at_row(error, row, &known.key));
            }
            if changes.len() >= at {
                let error = Error::conflict("more than one row that is there has this key")
                    .hint("a key has to find one row: name more columns, or make it unique");
                return Err(self.at_row(error, row, &known.key));
            }
            let changed: Vec<String> = list(answer.get("changed")?)?;
            let before: Vec<Option<String>> = list(answer.get("before")?)?;
            let after: Vec<Option<String>> = list(answer.get("after")?)?;
            let columns: Vec<ColumnChange> = compared
                .iter()
                .zip(before.into_iter().zip(after))
                .filter(|(column, _)| changed.iter().any(|name| name == **column))
                .map(|(column, (before, after))| ColumnChange {
                    column: (*column).to_owned(),
                    before,
                    after,
                })
                .collect();
            let change = match (answer.get("present")?, columns.is_empty()) {
                (false, _) => Change::Inserted,
                (true, false) => Change::Updated,
                (true, true) => Change::Unchanged,
            };
            changes.push(RowChange {
                number: row.number,
                row: label(&row.row, self.label.as_deref(), &known.key),
                change,
                columns,
            });
            Ok(())
        })?;
        Ok(changes)
    }

    /// Sequences of columns that the rows have given values themselves.
    fn advance_sequences(&self, known: &Known) -> Result<(), Error> {
        for column in &known.relation.columns {
            let mut shapes = known.shapes.iter();
            if shapes.any(|(_, shaped)| shaped.shape.columns.contains(&column.name)) {
                self.advance(&known.relation, column)?;
            }
        }
        Ok(())
    }

    /// What the sequence of a column gives next has to be beyond what is there.
    fn advance(&self, relation: &Relation, column: &Column) -> Result<(), Error> {
        let Some(sequence) = &column.sequence else {
            return Ok(());
        };
        if self.transaction.is_rehearsal() {
            return Ok(());
        }
        let name = crate::postgres::quote_identifier(&column.name);
        // Looked at before it is set: a number that is set stays, also when the transaction is rolled back.
        let sql = format!(
            "SELECT pg_catalog.setval('{}'::pg_catalog.regclass, m.last) IS NOT NULL AS set \
             FROM (SELECT pg_catalog.max({name}) AS last FROM {}) m, {sequence} s \
             WHERE m.last > CASE WHEN s.is_called THEN s.last_value ELSE s.last_value - 1 END",
            sequence.replace('\'', "''"),
            relation.sql,
        );
        let set = self.transaction.query(&sql, &[])?.first();
        set.map(|_| ()).map_err(|error| {
            error.while_doing(format_args!(
                "setting the sequence {sequence} beyond the rows of {}",
                self.name
            ))
        })
    }

    fn at_row(&self, error: Error, row: &Numbered, key: &[String]) -> Error {
        let name = label(&row.row, self.label.as_deref(), key);
        let name = match name.is_empty() {
            true => String::new(),
            false => format!(" ({name})"),
        };
        error.while_doing(format_args!("row {} of {}{name}", row.number, self.name))
    }
}

/// Fails when a reference has not found exactly one row.
fn missing(shape: &Shape, row: &Numbered, found: Option<&str>) -> Result<(), Error> {
    let found: Vec<u64> = list(found)?;
    let parents = shape.parents.iter().filter(|parent| parent.by.is_some());
    for (parent, found) in parents.zip(found) {
        if found == 1 {
            continue;
        }
        let by = row.row.get(&parent.name).and_then(Json::as_object);
        let by: Vec<String> = by
            .into_iter()
            .flatten()
            .map(|(name, value)| format!("{name} = {}", shown(value)))
            .collect();
        let by = by.join(", ");
        return Err(match found {
            0 => Error::not_found(format!("there is no {} with {by}", parent.table.name)),
            _ => Error::conflict(format!("{found} rows of {} have {by}", parent.table.name)).hint(
                format!(
                    "{} has to name one row: give more of its columns",
                    parent.name
                ),
            ),
        });
    }
    Ok(())
}

fn list<T: serde::de::DeserializeOwned>(json: Option<&str>) -> Result<Vec<T>, Error> {
    match json {
        Some(json) => Ok(serde_json::from_str(json)?),
        None => Ok(Vec::new()),
    }
}

/// What a row looks like: rows that look alike have one shape.
fn signature(row: &Row) -> String {
    let mut text = String::new();
    for (name, value) in row {
        text.push_str(name);
        match value {
            Json::Null => text.push('\u{1}'),
            Json::Object(by) => {
                text.push('\u{2}');
                text.push_str(&signature(by));
                text.push('\u{3}');
            }
            _ => text.push('\u{4}'),
        }
    }
    text
}

/// About how many bytes a row is as JSON.
fn size(row: &Row) -> usize {
    row.iter()
        .map(|(name, value)| {
            name.len()
                + 4
                + match value {
                    Json::String(text) => text.len() + 2,
                    Json::Object(by) => size(by),
                    Json::Array(items) => items.iter().map(|item| item.to_string().len()).sum(),
                    _ => 8,
                }
        })
        .sum()
}
