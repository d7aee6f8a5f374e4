//! Statements and copies that run one after another in the background.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::TryStreamExt;
use futures_util::future::join;
use tokio_postgres::SimpleQueryMessage;

use super::sessions::{Lane, Link, copy_in, write_large_object};
use crate::failure::{Failure, FailureKind};
use crate::transfer::{Receipt, Source};

/// One step of a script, with its stream already taken from the plugin.
pub(super) enum Step {
    Statement(String),
    CopyIn(String, Source),
    WriteLargeObject(u32, Source),
}

/// Steps whose bytes are fetched and decompressed at the same time: the one that is loaded, and the one after it.
const READ_AHEAD: usize = 2;

/// The statements that no stream belongs to.
pub(super) fn texts(steps: &[Step]) -> impl Iterator<Item = &str> {
    steps.iter().filter_map(|step| match step {
        Step::Statement(sql) => Some(sql.as_str()),
        Step::CopyIn(..) | Step::WriteLargeObject(..) => None,
    })
}

impl Step {
    fn read_ahead(&mut self) {
        if let Self::CopyIn(_, source) | Self::WriteLargeObject(_, source) = self {
            let nothing = Source::from_bytes(bytes::Bytes::new());
            *source = std::mem::replace(source, nothing).ahead();
        }
    }
}

/// When the transaction began, to the microsecond: no statement can set it, and every later transaction has another.
pub(super) const MARK_QUERY: &str = "SELECT pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.transaction_timestamp()), 'hex')";

/// What the server answers to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark(Option<String>);

impl Mark {
    /// Of the last row of the answers.
    pub fn of(answers: &[SimpleQueryMessage]) -> Self {
        let rows = answers.iter().filter_map(|answer| match answer {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Self(rows.last().map(str::to_owned))
    }

    /// Fails when the transaction that a script began in is not the one that is open.
    fn check(&self, answers: &[SimpleQueryMessage]) -> Result<(), Failure> {
        match self.0.is_some() && Self::of(answers) == *self {
            true => Ok(()),
            false => Err(Failure::new(
                FailureKind::Refused,
                "a statement of an atomic script ended its transaction",
            )),
        }
    }
}

/// Runs the steps; the first failure ends the script, and an atomic one leaves nothing behind.
pub(super) async fn run(
    link: Arc<Link>,
    steps: Vec<Step>,
    atomic: bool,
) -> Result<Receipt, Failure> {
    let _turn = link.enter().await?;
    if !atomic {
        return run_steps(&link, steps).await;
    }
    let begin = format!("BEGIN; {MARK_QUERY}");
    let mark = Mark::of(&link.run(link.client().simple_query(&begin)).await?);
    let done = async {
        let receipt = run_steps(&link, steps).await?;
        commit(&link, &mark).await?;
        Ok(receipt)
    };
    match done.await {
        Ok(receipt) => Ok(receipt),
        Err(failure) => {
            // The first failure is the one to tell; a rollback fails only where the connection is gone.
            if let Err(second) = link.run(link.client().batch_execute("ROLLBACK")).await {
                tracing::debug!("rolling back: {second}");
            }
            Err(failure)
        }
    }
}

/// Runs the steps within an open transaction, which stays open.
pub(super) async fn run_within(
    link: Arc<Link>,
    lane: Arc<Lane>,
    mark: Mark,
    steps: Vec<Step>,
) -> Result<Receipt, Failure> {
    let _turn = lane.enter().await?;
    if let [Step::Statement(sql)] = &steps[..] {
        // Both are sent at once: a migration of a thousand small statements waits half as often.
        let (rows, answers) = link
            .run(async {
                let (rows, answers) =
                    join(affected(&link, sql), link.client().simple_query(MARK_QUERY)).await;
                Ok((rows?, answers))
            })
            .await?;
        mark.check(&answers?)?;
        return Ok(Receipt {
            rows: Some(rows),
            steps: vec![rows],
            ..Receipt::default()
        });
    }
    let receipt = run_steps(&link, steps).await?;
    check_mark(&link, &mark).await?;
    Ok(receipt)
}

async fn commit(link: &Arc<Link>, mark: &Mark) -> Result<(), Failure> {
    check_mark(link, mark).await?;
    link.run(link.client().batch_execute("COMMIT")).await
}

async fn check_mark(link: &Arc<Link>, mark: &Mark) -> Result<(), Failure> {
    mark.check(&link.run(link.client().simple_query(MARK_QUERY)).await?)
}

async fn run_steps(link: &Arc<Link>, steps: Vec<Step>) -> Result<Receipt, Failure> {
    let mut receipt = Receipt::default();
    let mut total = 0;
    let mut steps: VecDeque<Step> = steps.into();
    let mut begun = 0;
    loop {
        // The bytes of the next step come while those of this one are loaded.
        while begun < READ_AHEAD
            && let Some(step) = steps.get_mut(begun)
        {
            step.read_ahead();
            begun += 1;
        }
        let Some(step) = steps.pop_front() else {
            break;
        };
        begun -= 1;
        let rows = match step {
            Step::Statement(sql) => link.run(affected(link, &sql)).await?,
            Step::CopyIn(sql, source) => {
                let meter = source.meter();
                let rows = copy_in(link, &sql, source).await?;
                receipt.plain_bytes += meter.plain_bytes();
                rows
            }
            Step::WriteLargeObject(oid, source) => {
                receipt.plain_bytes += write_large_object(link, oid, source).await?;
                0
            }
        };
        total += rows;
        receipt.steps.push(rows);
    }
    receipt.rows = Some(total);
    Ok(receipt)
}

/// The rows that the command tags report; rows that a statement returns are passed over.
async fn affected(link: &Arc<Link>, sql: &str) -> Result<u64, tokio_postgres::Error> {
    link.client()
        .simple_query_raw(sql)
        .await?
        .try_fold(0, |total, message| async move {
            Ok(match message {
                SimpleQueryMessage::CommandComplete(rows) => total + rows,
                _ => total,
            })
        })
        .await
}
