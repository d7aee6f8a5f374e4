//! Sinks: an object in a storage, and nowhere.

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::encryption::{self, Keys};
use super::join::{Parts, joined};
use super::source::Source;
use super::task::Receipt;
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
