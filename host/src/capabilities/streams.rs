//! `streams`: sources, transfers, and waiting for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use wasmtime::component::Resource;

use super::context::StepContext;
use super::v0_1_0::orchestrator::plugin::streams::{
    Host, HostByteSource, HostTransfer, Part, Receipt, TransferOptions,
};
use crate::failure::Failure;
use crate::transfer::source::Chunks;
use crate::transfer::{self, Source, Transfer, codec};

/// A source that a plugin holds: unread, or read up to somewhere by the plugin itself.
pub struct ByteSource {
    source: Source,
    label: String,
    unread: Bytes,
}

impl ByteSource {
    pub(super) fn new(source: Source, label: impl Into<String>) -> Self {
        Self {
            source,
            label: label.into(),
            unread: Bytes::new(),
        }
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// The rest of the stream.
    pub(super) fn into_source(self) -> Source {
        if self.unread.is_empty() {
            return self.source;
        }
        let unread = self.unread;
        self.source.map(|chunks| {
            futures_util::stream::once(async move { Ok(unread) })
                .chain(chunks)
                .boxed()
        })
    }
}

/// A receipt as a plugin sees it.
fn told(receipt: transfer::Receipt) -> Receipt {
    Receipt {
        bytes: receipt.bytes,
        sha256: receipt.sha256,
        plain_bytes: receipt.plain_bytes,
        rows: receipt.rows,
        parts: receipt
            .parts
            .into_iter()
            .map(|part| Part {
                offset: part.offset,
                bytes: part.bytes,
                plain_bytes: part.plain_bytes,
                rows: part.rows,
            })
            .collect(),
        steps: receipt.steps,
    }
}

/// The most that one `read` returns.
const READ_BYTES: usize = 4 * 1024 * 1024;

/// A call that cannot fail in the contract, made when the plugin holds all the handles it may have.
#[derive(Debug, thiserror::Error)]
#[error("the plugin holds too many handles")]
pub(crate) struct TooManyHandles;

/// A call that cannot fail in the contract, made when this program keeps as many bytes for the plugin as it may have itself.
#[derive(Debug, thiserror::Error)]
#[error("the plugin handed over too many bytes")]
pub(crate) struct TooManyBytes;

/// Bytes that a plugin handed over, counted until the last one who reads them lets go.
struct HandedOver {
    bytes: Vec<u8>,
    count: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for HandedOver {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        self.count.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

impl StepContext {
    fn handed_over(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Bytes> {
        let count = self.handed_over.clone();
        let before = count.fetch_add(bytes.len(), Ordering::SeqCst);
        let fits = before.saturating_add(bytes.len()) <= self.grants.limits.memory_bytes;
        let held = Bytes::from_owner(HandedOver { bytes, count });
        if fits {
            return Ok(held);
        }
        Err(wasmtime::Error::new(TooManyBytes))
    }

    fn push_source(&mut self, source: ByteSource) -> wasmtime::Result<Resource<ByteSource>> {
        self.table
            .push(source)
            .map_err(|_| wasmtime::Error::new(TooManyHandles))
    }

    /// A failure of the table: a handle that does not exist, or too many of them.
    pub(super) fn keep<T: Send + 'static>(&mut self, entry: T) -> Result<Resource<T>, Failure> {
        self.table
            .push(entry)
            .map_err(|error| Failure::limit(format!("the plugin holds too many handles: {error}")))
    }

    pub(super) fn held<T: 'static>(&self, handle: &Resource<T>) -> Result<&T, Failure> {
        self.table
            .get(handle)
            .map_err(|error| Failure::internal(error.to_string()))
    }

    pub(super) fn released<T: 'static>(&mut self, handle: Resource<T>) -> Result<T, Failure> {
        self.table
            .delete(handle)
            .map_err(|error| Failure::internal(error.to_string()))
    }
}

impl StepContext {
    /// Another stream made of the source; what comes out of it is what counts.
    fn passed_through(
        &mut self,
        source: Resource<ByteSource>,
        step: impl FnOnce(Chunks) -> Chunks,
    ) -> Result<Resource<ByteSource>, Failure> {
        let held = self.released(source)?;
        let label = held.label.clone();
        self.keep(ByteSource::new(held.into_source().recount(step), label))
    }
}

impl StepContext {
    /// A transfer that reads a source to its end.
    fn read_away<F>(
        &mut self,
        source: Resource<ByteSource>,
        options: TransferOptions,
        read: impl FnOnce(Source) -> F,
    ) -> Result<Resource<Transfer>, Failure>
    where
        F: Future<Output = Result<transfer::Receipt, Failure>> + Send + 'static,
    {
        let source = self.released(source)?.into_source();
        let meters = vec![source.meter()];
        let transfer =
            self.tasks
                .start(options.label, options.expected_bytes, meters, read(source))?;
        self.keep(transfer)
    }
}

impl Host for StepContext {
    async fn wait_any(&mut self, transfers: Vec<Resource<Transfer>>) -> Result<u32, Failure> {
        if transfers.is_empty() {
            return Err(Failure::invalid_input(
                "wait-any was called without a transfer",
            ));
        }
        let outcomes = transfers
            .iter()
            .map(|transfer| Ok(self.held(transfer)?.outcome()))
            .collect::<Result<Vec<_>, Failure>>()?;
        let index = self
            .stop
            .race(async { Ok(transfer::task::wait_any(outcomes).await) })
            .await?;
        u32::try_from(index).map_err(|error| Failure::internal(error.to_string()))
    }
}

impl HostByteSource for StepContext {
    async fn from_bytes(&mut self, bytes: Vec<u8>) -> wasmtime::Result<Resource<ByteSource>> {
        let bytes = self.handed_over(bytes)?;
        self.push_source(ByteSource::new(
            Source::from_bytes(bytes),
            "bytes of the plugin",
        ))
    }

    async fn gzip(
        &mut self,
        source: Resource<ByteSource>,
        level: u8,
    ) -> Result<Resource<ByteSource>, Failure> {
        let held = self.released(source)?;
        let level = codec::gzip::check_level(level)?;
        let label = held.label.clone();
        let source = held
            .into_source()
            .map(|chunks| codec::gzip::compress(chunks, level));
        self.keep(ByteSource::new(source, label))
    }

    async fn gunzip(
        &mut self,
        source: Resource<ByteSource>,
    ) -> wasmtime::Result<Resource<ByteSource>> {
        let held = self.table.delete(source)?;
        let label = held.label.clone();
        let source = held.into_source().recount(codec::gzip::decompress);
        self.push_source(ByteSource::new(source, label))
    }

    async fn zstd(
        &mut self,
        source: Resource<ByteSource>,
        level: i8,
    ) -> Result<Resource<ByteSource>, Failure> {
        let held = self.released(source)?;
        let level = codec::zstd::check_level(level)?;
        let label = held.label.clone();
        let source = held
            .into_source()
            .map(|chunks| codec::zstd::compress(chunks, level));
        self.keep(ByteSource::new(source, label))
    }

    async fn unzstd(
        &mut self,
        source: Resource<ByteSource>,
    ) -> Result<Resource<ByteSource>, Failure> {
        self.passed_through(source, codec::zstd::decompress)
    }

    async fn unlz4(
        &mut self,
        source: Resource<ByteSource>,
    ) -> Result<Resource<ByteSource>, Failure> {
        self.passed_through(source, codec::lz4::decompress)
    }

    async fn unzlib(
        &mut self,
        source: Resource<ByteSource>,
    ) -> Result<Resource<ByteSource>, Failure> {
        self.passed_through(source, codec::gzip::decompress_zlib)
    }

    async fn unframe(
        &mut self,
        source: Resource<ByteSource>,
        dump_id: Option<u32>,
    ) -> Result<Resource<ByteSource>, Failure> {
        self.passed_through(source, |chunks| codec::custom::unframe(chunks, dump_id))
    }

    async fn expect(
        &mut self,
        source: Resource<ByteSource>,
        bytes: u64,
        sha256: String,
    ) -> Result<Resource<ByteSource>, Failure> {
        let held = self.released(source)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&sha256, &mut digest).map_err(|error| {
            Failure::invalid_input(format!("{sha256:?} is no SHA-256: {error}"))
        })?;
        let label = held.label.clone();
        let source = held.into_source().expect(label.clone(), bytes, digest);
        self.keep(ByteSource::new(source, label))
    }

    async fn discard(
        &mut self,
        source: Resource<ByteSource>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        self.read_away(source, options, transfer::object::discard)
    }

    async fn discard_rows(
        &mut self,
        source: Resource<ByteSource>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        self.read_away(source, options, transfer::row_digest::discard_rows)
    }

    async fn read(&mut self, source: Resource<ByteSource>, max: u32) -> Result<Vec<u8>, Failure> {
        let stop = self.stop.clone();
        let held = self
            .table
            .get_mut(&source)
            .map_err(|error| Failure::internal(error.to_string()))?;
        while held.unread.is_empty() {
            match stop
                .race(async { held.source.next().await.transpose() })
                .await?
            {
                Some(chunk) => held.unread = chunk,
                None => return Ok(Vec::new()),
            }
        }
        let bytes = held.unread.len().min(max as usize).min(READ_BYTES);
        let taken = held.unread[..bytes].to_vec();
        held.unread.advance(bytes);
        Ok(taken)
    }

    async fn drop(&mut self, source: Resource<ByteSource>) -> wasmtime::Result<()> {
        self.table.delete(source)?;
        Ok(())
    }
}

impl HostTransfer for StepContext {
    async fn wait(&mut self, transfer: Resource<Transfer>) -> Result<Receipt, Failure> {
        let outcome = self.held(&transfer)?.outcome();
        Ok(told(self.stop.race(outcome).await?))
    }

    async fn wait_up_to(
        &mut self,
        transfer: Resource<Transfer>,
        milliseconds: u32,
    ) -> Result<Option<Receipt>, Failure> {
        let outcome = self.held(&transfer)?.outcome();
        let patience = Duration::from_millis(milliseconds.into());
        let waited = async {
            match tokio::time::timeout(patience, outcome).await {
                Ok(receipt) => receipt.map(Some),
                Err(_) => Ok(None),
            }
        };
        Ok(self.stop.race(waited).await?.map(told))
    }

    async fn part_digests(&mut self, transfer: Resource<Transfer>) -> Result<Vec<String>, Failure> {
        let outcome = self.held(&transfer)?.outcome();
        let receipt = self.stop.race(outcome).await?;
        Ok(receipt.parts.into_iter().map(|part| part.sha256).collect())
    }

    async fn cancel(&mut self, transfer: Resource<Transfer>) -> wasmtime::Result<()> {
        self.table.get(&transfer)?.cancel();
        Ok(())
    }

    async fn drop(&mut self, transfer: Resource<Transfer>) -> wasmtime::Result<()> {
        self.table.delete(transfer)?;
        Ok(())
    }
}
