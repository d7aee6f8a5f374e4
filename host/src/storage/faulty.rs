//! A storage that fails as it is told to, around a real one: for tests of what stands above a storage.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;

use super::{ByteStream, Key, ObjectInfo, ObjectWriter, Storage, StorageError, StorageErrorKind};

/// What goes wrong. The counts are of calls of all methods together.
#[allow(missing_docs, reason = "the variants say it")]
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The first calls end with an error of this kind.
    Fail {
        calls: usize,
        kind: StorageErrorKind,
    },
    /// Streams of `get` end with `Unavailable` after this many bytes.
    BreakReads { after: u64 },
    /// Streams of `get` end after this many bytes as if that were all.
    ShortenReads { after: u64 },
    /// Streams of `get` have one bit of this byte turned.
    FlipByte { at: u64 },
    /// Writers fail with `Full` after this many bytes.
    FillUp { after: u64 },
}

/// A storage with a fault.
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    fault: Fault,
    calls: AtomicUsize,
}

impl FaultyStorage {
    /// Puts a fault into a storage.
    pub fn new(inner: Arc<dyn Storage>, fault: Fault) -> FaultyStorage {
        FaultyStorage {
            inner,
            fault,
            calls: AtomicUsize::new(0),
        }
    }

    /// How often any method was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn call(&self, doing: &str) -> Result<(), StorageError> {
        let earlier = self.calls.fetch_add(1, Ordering::SeqCst);
        match self.fault {
            Fault::Fail { calls, kind } if earlier < calls => {
                Err(StorageError::new(kind, doing, "simulated"))
            }
            _ => Ok(()),
        }
    }

    fn spoil(&self, whole: ByteStream) -> ByteStream {
        let fault = self.fault;
        let pieces = whole.scan(0, move |at: &mut u64, piece| {
            let piece = piece.map(|bytes| spoil_piece(fault, *at, &bytes));
            if let Ok(Some(bytes)) = &piece {
                *at += bytes.len() as u64;
            }
            // `None` ends the stream.
            std::future::ready(piece.transpose())
        });
        match fault {
            Fault::BreakReads { .. } => {
                let error = StorageError::new(StorageErrorKind::Unavailable, "read", "simulated");
                pieces.chain(stream::iter([Err(error)])).boxed()
            }
            _ => pieces.boxed(),
        }
    }
}

fn spoil_piece(fault: Fault, at: u64, bytes: &Bytes) -> Option<Bytes> {
    match fault {
        Fault::BreakReads { after } | Fault::ShortenReads { after } => {
            let left = after.saturating_sub(at).min(bytes.len() as u64) as usize;
            (left > 0).then(|| bytes.slice(..left))
        }
        Fault::FlipByte { at: place } => {
            let mut bytes = bytes.to_vec();
            let place = place.checked_sub(at).map(|place| place as usize);
            if let Some(byte) = place.and_then(|place| bytes.get_mut(place)) {
                *byte ^= 1;
            }
            Some(bytes.into())
        }
        Fault::Fail { .. } | Fault::FillUp { .. } => Some(bytes.clone()),
    }
}

#[async_trait]
impl Storage for FaultyStorage {
    fn location(&self) -> String {
        self.inner.location()
    }

    async fn create(
        &self,
        key: &Key,
        expected_bytes: Option<u64>,
    ) -> Result<Box<dyn ObjectWriter>, StorageError> {
        self.call("create")?;
        let inner = self.inner.create(key, expected_bytes).await?;
        Ok(match self.fault {
            Fault::FillUp { after } => Box::new(FillingWriter { inner, left: after }),
            _ => inner,
        })
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream, StorageError> {
        self.call("get")?;
        Ok(self.spoil(self.inner.get(key, range).await?))
    }

    async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StorageError> {
        self.call("head")?;
        self.inner.head(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
    ) -> Result<Vec<ObjectInfo>, StorageError> {
        self.call("list")?;
        self.inner.list(prefix, after).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        self.call("folders")?;
        self.inner.folders(prefix).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.call("delete")?;
        self.inner.delete(keys).await
    }

    async fn persist(&self, folder: &str) -> Result<(), StorageError> {
        self.call("persist")?;
        self.inner.persist(folder).await
    }

    async fn remove_unfinished(&self, prefix: &str) -> Result<u64, StorageError> {
        self.call("remove unfinished")?;
        self.inner.remove_unfinished(prefix).await
    }
}

struct FillingWriter {
    inner: Box<dyn ObjectWriter>,
    left: u64,
}

#[async_trait]
impl ObjectWriter for FillingWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        match self.left.checked_sub(bytes.len() as u64) {
            Some(left) => {
                self.left = left;
                self.inner.write(bytes).await
            }
            None => Err(StorageError::new(
                StorageErrorKind::Full,
                "write",
                "simulated",
            )),
        }
    }

    async fn finish(self: Box<Self>) -> Result<ObjectInfo, StorageError> {
        self.inner.finish().await
    }

    async fn abort(self: Box<Self>) {
        self.inner.abort().await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;
    use crate::storage::{Folder, remove_all};

    async fn with(fault: Fault) -> (tempfile::TempDir, FaultyStorage, Key) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = Arc::new(Folder::new(folder.path()));
        let key = Key::parse("a/b").expect("a key");
        let mut writer = storage.create(&key, None).await.expect("created");
        writer.write("0123456789".into()).await.expect("written");
        writer.finish().await.expect("finished");
        (folder, FaultyStorage::new(storage, fault), key)
    }

    async fn read(storage: &FaultyStorage, key: &Key) -> Result<Vec<u8>, StorageError> {
        let pieces: Vec<Bytes> = storage.get(key, None).await?.try_collect().await?;
        Ok(pieces.concat())
    }

    #[tokio::test]
    async fn calls_fail_as_often_as_told() {
        let kind = StorageErrorKind::Throttled;
        let (_folder, storage, key) = with(Fault::Fail { calls: 2, kind }).await;
        for _ in 0..2 {
            let error = remove_all(&storage, "a").await.expect_err("simulated");
            assert_eq!(error.kind(), kind);
            assert!(!error.is_permanent());
        }
        remove_all(&storage, "a").await.expect("the third time");
        assert_eq!(storage.head(&key).await, Ok(None));
        assert_eq!(storage.calls(), 7);
    }

    #[tokio::test]
    async fn bytes_are_spoiled_as_told() {
        let (_folder, storage, key) = with(Fault::FlipByte { at: 3 }).await;
        assert_eq!(read(&storage, &key).await.expect("read"), b"0122456789");
        let (_folder, storage, key) = with(Fault::ShortenReads { after: 4 }).await;
        assert_eq!(read(&storage, &key).await.expect("read"), b"0123");
        let (_folder, storage, key) = with(Fault::BreakReads { after: 4 }).await;
        let error = read(&storage, &key).await.expect_err("simulated");
        assert_eq!(error.kind(), StorageErrorKind::Unavailable);
    }

    #[tokio::test]
    async fn writers_fill_up() {
        let (_folder, storage, key) = with(Fault::FillUp { after: 3 }).await;
        let mut writer = storage.create(&key, None).await.expect("created");
        writer.write("abc".into()).await.expect("it fits");
        let error = writer.write("d".into()).await.expect_err("simulated");
        assert_eq!(error.kind(), StorageErrorKind::Full);
        writer.abort().await;
        assert_eq!(read(&storage, &key).await.expect("read"), b"0123456789");
    }
}
