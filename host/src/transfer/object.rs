//! Sinks: an object in a storage, and nowhere.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};

use super::encryption::{self, Keys};
use super::source::{Chunks, Source};
use super::task::{Part, Receipt};
use crate::failure::Failure;
use crate::storage::ObjectWriter;

/// Writes the sources one after another as one object, encrypted where keys are given. On failure, or when dropped, the object
/// never appears.
pub async fn store(
    sources: Vec<Source>,
    keys: Option<&Keys>,
    mut writer: Box<dyn ObjectWriter>,
) -> Result<Receipt, Failure> {
    let parts = Parts::default();
    let mut chunks = joined(sources, parts.clone());
    if let Some(keys) = keys {
        chunks = encryption::encrypt(chunks, keys)?;
    }
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let written = match chunk {
            Ok(chunk) => {
                hash.update(&chunk);
                bytes += chunk.len() as u64;
                writer.write(chunk).await.map_err(Failure::from)
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = written {
            writer.abort().await;
            return Err(failure);
        }
    }
    let stored = writer.finish().await?;
    if stored.bytes != bytes {
        return Err(Failure::corrupt(format!(
            "{} holds {} bytes after {bytes} were written to it",
            stored.key, stored.bytes
        )));
    }
    let parts = parts.take();
    Ok(Receipt {
        bytes,
        sha256: hex::encode(hash.finalize()),
        plain_bytes: parts.iter().map(|part| part.plain_bytes).sum(),
        rows: parts
            .iter()
            .filter_map(|part| part.rows)
            .reduce(|sum, rows| sum + rows),
        parts,
        steps: Vec::new(),
    })
}

/// The parts of an object, noted by the stream that joins them.
#[derive(Clone, Default)]
struct Parts(Arc<Mutex<Vec<Part>>>);

impl Parts {
    fn push(&self, part: Part) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(part);
    }

    fn take(&self) -> Vec<Part> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One stream of all sources; each is noted when it has ended.
fn joined(sources: Vec<Source>, parts: Parts) -> Chunks {
    struct Current {
        chunks: Chunks,
        part: Part,
        plain: Arc<super::Meter>,
        rows: Option<Arc<super::Meter>>,
    }
    let state = (sources.into_iter(), None::<Current>, 0u64, parts);
    stream::try_unfold(
        state,
        |(mut sources, mut current, mut offset, parts)| async move {
            loop {
                let Some(open) = current.as_mut() else {
                    let Some(source) = sources.next() else {
                        return Ok(None);
                    };
                    current = Some(Current {
                        plain: source.meter(),
                        rows: source.rows_of(),
                        chunks: source.into_chunks(),
                        part: Part {
                            offset,
                            ..Part::default()
                        },
                    });
                    continue;
                };
                if let Some(chunk) = open.chunks.next().await.transpose()? {
                    open.part.bytes += chunk.len() as u64;
                    return Ok(Some((chunk, (sources, current, offset, parts))));
                }
                offset += open.part.bytes;
                parts.push(Part {
                    plain_bytes: open.plain.plain_bytes(),
                    rows: open.rows.as_ref().map(|meter| meter.rows()),
                    ..std::mem::take(&mut open.part)
                });
                current = None;
            }
        },
    )
    .boxed()
}

/// Reads to the end and keeps nothing but the count and the SHA-256.
pub async fn discard(source: Source) -> Result<Receipt, Failure> {
    let meter = source.meter();
    let counted = source.rows_of();
    let mut chunks = source.into_chunks();
    let mut hash = Sha256::new();
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        hash.update(&chunk);
        bytes += chunk.len() as u64;
    }
    Ok(Receipt {
        bytes,
        sha256: hex::encode(hash.finalize()),
        plain_bytes: meter.plain_bytes(),
        rows: counted.map(|meter| meter.rows()),
        ..Receipt::default()
    })
}
