//! One session on a server, and the one thing at a time that it does.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, stream};
use manifest::Access;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::scripts::{MARK_QUERY, Mark};
use crate::database::{self, Connection, ConnectionSettings, DatabaseErrorKind, End};
use crate::failure::{Failure, FailureKind, SERVER_GONE};
use crate::transfer::source::Chunks;
use crate::transfer::{Source, Tasks, Turn};

/// What a plugin holds as a `connection`.
pub struct Session {
    pub(super) link: Arc<Link>,
    pub(super) access: Access,
    pub(super) server: Server,
}

/// What the server says about itself.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub version: u32,
    pub version_text: String,
    pub database: String,
    pub bound_database: String,
    /// Of the binding's URL.
    pub schema: Option<String>,
    pub user: String,
    pub in_recovery: bool,
    pub is_superuser: bool,
}

/// Who may use a session just now: PostgreSQL does one thing at a time on each.
#[derive(Default)]
pub(super) struct Lane {
    queue: Arc<Mutex<()>>,
    /// A query whose rows have not all been read: waiting for it would wait for the plugin itself.
    pub rows_open: Arc<AtomicBool>,
}

impl Lane {
    pub async fn enter(&self) -> Result<OwnedMutexGuard<()>, Failure> {
        if self.rows_open.load(Ordering::SeqCst) {
            return Err(Failure::conflict(
                "the rows of an earlier query on this connection are still open",
            )
            .hint("read them to the end or drop them first"));
        }
        Ok(self.queue.clone().lock_owned().await)
    }

    fn queue(&self) -> Arc<Mutex<()>> {
        self.queue.clone()
    }
}

/// A connection that several parts of a step share.
pub(super) struct Link {
    connection: Connection,
    pub lane: Lane,
    in_transaction: AtomicBool,
    /// A statement was cut: the connection is in an unknown state and is not used again.
    cut: AtomicBool,
    tasks: Arc<Tasks>,
    count: Arc<AtomicUsize>,
    /// Once the server has said which one it is.
    backend: OnceLock<Backend>,
}

/// The process that serves a session.
#[derive(Clone)]
struct Backend {
    process: i32,
    settings: ConnectionSettings,
}

impl Link {
    pub fn new(connection: Connection, tasks: Arc<Tasks>, count: Arc<AtomicUsize>) -> Arc<Self> {
        count.fetch_add(1, Ordering::SeqCst);
        Arc::new(Self {
            connection,
            lane: Lane::default(),
            in_transaction: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            tasks,
            count,
            backend: OnceLock::new(),
        })
    }

    /// The server's process of this session, and how to reach it from another one.
    pub fn served_by(&self, process: i32, settings: &ConnectionSettings) {
        let settings = settings.clone();
        let _ = self.backend.set(Backend { process, settings });
    }

    /// An error of a statement, or of what ended its session.
    pub fn failure(&self, error: tokio_postgres::Error) -> Failure {
        let end = self.connection.end();
        match end.reason() {
            Some(reason) if error.is_closed() && reason.kind == DatabaseErrorKind::TooLong => {
                reason.clone().into()
            }
            _ => error.into(),
        }
    }

    pub fn client(&self) -> &tokio_postgres::Client {
        &self.connection.client
    }

    /// Enters the session's own lane; a live transaction keeps it to itself.
    pub async fn enter(self: &Arc<Self>) -> Result<OwnedMutexGuard<()>, Failure> {
        if self.in_transaction.load(Ordering::SeqCst) {
            return Err(
                Failure::conflict("a transaction is open on this connection")
                    .hint("use the transaction, or commit, roll back or drop it first"),
            );
        }
        let guard = self.lane.enter().await?;
        self.check()?;
        Ok(guard)
    }

    pub fn check(&self) -> Result<(), Failure> {
        if self.cut.load(Ordering::SeqCst) || self.client().is_closed() {
            return Err(Failure::new(
                FailureKind::Unavailable,
                "the connection to the server is closed",
            )
            .hint(SERVER_GONE));
        }
        Ok(())
    }

    /// Runs a statement; when this is dropped before its end, the statement is cancelled on the server too.
    pub async fn run<T>(
        self: &Arc<Self>,
        statement: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        self.check()?;
        let running = Running::new(self);
        let result = statement.await;
        running.ended();
        result.map_err(|error| self.failure(error))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
        self.tasks
            .cleanup(see_out(self.connection.end(), self.backend.get().cloned()));
    }
}

/// How long a session may take to end once it was let go, its statement cancelled.
const FAREWELL: Duration = Duration::from_secs(3);

/// The step is over when none of its sessions is left. A function can catch the cancellation of its statement, and go on; a session
/// that is terminated by another one of its role cannot.
async fn see_out(end: Arc<End>, backend: Option<Backend>) {
    let is_over = || async { tokio::time::timeout(FAREWELL, end.reached()).await.is_ok() };
    let Some(Backend { process, settings }) = backend else {
        return;
    };
    if is_over().await {
        return;
    }
    let terminate = async {
        let connection = database::connect(&settings, "ending a session").await?;
        let terminate = format!("SELECT pg_catalog.pg_terminate_backend({process})");
        connection.client.simple_query(&terminate).await?;
        Ok::<_, database::DatabaseError>(())
    };
    let result = match tokio::time::timeout(Duration::from_secs(10), terminate).await {
        Ok(Ok(())) if is_over().await => return,
        Ok(Ok(())) => "it was terminated, and is there still".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within 10 s".to_owned(),
    };
    tracing::warn!(
        "the session of the process {process} on {} is still running a statement of this step: {result}",
        settings.places()
    );
}

/// A statement that the server is working on. Dropped before `ended`, it sends a cancel request and cuts the connection.
pub(super) struct Running(Option<Arc<Link>>);

impl Running {
    pub fn new(link: &Arc<Link>) -> Self {
        Self(Some(link.clone()))
    }

    pub fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.cut.store(true, Ordering::SeqCst);
            let tasks = link.tasks.clone();
            tasks.cleanup(async move {
                // The request opens a connection of its own; a server that is gone must not hold up the end of the step.
                let request =
                    tokio::time::timeout(Duration::from_secs(10), link.connection.cancel.cancel());
                if !matches!(request.await, Ok(Ok(()))) {
                    tracing::debug!("a cancel request was not delivered");
                }
            });
        }
    }
}

/// What a plugin holds as a `transaction`.
pub struct Transaction {
    pub(super) link: Arc<Link>,
    pub(super) lane: Arc<Lane>,
    /// Which transaction it is, as the server says.
    pub(super) mark: Mark,
    /// Nothing but single statements that read.
    pub(super) is_reading: bool,
    owner: Option<OwnedMutexGuard<()>>,
}

/// How a transaction begins.
pub(super) struct Beginning {
    pub isolation: &'static str,
    pub read_only: bool,
    pub snapshot: Option<String>,
    /// The access allows nothing else.
    pub is_reading: bool,
}

impl Transaction {
    pub(super) async fn begin(link: Arc<Link>, beginning: Beginning) -> Result<Self, Failure> {
        let owner = link.enter().await?;
        let mode = if beginning.read_only {
            "READ ONLY"
        } else {
            "READ WRITE"
        };
        let mut sql = format!("BEGIN ISOLATION LEVEL {} {mode}", beginning.isolation);
        if let Some(snapshot) = &beginning.snapshot {
            let plausible = !snapshot.is_empty()
                && snapshot
                    .bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
            if !plausible {
                return Err(Failure::invalid_input(format!(
                    "{snapshot:?} is no exported snapshot"
                )));
            }
            sql.push_str(&format!("; SET TRANSACTION SNAPSHOT '{snapshot}'"));
        } else if beginning.read_only {
            // Once a snapshot is taken, a transaction cannot become READ WRITE (check_transaction_read_only).
            sql.push_str("; SELECT 1");
        }
        sql.push_str(&format!("; {MARK_QUERY}"));
        link.in_transaction.store(true, Ordering::SeqCst);
        let mut transaction = Self {
            link: link.clone(),
            lane: Arc::default(),
            mark: Mark::default(),
            is_reading: beginning.is_reading,
            owner: Some(owner),
        };
        transaction.mark = Mark::of(&link.run(link.client().simple_query(&sql)).await?);
        Ok(transaction)
    }

    /// `COMMIT` or `ROLLBACK`.
    pub(super) async fn end(mut self, command: &'static str) -> Result<(), Failure> {
        let _lane = self.lane.enter().await?;
        let link = self.link.clone();
        // A transaction that failed before answers COMMIT with a ROLLBACK and no error; any statement shows it.
        let command = match command {
            "COMMIT" => "SELECT 1; COMMIT",
            other => other,
        };
        link.run(link.client().batch_execute(command)).await?;
        link.in_transaction.store(false, Ordering::SeqCst);
        self.owner = None;
        Ok(())
    }

    /// `COPY ... TO STDOUT`, run when it is pulled; several of one transaction take turns.
    pub(super) fn copy_out(&self, sql: String) -> Source {
        let link = self.link.clone();
        let turn = Turn::new(self.lane.queue());
        let place = turn.clone();
        Source::rows(Source::deferred(async move {
            let turn = place.taken().await;
            link.check()?;
            let running = Running::new(&link);
            let copy = match link.client().copy_out(&sql).await {
                Ok(copy) => copy,
                Err(error) => {
                    running.ended();
                    return Err(error.into());
                }
            };
            Ok(whole(
                copy.map(|chunk| chunk.map_err(Failure::from)),
                turn,
                running,
            ))
        }))
        .after(turn)
    }

    /// The bytes of a large object.
    pub(super) fn read_large_object(&self, oid: u32) -> Source {
        let link = self.link.clone();
        let turn = Turn::new(self.lane.queue());
        let place = turn.clone();
        Source::new(Source::deferred(async move {
            let turn = place.taken().await;
            link.check()?;
            let state = (link, turn, 0i64);
            Ok(
                stream::try_unfold(state, move |(link, turn, offset)| async move {
                    let rows = link
                        .run(link.client().query(
                            "SELECT pg_catalog.lo_get($1, $2, $3)",
                            &[&oid, &offset, &LARGE_OBJECT_STEP],
                        ))
                        .await?;
                    let bytes: Vec<u8> = rows
                        .first()
                        .map(|row| row.try_get(0))
                        .transpose()?
                        .unwrap_or_default();
                    let next = offset + bytes.len() as i64;
                    Ok((!bytes.is_empty()).then(|| (Bytes::from(bytes), (link, turn, next))))
                })
                .boxed(),
            )
        }))
        .after(turn)
    }

    /// `COPY ... FROM STDIN`: the number of rows.
    pub(super) async fn copy_in(
        link: Arc<Link>,
        lane: Arc<Lane>,
        sql: String,
        source: Source,
    ) -> Result<u64, Failure> {
        let _turn = lane.enter().await?;
        copy_in(&link, &sql, source).await
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(owner) = self.owner.take() else {
            return;
        };
        let link = self.link.clone();
        let queue = self.lane.queue();
        let tasks = link.tasks.clone();
        // What comes next on the connection waits for the rollback, by the turn that is its owner's.
        link.in_transaction.store(false, Ordering::SeqCst);
        tasks.cleanup(async move {
            let _turn = queue.lock().await;
            // On a connection that was cut the server rolls back by itself.
            if link.check().is_ok() {
                let rollback = link.client().batch_execute("ROLLBACK");
                if !matches!(
                    tokio::time::timeout(Duration::from_secs(10), rollback).await,
                    Ok(Ok(()))
                ) {
                    link.cut.store(true, Ordering::SeqCst);
                }
            }
            drop(owner);
        });
    }
}

/// Bytes of a large object that are asked for at once.
const LARGE_OBJECT_STEP: i32 = 1024 * 1024;

/// Keeps the turn, and the running statement, until the stream has ended.
fn whole<S>(copy: S, turn: OwnedMutexGuard<()>, running: Running) -> Chunks
where
    S: futures_util::Stream<Item = Result<Bytes, Failure>> + Send + 'static,
{
    let state = Some((Box::pin(copy), turn, running));
    stream::unfold(state, |state| async move {
        let (mut copy, turn, running) = state?;
        match copy.next().await {
            Some(Ok(chunk)) => Some((Ok(chunk), Some((copy, turn, running)))),
            Some(Err(failure)) => {
                running.ended();
                Some((Err(failure), None))
            }
            None => {
                running.ended();
                None
            }
        }
    })
    .boxed()
}

/// Feeds a COPY; a source that fails makes the COPY fail, and no row of it stays.
pub(super) async fn copy_in(link: &Arc<Link>, sql: &str, source: Source) -> Result<u64, Failure> {
    link.check()?;
    let running = Running::new(link);
    let sink = match link.client().copy_in::<_, Bytes>(sql).await {
        Ok(sink) => sink,
        Err(error) => {
            running.ended();
            return Err(error.into());
        }
    };
    let mut sink = std::pin::pin!(sink);
    let mut chunks = source.into_chunks();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(chunk) => {
                if let Err(error) = sink.send(chunk).await {
                    // The server has ended the COPY: its own words come with the end of it.
                    let reason = sink.as_mut().finish().await.err().unwrap_or(error);
                    running.ended();
                    return Err(reason.into());
                }
            }
            Err(failure) => {
                // Dropping the sink sends CopyFail.
                running.ended();
                return Err(failure);
            }
        }
    }
    let rows = sink.finish().await;
    running.ended();
    Ok(rows?)
}

/// Fills an existing large object; the number of bytes.
pub(super) async fn write_large_object(
    link: &Arc<Link>,
    oid: u32,
    source: Source,
) -> Result<u64, Failure> {
    let mut chunks = source.into_chunks();
    let mut offset = 0i64;
    while let Some(chunk) = chunks.next().await {
        let mut chunk = chunk?;
        while !chunk.is_empty() {
            let piece = chunk.split_to(chunk.len().min(LARGE_OBJECT_STEP as usize));
            let bytes: &[u8] = &piece;
            link.run(link.client().query(
                "SELECT pg_catalog.lo_put($1, $2, $3)",
                &[&oid, &offset, &bytes],
            ))
            .await?;
            offset += piece.len() as i64;
        }
    }
    Ok(offset.unsigned_abs())
}
