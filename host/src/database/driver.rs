//! The task behind a connection: it moves messages, logs notices, and leaves nothing running on the server.

use super::CancelHandle;
use std::future::poll_fn;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::{AsyncMessage, Connection};
use tokio_util::sync::CancellationToken;

/// How long an idle connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);
/// How long the server may take to end a cancelled statement.
const CANCELLATION: Duration = Duration::from_secs(10);

/// Runs until the server closes the connection, or the client was dropped (`dropped`). A statement that is still running
/// then is cancelled: nobody waits for it, and it may hold locks.
pub(super) async fn drive<S, T>(
    mut connection: Connection<S, T>,
    cancel: CancelHandle,
    dropped: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let serve = async move {
        // An error is the end, after which polling again would find the same error for ever.
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            match message {
                Ok(AsyncMessage::Notice(notice)) => log(&notice),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "the connection ended");
                    break;
                }
            }
        }
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

fn log(notice: &DbError) {
    let (code, message) = (notice.code().code(), notice.message());
    match notice.parsed_severity() {
        Some(Severity::Warning) => tracing::warn!(code, detail = notice.detail(), "{message}"),
        _ => tracing::debug!(severity = notice.severity(), code, "{message}"),
    }
}
