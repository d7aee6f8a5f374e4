//! What the cases are made of: a backend, and a few words to use a storage with.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
use orchestrator::storage::{Key, ObjectInfo, Storage, StorageError};

/// A storage of one kind that a case has for itself.
#[async_trait]
pub trait Backend: Send + Sync {
    fn storage(&self) -> &Arc<dyn Storage>;

    /// Leaves below the storage what a process leaves that is killed while it writes this key.
    async fn leave_unfinished(&self, key: &str);

    /// How much of that there is in the whole storage.
    async fn unfinished(&self) -> usize;

    /// The longest key that the server can hold, where it is shorter than S3's.
    fn longest_key(&self) -> usize {
        550
    }

    /// Whether the server can say what is unfinished.
    fn lists_unfinished(&self) -> bool {
        true
    }
}

pub fn key(text: &str) -> Key {
    Key::parse(text).expect("a valid key")
}

pub async fn put(storage: &Arc<dyn Storage>, name: &str, bytes: impl Into<Bytes>) -> ObjectInfo {
    let bytes = bytes.into();
    let length = Some(bytes.len() as u64);
    let mut writer = storage.create(&key(name), length).await.expect("created");
    writer.write(bytes).await.expect("written");
    writer.finish().await.expect("finished")
}

pub async fn read(storage: &Arc<dyn Storage>, name: &str) -> Result<Vec<u8>, StorageError> {
    collect(storage, name, None).await
}

pub async fn collect(
    storage: &Arc<dyn Storage>,
    name: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<Vec<u8>, StorageError> {
    let pieces: Vec<Bytes> = storage.get(&key(name), range).await?.try_collect().await?;
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    Ok(pieces.concat())
}

/// All keys below a prefix, page by page.
pub async fn keys(storage: &Arc<dyn Storage>, prefix: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut after: Option<Key> = None;
    loop {
        let page = storage.list(prefix, after.as_ref()).await.expect("listed");
        assert!(page.len() <= orchestrator::storage::PAGE);
        let Some(last) = page.last() else { return keys };
        after = Some(last.key.clone());
        keys.extend(page.into_iter().map(|object| object.key.to_string()));
    }
}

/// Bytes without a pattern that a mistake could keep, from a small generator (xorshift).
pub fn noise(length: usize) -> Bytes {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// Waits for what happens in the background.
pub async fn eventually_clean(backend: &dyn Backend) {
    for _ in 0..100 {
        if backend.unfinished().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("something unfinished stays behind");
}
