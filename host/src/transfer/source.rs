//! A stream of bytes that nobody has read yet.

use std::future::Future;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use sha2::{Digest, Sha256};

use super::meter::Meter;
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
        }
    }

    /// A COPY in text format: each row ends with a newline, and a newline within a value is written `\n`.
    pub fn rows(chunks: Chunks) -> Self {
        let meter = Arc::new(Meter::default());
        let count = meter.clone();
        Self {
            chunks: gather(chunks)
                .inspect_ok(move |chunk| {
                    let rows = memchr::memchr_iter(b'\n', chunk).count();
                    count.add(chunk.len() as u64, rows as u64);
                })
                .boxed(),
            meter,
            counts_rows: true,
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
        Self::new(step(self.chunks))
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

/// Joins small chunks to about [`CHUNK_BYTES`]: PostgreSQL sends a row a message.
pub fn gather(chunks: Chunks) -> Chunks {
    let state = (chunks, BytesMut::new(), false);
    stream::unfold(state, |(mut chunks, mut buffer, ended)| async move {
        if ended {
            return None;
        }
        loop {
            match chunks.next().await {
                // A chunk that is large already passes as it is.
                Some(Ok(chunk)) if buffer.is_empty() && chunk.len() >= CHUNK_BYTES => {
                    return Some((Ok(chunk), (chunks, buffer, false)));
                }
                Some(Ok(chunk)) => {
                    if buffer.capacity() == 0 {
                        buffer.reserve(CHUNK_BYTES + CHUNK_BYTES / 4);
                    }
                    buffer.extend_from_slice(&chunk);
                    if buffer.len() >= CHUNK_BYTES {
                        return Some((Ok(buffer.split().freeze()), (chunks, buffer, false)));
                    }
                }
                Some(Err(failure)) => return Some((Err(failure), (chunks, buffer, true))),
                None if buffer.is_empty() => return None,
                None => return Some((Ok(buffer.split().freeze()), (chunks, buffer, true))),
            }
        }
    })
    .boxed()
}

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
