//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second does not wait for it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit;
use crate::failure::Failure;

/// A token that the first signal cancels. After the second one the process ends at once; the next start closes the run.
pub(super) fn cancellation() -> Result<CancellationToken, Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| Failure::internal(format!("listening for signals: {error}")))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::warn!(
            "cancelling; a second signal ends this at once and leaves the cleaning up to the next start"
        );
        cancelled.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(exit::CANCELLED.into());
    });
    Ok(token)
}
