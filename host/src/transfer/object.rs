//! Sinks: an object in a storage, and nowhere.

use futures_util::StreamExt;
use sha2::{Digest, Sha256};

use super::encryption::{self, Keys};
use super::join::{Parts, joined};
use super::source::Source;
use super::task::Receipt;
use crate::failure::Failure;
use crate::storage::{ObjectInfo, ObjectWriter};

/// Writes the sources one after another as one object, encrypted where keys are given. On failure, or when dropped, the object
/// never appears.
pub async fn store(
    sources: Vec<Source>,
    keys: Option<&Keys>,
    writer: Box<dyn ObjectWriter>,
) -> Result<Receipt, Failure> {
    let (writer, receipt) = write(sources, keys, writer).await?;
    check_length(writer.finish().await?, receipt)
}

/// The same for one of many objects, which [`Storage::persist`](crate::storage::Storage::persist) makes durable together.
pub async fn store_in_set(
    sources: Vec<Source>,
    keys: Option<&Keys>,
    writer: Box<dyn ObjectWriter>,
) -> Result<Receipt, Failure> {
    let (writer, receipt) = write(sources, keys, writer).await?;
    check_length(writer.finish_in_set().await?, receipt)
}

fn check_length(stored: ObjectInfo, receipt: Receipt) -> Result<Receipt, Failure> {
    if stored.bytes != receipt.bytes {
        return Err(Failure::corrupt(format!(
            "{} holds {} bytes after {} were written to it",
            stored.key, stored.bytes, receipt.bytes
        )));
    }
    Ok(receipt)
}

async fn write(
    sources: Vec<Source>,
    keys: Option<&Keys>,
    mut writer: Box<dyn ObjectWriter>,
) -> Result<(Box<dyn ObjectWriter>, Receipt), Failure> {
    let parts = Parts::default();
    // The only part of an object that is stored as it is has been hashed as such.
    let is_one = sources.len() == 1 && keys.is_none();
    let mut chunks = joined(sources, parts.clone());
    if let Some(keys) = keys {
        chunks = encryption::encrypt(chunks, keys)?;
    }
    let mut hash = (!is_one).then(Sha256::new);
    let mut bytes = 0;
    while let Some(chunk) = chunks.next().await {
        let written = match chunk {
            Ok(chunk) => {
                if let Some(hash) = &mut hash {
                    hash.update(&chunk);
                }
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
    let parts = parts.take();
    let sha256 = match hash {
        Some(hash) => hex::encode(hash.finalize()),
        None => parts
            .first()
            .map(|part| part.sha256.clone())
            .unwrap_or_default(),
    };
    let receipt = Receipt {
        bytes,
        sha256,
        plain_bytes: parts.iter().map(|part| part.plain_bytes).sum(),
        rows: parts
            .iter()
            .filter_map(|part| part.rows)
            .reduce(|sum, rows| sum + rows),
        parts,
        steps: Vec::new(),
    };
    Ok((writer, receipt))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::TryStreamExt;

    use super::*;
    use crate::failure::FailureKind;
    use crate::storage::faulty::{Fault, FaultyStorage};
    use crate::storage::{Folder, Key, Storage, StorageErrorKind};

    const STORED: &[u8] = b"0123456789";

    /// A folder that holds one object, with a fault in it.
    struct Stage {
        _folder: tempfile::TempDir,
        whole: Arc<Folder>,
        key: Key,
        digest: [u8; 32],
    }

    impl Stage {
        async fn new() -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let whole = Arc::new(Folder::new(folder.path()));
            let key = Key::parse("app/1").expect("a key");
            let writer = whole.create(&key, None).await.expect("created");
            let source = Source::from_bytes(Bytes::from_static(STORED));
            store(vec![source], None, writer).await.expect("stored");
            Self {
                _folder: folder,
                whole,
                key,
                digest: Sha256::digest(STORED).into(),
            }
        }

        fn with(&self, fault: Fault) -> Arc<dyn Storage> {
            Arc::new(FaultyStorage::new(self.whole.clone(), fault))
        }

        /// Reads the object as a restore and a verification do.
        async fn read(&self, fault: Fault) -> Result<Receipt, Failure> {
            let (storage, key) = (self.with(fault), self.key.clone());
            let source = Source::new(Source::deferred(async move {
                let chunks = storage.get(&key, None).await?;
                Ok(chunks.map_err(Failure::from).boxed())
            }));
            let length = STORED.len() as u64;
            discard(source.expect("app/1".to_owned(), length, self.digest)).await
        }
    }

    #[tokio::test]
    async fn wrong_bytes_of_a_folder_are_never_taken_for_right_ones() {
        let stage = Stage::new().await;
        for at in 0..STORED.len() as u64 {
            for fault in [
                Fault::FlipByte { at },
                Fault::ShortenReads { after: at },
                Fault::BreakReads { after: at },
            ] {
                let failure = stage.read(fault).await.expect_err("other bytes");
                let kind = match fault {
                    Fault::BreakReads { .. } => FailureKind::Unavailable,
                    _ => FailureKind::Corrupt,
                };
                assert_eq!(failure.kind, kind, "{fault:?}: {failure}");
                assert!(failure.hint.is_some(), "{fault:?}: {failure}");
            }
        }
        let past = Fault::FlipByte { at: 10 };
        assert_eq!(stage.read(past).await.expect("whole").bytes, 10);
    }

    #[tokio::test]
    async fn a_storage_that_fills_up_keeps_the_old_object_and_nothing_else() {
        let stage = Stage::new().await;
        for after in 0..8 {
            let storage = stage.with(Fault::FillUp { after });
            let writer = storage.create(&stage.key, None).await.expect("created");
            let pieces = ["ab", "cd", "ef", "gh"].map(|piece| Source::from_bytes(piece.into()));
            let failure = store(pieces.into(), None, writer).await;
            let failure = failure.expect_err("it is full");
            assert_eq!(failure.kind, FailureKind::LimitExceeded, "{failure}");
            assert!(failure.hint.is_some());
        }
        let info = stage.whole.head(&stage.key).await.expect("asked");
        assert_eq!(info.expect("the old one").bytes, STORED.len() as u64);
        assert_eq!(stage.whole.list("", None).await.expect("listed").len(), 1);
        let unfinished = stage.whole.remove_unfinished("").await;
        assert_eq!(unfinished.expect("nothing"), 0);
    }

    #[tokio::test]
    async fn a_storage_that_refuses_is_told_as_it_is() {
        let stage = Stage::new().await;
        for (kind, expected) in [
            (StorageErrorKind::Throttled, FailureKind::Unavailable),
            (StorageErrorKind::AccessDenied, FailureKind::Refused),
        ] {
            let failure = stage.read(Fault::Fail { calls: 1, kind }).await;
            assert_eq!(failure.expect_err("refused").kind, expected);
        }
    }
}
