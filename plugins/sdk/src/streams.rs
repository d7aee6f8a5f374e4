//! Byte streams that stay in the host, and the transfers that move them.

pub use crate::bindings::orchestrator::plugin::streams::{
    ByteSource, Part, Receipt, Transfer, TransferOptions, wait_any,
};

use crate::{Error, ErrorKind};

/// The most that one `read` gives.
const READ_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// What one source of a long text holds: far below what one call may carry.
const PIECE_BYTES: usize = 1024 * 1024;

impl ByteSource {
    /// Bytes of the plugin's own, as many sources as they need: one call carries a few MiB at most.
    pub fn pieces(bytes: &[u8]) -> Vec<ByteSource> {
        let pieces = bytes.chunks(PIECE_BYTES);
        pieces.map(ByteSource::from_bytes).collect()
    }

    /// All of a stream. Fails with the kind `limit-exceeded` when it is longer than `max_bytes`.
    pub fn read_all(&self, max_bytes: usize) -> Result<Vec<u8>, Error> {
        let mut all = Vec::new();
        loop {
            let chunk = self.read(READ_BYTES_MAX)?;
            if chunk.is_empty() {
                return Ok(all);
            }
            if all.len() + chunk.len() > max_bytes {
                return Err(Error::new(
                    ErrorKind::LimitExceeded,
                    format!("the stream is longer than {max_bytes} bytes"),
                ));
            }
            all.extend_from_slice(&chunk);
        }
    }
}

/// Transfers that are under way at the same time, each with what the plugin wants to remember of it.
///
/// Dropping it cancels what is still under way.
#[derive(Debug)]
pub struct InFlight<T> {
    most: usize,
    transfers: Vec<(Transfer, T)>,
}

impl<T> InFlight<T> {
    /// Room for `most` transfers (for one, when `most` is 0).
    pub fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            transfers: Vec::new(),
        }
    }

    /// Whether [`add`](Self::add) should wait for [`next`](Self::next).
    pub fn is_full(&self) -> bool {
        self.transfers.len() >= self.most
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.transfers.is_empty()
    }

    /// Remembers a transfer that has begun.
    pub fn add(&mut self, transfer: Transfer, about: T) {
        self.transfers.push((transfer, about));
    }

    /// Waits for the transfer that ends next, well or badly; its own `wait` tells which. `None` when nothing is under way.
    pub fn next_transfer(&mut self) -> Result<Option<(Transfer, T)>, Error> {
        if self.transfers.is_empty() {
            return Ok(None);
        }
        let handles: Vec<&Transfer> = self
            .transfers
            .iter()
            .map(|(transfer, _)| transfer)
            .collect();
        let ended = wait_any(&handles)? as usize;
        Ok(Some(self.transfers.swap_remove(ended)))
    }

    /// Waits for the transfer that ends next; `None` when nothing is under way.
    #[expect(
        clippy::should_implement_trait,
        reason = "it borrows the host, so an adapter could not be resumed"
    )]
    pub fn next(&mut self) -> Option<Result<(Receipt, T), Error>> {
        let ended = self.next_transfer().transpose()?;
        Some(ended.and_then(|(transfer, about)| Ok((transfer.wait()?, about))))
    }
}
