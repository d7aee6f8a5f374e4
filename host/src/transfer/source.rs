//! A stream of bytes that nobody has read yet.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use super::codec::BLOCK_BYTES;
use super::meter::Meter;
use super::turn::Turn;
use crate::failure::Failure;

/// What flows between the parts of a pipeline.
pub type Chunks = BoxStream<'static, Result<Bytes, Failure>>;

/// Chunks are gathered to this size: large enough that the work per chunk (a compressor's call, a write) outweighs its cost,
/// small enough that a hundred streams fit in memory.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// A stream and its count. Nothing moves until it is pulled.
pub struct Source {
    pub(super) chunks: Chunks,
    meter: Arc<Meter>,
    counts_rows: bool,
    turn: Option<Turn>,
}

impl Source {
    /// A stream whose bytes are counted as they pass.
    pub fn new(chunks: Chunks) -> Self {
        let meter = Arc::new(Meter::default());
        let count = meter.clone();
        Self {
            chunks: chunks
                .inspect_ok(move |chunk| count.add(chunk.len() as u64, 0))
                .boxed(),
            meter,
            counts_rows: false,
            turn: None,
        }
    }

    /// A COPY in text format: each row ends with a newline, and a newline within a value is written `\n`.
    pub fn rows(chunks: Chunks) -> Self {
        let meter = Arc::new(Meter::default());
        let count = meter.clone();
        Self {
            // In blocks, so that a codec takes them as they are.
            chunks: gather_to(chunks, BLOCK_BYTES)
                .inspect_ok(move |chunk| {
                    let rows = memchr::memchr_iter(b'\n', chunk).count();
                    count.add(chunk.len() as u64, rows as u64);
                })
                .boxed(),
            meter,
            counts_rows: true,
            turn: None,
        }
    }

    /// A stream that is opened by the first pull.
    pub fn deferred<F>(open: F) -> Chunks
    where
        F: Future<Output = Result<Chunks, Failure>> + Send + 'static,
    {
        stream::once(open).try_flatten().boxed()
    }

    /// Bytes that are at hand.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self::new(stream::once(async move { Ok(bytes) }).boxed())
    }

    /// The stream waits for a turn before its first byte.
    #[must_use]
    pub fn after(self, turn: Turn) -> Self {
        Self {
            turn: Some(turn),
            ..self
        }
    }

    /// Queues up for the turn that the stream waits for: those who claim first are read first.
    pub fn claim(&self) {
        if let Some(turn) = &self.turn {
            turn.claim();
        }
    }

    /// The same for all sources that wait for the same thing, and so cannot be read at the same time.
    pub fn queue_id(&self) -> Option<usize> {
        self.turn.as_ref().map(Turn::queue_id)
    }

    /// Counts bytes before compression, and rows where the source is a COPY.
    pub fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    /// Rows read so far, where the source is a COPY.
    pub fn rows_of(&self) -> Option<Arc<Meter>> {
        self.counts_rows.then(|| self.meter.clone())
    }

    /// Passes the chunks through `step`; the count stays the one before it.
    #[must_use]
    pub fn map(self, step: impl FnOnce(Chunks) -> Chunks) -> Self {
        Self {
            chunks: step(self.chunks),
            ..self
        }
    }

    /// Passes the chunks through `step`, and counts what comes out of it instead: after decompression.
    #[must_use]
    pub fn recount(self, step: impl FnOnce(Chunks) -> Chunks) -> Self {
        Self {
            turn: self.turn,
            ..Self::new(step(self.chunks))
        }
    }

    /// From now on the stream is produced by a task of its own, as far ahead of its reader as there is room.
    #[must_use]
    pub fn ahead(self) -> Self {
        self.map(ahead)
    }

    /// Fails at the end unless the stream was exactly this long and has this SHA-256.
    #[must_use]
    pub fn expect(self, label: String, bytes: u64, sha256: [u8; 32]) -> Self {
        self.map(|chunks| {
            let state = (chunks, Sha256::new(), 0u64, false);
            stream::unfold(state, move |(mut chunks, mut hash, mut seen, ended)| {
                let label = label.clone();
                async move {
                    if ended {
                        return None;
                    }
                    let item = match chunks.next().await {
                        Some(Ok(chunk)) => {
                            seen += chunk.len() as u64;
                            hash.update(&chunk);
                            if seen > bytes {
                                Err(Failure::corrupt(format!(
                                    "{label} is longer than the {bytes} bytes that its manifest says"
                                )))
                            } else {
                                return Some((Ok(chunk), (chunks, hash, seen, false)));
                            }
                        }
                        Some(Err(failure)) => Err(failure),
                        None if seen < bytes => Err(Failure::corrupt(format!(
                            "{label} ends after {seen} of the {bytes} bytes that its manifest says"
                        ))),
                        None if <[u8; 32]>::from(hash.finalize_reset()) != sha256 => {
                            Err(Failure::corrupt(format!(
                                "{label} does not have the SHA-256 that its manifest says: its bytes were changed"
                            )))
                        }
                        None => return None,
                    };
                    Some((item, (chunks, hash, seen, true)))
                }
            })
            .boxed()
        })
    }

    /// The next chunk, for a reader that wants only some of them.
    pub async fn next(&mut self) -> Option<Result<Bytes, Failure>> {
        self.chunks.next().await
    }

    /// The chunks, for a sink.
    pub fn into_chunks(self) -> Chunks {
        self.chunks
    }
}

/// What may be produced ahead of its reader.
const AHEAD_BYTES: usize = 16 * 1024 * 1024;

fn ahead(mut chunks: Chunks) -> Chunks {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(AHEAD_BYTES));
    let task = AbortOnDropHandle::new(tokio::spawn(async move {
        while let Some(chunk) = chunks.next().await {
            let bytes = chunk.as_ref().map_or(0, Bytes::len);
            let permit = room
                .clone()
                .acquire_many_owned(bytes.clamp(1, AHEAD_BYTES) as u32)
                .await;
            if sender.send(Some((chunk, permit))).is_err() {
                return;
            }
        }
        // The end: a channel that closes without it has lost its task.
        let _ = sender.send(None);
    }));
    stream::unfold(Some((receiver, task)), |state| async move {
        let (mut receiver, task) = state?;
        match receiver.recv().await {
            Some(Some((Ok(chunk), _))) => Some((Ok(chunk), Some((receiver, task)))),
            Some(Some((Err(failure), _))) => Some((Err(failure), None)),
            Some(None) => None,
            None => Some((Err(Failure::internal("a stream ended abnormally")), None)),
        }
    })
    .boxed()
}

/// Joins small chunks to about [`CHUNK_BYTES`]: PostgreSQL sends a row a message.
pub fn gather(chunks: Chunks) -> Chunks {
    gather_to(chunks, CHUNK_BYTES)
}

/// Joins small chunks to at least this size, all but the last.
pub fn gather_to(chunks: Chunks, bytes: usize) -> Chunks {
    stream::unfold((chunks, false), move |(mut chunks, ended)| async move {
        if ended {
            return None;
        }
        // The only chunk, and one that is large already, pass as they are.
        let mut first = Bytes::new();
        let mut buffer = Vec::new();
        loop {
            match chunks.next().await {
                Some(Ok(chunk)) if first.is_empty() && chunk.len() >= bytes => {
                    return Some((Ok(chunk), (chunks, false)));
                }
                Some(Ok(chunk)) if first.is_empty() => first = chunk,
                Some(Ok(chunk)) => {
                    if buffer.is_empty() {
                        buffer.reserve(SURPLUS_BYTES.min(bytes));
                        buffer.extend_from_slice(&first);
                    }
                    // Once it is more than a few rows, in one step to what it will be.
                    if buffer.len() + chunk.len() > buffer.capacity() {
                        buffer.reserve_exact(
                            (bytes + SURPLUS_BYTES)
                                .saturating_sub(buffer.len())
                                .max(chunk.len()),
                        );
                    }
                    buffer.extend_from_slice(&chunk);
                    if buffer.len() >= bytes {
                        return Some((Ok(buffer.into()), (chunks, false)));
                    }
                }
                Some(Err(failure)) => return Some((Err(failure), (chunks, true))),
                None if first.is_empty() => return None,
                None if buffer.is_empty() => return Some((Ok(first), (chunks, true))),
                None => return Some((Ok(buffer.into()), (chunks, true))),
            }
        }
    })
    .boxed()
}

/// What the last of the chunks that are joined may be longer than the room that is left: a piece of a COPY.
const SURPLUS_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn chunks(parts: &[&'static [u8]]) -> Chunks {
        stream::iter(
            parts
                .iter()
                .map(|part| Ok(Bytes::from_static(part)))
                .collect::<Vec<_>>(),
        )
        .boxed()
    }

    async fn drain(source: Source) -> Result<Vec<u8>, Failure> {
        source
            .into_chunks()
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await
    }

    #[tokio::test]
    async fn rows_are_counted_and_small_chunks_joined() {
        let source = Source::rows(chunks(&[b"1\ta\n", b"2\tb", b"\\n\n", b"3\t\\N\n"]));
        let meter = source.meter();
        let all = source.into_chunks().collect::<Vec<_>>().await;
        assert_eq!(all.len(), 1);
        assert_eq!((meter.rows(), meter.plain_bytes()), (3, 15));
    }

    #[tokio::test]
    async fn a_stream_whose_task_panics_is_not_a_short_one() {
        let broken = chunks(&[b"hello"]).chain(stream::once(async { panic!("a fault") }));
        let failure = drain(Source::new(broken.boxed()).ahead())
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Internal);
        let whole = Source::new(chunks(&[b"hello ", b"world"])).ahead();
        assert_eq!(drain(whole).await.unwrap(), b"hello world");
    }

    #[tokio::test]
    async fn an_expectation_finds_a_flipped_byte_a_cut_and_an_addition() {
        let sha: [u8; 32] = Sha256::digest(b"hello world").into();
        let checked =
            |parts: &[&'static [u8]]| Source::new(chunks(parts)).expect("x".into(), 11, sha);
        assert_eq!(
            drain(checked(&[b"hello ", b"world"])).await.unwrap(),
            b"hello world"
        );
        for wrong in [
            &[b"hello ".as_slice(), b"worlt"][..],
            &[b"hello"],
            &[b"hello world", b"!"],
            &[],
        ] {
            let failure = drain(checked(wrong)).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Corrupt, "{failure}");
        }
    }
}
