//! The rows of a query, in batches of bounded size.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use tokio::sync::OwnedMutexGuard;
use tokio_postgres::RowStream;

use super::sessions::{Lane, Link};
use super::v0_1_0::orchestrator::plugin::types::{Column, RowBatch, Value};
use super::values::{Cell, Parameter};
use crate::failure::{Failure, FailureKind};

/// About this much goes to the plugin at once; a single larger row goes alone.
const BATCH_BYTES: usize = 128 * 1024;
/// And no more rows than these.
const BATCH_ROWS: usize = 2_000;

/// What a plugin holds as `rows`.
pub struct RowCursor {
    pub(super) columns: Vec<Column>,
    rows: Option<Pin<Box<RowStream>>>,
    turn: Option<OwnedMutexGuard<()>>,
    open: Arc<AtomicBool>,
    link: Arc<Link>,
}

impl RowCursor {
    /// Runs one statement by the extended protocol.
    pub(super) async fn open(
        link: Arc<Link>,
        lane: &Lane,
        turn: OwnedMutexGuard<()>,
        sql: &str,
        parameters: Vec<Value>,
    ) -> Result<Self, Failure> {
        let statement = link.run(link.client().prepare(sql)).await?;
        check_count(statement.params().len(), parameters.len())?;
        let columns = statement
            .columns()
            .iter()
            .map(|column| Column {
                name: column.name().to_owned(),
                type_name: column.type_().name().to_owned(),
            })
            .collect();
        let parameters = parameters
            .into_iter()
            .map(Parameter::from)
            .collect::<Vec<_>>();
        let rows = link
            .run(link.client().query_raw(&statement, parameters))
            .await?;
        lane.rows_open.store(true, Ordering::SeqCst);
        Ok(Self {
            columns,
            rows: Some(Box::pin(rows)),
            turn: Some(turn),
            open: lane.rows_open.clone(),
            link,
        })
    }

    /// `None` after the last batch.
    pub(super) async fn next(&mut self) -> Result<Option<RowBatch>, Failure> {
        let Some(stream) = &mut self.rows else {
            return Ok(None);
        };
        let mut batch = RowBatch {
            columns: self.columns.clone(),
            rows: Vec::new(),
        };
        let mut bytes = 0;
        while bytes < BATCH_BYTES && batch.rows.len() < BATCH_ROWS {
            match stream.next().await {
                Some(Ok(row)) => {
                    let mut values = Vec::with_capacity(row.len());
                    for index in 0..row.len() {
                        let Cell(value) = row
                            .try_get(index)
                            .map_err(|error| unreadable(&self.columns[index], &error))?;
                        bytes += weight(&value);
                        values.push(value);
                    }
                    batch.rows.push(values);
                }
                Some(Err(error)) => {
                    self.close();
                    return Err(self.link.failure(error));
                }
                None => {
                    self.close();
                    break;
                }
            }
        }
        Ok((!batch.rows.is_empty()).then_some(batch))
    }

    fn close(&mut self) {
        self.rows = None;
        self.open.store(false, Ordering::SeqCst);
        self.turn = None;
    }
}

impl Drop for RowCursor {
    fn drop(&mut self) {
        self.close();
    }
}

fn unreadable(column: &Column, error: &tokio_postgres::Error) -> Failure {
    let cause =
        std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    Failure::new(
        FailureKind::Unsupported,
        format!("column {}: {cause}", column.name),
    )
}

fn weight(value: &Value) -> usize {
    16 + match value {
        Value::Text(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

pub(super) fn check_count(expected: usize, given: usize) -> Result<(), Failure> {
    if expected == given {
        return Ok(());
    }
    Err(Failure::invalid_input(format!(
        "the statement has {expected} parameters, and {given} were given"
    )))
}
