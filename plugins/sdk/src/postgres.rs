//! PostgreSQL, by the name of a binding: the contract's interface, and rows that read like Rust.

pub use crate::bindings::orchestrator::plugin::postgres::{
    Connection, Isolation, Rows, Scratch, Server, Step, Target, Transaction, TransactionOptions,
    connect, take_scratch,
};
pub use crate::bindings::orchestrator::plugin::types::{Column, RowBatch, Value};

use crate::{Error, FromValue};

/// One row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [Column],
    values: &'a [Value],
}

impl<'a> Row<'a> {
    /// The columns of the query.
    pub fn columns(&self) -> &'a [Column] {
        self.columns
    }

    /// The cells, in the order of the columns.
    pub fn values(&self) -> &'a [Value] {
        self.values
    }

    /// The cell of the first column of that name. Fails with the kind `internal` when there is none, or when the cell is
    /// not what `T` expects (a NULL fits `Option<T>` alone).
    pub fn get<T: FromValue<'a>>(&self, column: &str) -> Result<T, Error> {
        let cell = self
            .columns
            .iter()
            .position(|each| each.name == column)
            .and_then(|index| self.values.get(index));
        let Some(cell) = cell else {
            return Err(Error::internal(format!(
                "the query has no column \"{column}\""
            )));
        };
        T::from_value(cell).map_err(|expected| {
            Error::internal(format!(
                "the column \"{column}\" is not {expected} but {}",
                case(cell)
            ))
        })
    }
}

/// A row that outlives its batch.
#[derive(Clone, Debug)]
pub struct OwnedRow {
    columns: Vec<Column>,
    values: Vec<Value>,
}

impl OwnedRow {
    /// As [`Row::get`].
    pub fn get<'a, T: FromValue<'a>>(&'a self, column: &str) -> Result<T, Error> {
        self.as_row().get(column)
    }

    /// The same row, borrowed.
    pub fn as_row(&self) -> Row<'_> {
        Row {
            columns: &self.columns,
            values: &self.values,
        }
    }
}

impl Rows {
    /// Calls a function with every row that is left, in their order. The first error ends it.
    pub fn for_each(
        &self,
        mut each: impl FnMut(Row<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while let Some(batch) = self.next()? {
            for values in &batch.rows {
                each(Row {
                    columns: &batch.columns,
                    values,
                })?;
            }
        }
        Ok(())
    }

    /// What a function makes of every row that is left, in their order.
    pub fn map<T>(
        &self,
        mut each: impl FnMut(Row<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        self.for_each(|row| {
            all.push(each(row)?);
            Ok(())
        })?;
        Ok(all)
    }

    /// The first row that is left, if there is one; the others are thrown away.
    pub fn first(&self) -> Result<Option<OwnedRow>, Error> {
        while let Some(batch) = self.next()? {
            if let Some(values) = batch.rows.into_iter().next() {
                return Ok(Some(OwnedRow {
                    columns: batch.columns,
                    values,
                }));
            }
        }
        Ok(None)
    }
}

impl Connection {
    /// The first row of a query, outside any transaction. Fails with the kind `not-found` when there is none.
    pub fn query_one(&self, sql: &str, parameters: &[Value]) -> Result<OwnedRow, Error> {
        self.query(sql, parameters)?.first()?.ok_or_else(no_row)
    }
}

impl Transaction {
    /// The first row of a query. Fails with the kind `not-found` when there is none.
    pub fn query_one(&self, sql: &str, parameters: &[Value]) -> Result<OwnedRow, Error> {
        self.query(sql, parameters)?.first()?.ok_or_else(no_row)
    }
}

/// An identifier as SQL wants it, always in double quotes.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string literal as SQL wants it, whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

fn no_row() -> Error {
    Error::not_found("the query gave no row")
}

fn case(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Boolean(_) => "a boolean",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a floating-point number",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
    }
}

#[cfg(test)]
mod tests {
    use super::{Column, Row, Value, quote_identifier, quote_literal};

    #[test]
    fn cells_are_read_by_their_column() {
        let columns = ["relname", "relpages"].map(|name| Column {
            name: name.to_owned(),
            type_name: "name".to_owned(),
        });
        let values = ["User".into(), Value::Null];
        let row = Row {
            columns: &columns,
            values: &values,
        };
        assert_eq!(row.get::<&str>("relname").unwrap(), "User");
        assert_eq!(row.get::<Option<i64>>("relpages").unwrap(), None);
        assert_eq!(
            row.get::<i64>("relpages").unwrap_err().message,
            "the column \"relpages\" is not an integer but NULL"
        );
        assert_eq!(
            row.get::<i64>("oid").unwrap_err().message,
            "the query has no column \"oid\""
        );
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quote_identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote_literal("it's"), "'it''s'");
        assert_eq!(quote_literal("a\\'b"), " E'a\\\\''b'");
    }
}
