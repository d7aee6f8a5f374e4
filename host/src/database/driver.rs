//! The task behind a connection: it moves messages, logs notices, and leaves nothing running on the server.

use super::{CancelHandle, DatabaseError};
use crate::text::{indented, shortened};
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Connection};
use tokio_util::sync::CancellationToken;

/// How long an idle connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long the server may take to end a cancelled statement.
const CANCELLATION: Duration = Duration::from_secs(10);
/// Warnings of a server that are shown, for each session, and how much of each.
const WARNINGS_MAX: usize = 100;
const WARNING_BYTES: usize = 1_000;

/// How a session ended.
#[derive(Debug, Default)]
pub struct End {
    over: CancellationToken,
    reason: OnceLock<DatabaseError>,
}

impl End {
    /// Waits until both sides have said goodbye, or the server is gone.
    pub async fn reached(&self) {
        self.over.cancelled().await;
    }

    /// Why it ended, when nobody had asked for it.
    pub fn reason(&self) -> Option<&DatabaseError> {
        self.reason.get()
    }
}

/// Runs until the server closes the connection, or the client was dropped (`dropped`). A statement that is still running
/// then is cancelled: nobody waits for it, and it may hold locks.
pub(super) async fn drive<S, T>(
    mut connection: Connection<S, T>,
    cancel: CancelHandle,
    dropped: CancellationToken,
    end: Arc<End>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let serve = async move {
        let mut warnings_left = WARNINGS_MAX;
        // An error is the end, after which polling again would find the same error for ever.
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => log(&notice, &mut warnings_left),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the connection ended");
                    // Before the connection is dropped, which is all that its user hears.
                    let _ = end.reason.set(error.into());
                    break;
                }
            }
        }
        drop(connection);
        end.over.cancel();
    };
    tokio::pin!(serve);
    tokio::select! {
        () = &mut serve => return,
        () = dropped.cancelled() => {}
    }
    if tokio::time::timeout(GOODBYE, &mut serve).await.is_ok() {
        return;
    }
    if let Err(error) = cancel.cancel().await {
        tracing::warn!(%error, "a statement may still be running on the server");
        return;
    }
    if tokio::time::timeout(CANCELLATION, &mut serve)
        .await
        .is_err()
    {
        tracing::warn!("the server did not end a cancelled statement in time");
    }
}

/// Whoever may run a statement may raise as many warnings as they like, of any length.
fn log(notice: &DbError, warnings_left: &mut usize) {
    let code = notice.code().code();
    let readable = |text: &str| indented(&shortened(text, WARNING_BYTES));
    let message = readable(notice.message());
    match notice.parsed_severity() {
        Some(Severity::Warning) if *warnings_left == 0 => {}
        Some(Severity::Warning) => {
            *warnings_left -= 1;
            let detail = notice.detail().map(readable);
            tracing::warn!(code, detail, "{message}");
            if *warnings_left == 0 {
                tracing::warn!("further warnings of the server in this session are not shown");
            }
        }
        _ => tracing::debug!(severity = notice.severity(), code, "{message}"),
    }
}
