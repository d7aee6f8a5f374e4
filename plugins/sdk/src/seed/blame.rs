//! Which column it was.

use serde_json::Value as Json;

use super::relation::Relation;
use super::shape::{Row, Shape};
use super::table::Numbered;
use super::transaction::Transaction;
use crate::postgres::quote_identifier;
use crate::{Error, ErrorKind};

/// Whether an error comes from what a row holds: data that does not fit (class 22), constraints (23), triggers (P0).
pub(super) fn is_about_a_row(error: &Error) -> bool {
    error.kind == ErrorKind::Database
        && error.sqlstate.as_deref().is_some_and(|state| {
            ["22", "23", "P0"]
                .iter()
                .any(|class| state.starts_with(class))
        })
}

/// Names the column whose value does not fit its type; other errors name theirs themselves.
pub(super) fn column(
    transaction: &Transaction,
    table: &Relation,
    shape: &Shape,
    row: &Numbered,
    error: Error,
) -> Error {
    for column in &shape.columns {
        let Some(value) = row.row.get(column) else {
            continue;
        };
        let sql = format!(
            "SELECT (pg_catalog.jsonb_populate_record(NULL::{}, $1::text::jsonb)).{} IS NULL AS is_null",
            table.sql,
            quote_identifier(column)
        );
        let alone: Json = Row::from_iter([(column.clone(), value.clone())]).into();
        let tried = transaction.attempt(|| {
            transaction
                .query_one(&sql, &[alone.to_string().into()])
                .map(|_| ())
        });
        if let Err(error) = tried {
            return error.while_doing(format_args!("column {column:?}"));
        }
    }
    error
}
