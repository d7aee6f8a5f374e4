//! Sinks: an object in a storage, and nowhere.

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::source::Source;
use super::task::{Part, Receipt};
use crate::failure::Failure;
use crate::storage::ObjectWriter;

/// Writes the sources one after another as one object. On failure, or when dropped, the object never appears.
pub async fn store(
    sources: Vec<Source>,
    mut writer: Box<dyn ObjectWriter>,
) -> Result<Receipt, Failure> {
    let mut receipt = Receipt::default();
    let mut hash = Sha256::new();
    for source in sources {
        let meter = source.meter();
        let counted = source.rows_of();
        let mut part = Part {
            offset: receipt.bytes,
            ..Part::default()
        };
        let mut chunks = source.into_chunks();
        while let Some(chunk) = chunks.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(failure) => {
                    writer.abort().await;
                    return Err(failure);
                }
            };
            hash.update(&chunk);
            part.bytes += chunk.len() as u64;
            if let Err(error) = writer.write(chunk).await {
                writer.abort().await;
                return Err(error.into());
            }
        }
        part.plain_bytes = meter.plain_bytes();
        part.rows = counted.map(|meter| meter.rows());
        receipt.bytes += part.bytes;
        receipt.plain_bytes += part.plain_bytes;
        if let Some(rows) = part.rows {
            receipt.rows = Some(receipt.rows.unwrap_or(0) + rows);
        }
        receipt.parts.push(part);
    }
    let stored = writer.finish().await?;
    if stored.bytes != receipt.bytes {
        return Err(Failure::corrupt(format!(
            "{} holds {} bytes after {} were written to it",
            stored.key, stored.bytes, receipt.bytes
        )));
    }
    receipt.sha256 = hex::encode(hash.finalize());
    Ok(receipt)
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
