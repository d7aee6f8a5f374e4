//! Where backups lie: one trait, with a folder or S3 behind it.
//!
//! An object becomes visible only when its writer finishes; a writer that is dropped, aborted or cut off leaves nothing that
//! `list`, `head` or `get` can see, and [`Storage::remove_unfinished`] clears what a killed process could not.

mod error;
#[cfg(test)]
pub mod faulty;
mod folder;
mod key;
mod location;
mod s3;

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use error::{StorageError, StorageErrorKind};
pub use folder::Folder;
pub use key::Key;
pub use location::{Location, StorageOptions, open};
pub use s3::{AccessKey, S3, S3Settings};

/// The most objects on a page of [`Storage::list`].
pub const PAGE: usize = 1000;

/// The bytes of an object, in pieces of a size that the storage chooses; never an empty piece.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageError>>;

/// An object that is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its key, relative to the storage.
    pub key: Key,
    /// Its length.
    pub bytes: u64,
    /// When it was stored, in Unix milliseconds.
    pub modified: u64,
}

/// Why a storage does not let go of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Nobody deletes it before, in Unix milliseconds.
    pub until: Option<u64>,
    /// Nobody deletes it until somebody takes the legal hold off.
    pub legal: bool,
}

/// Objects by key. Every method may be called at the same time as any other.
#[async_trait]
pub trait Storage: Send + Sync + 'static {
    /// What people call it: `s3://bucket/prefix` or a folder. Holds no secret.
    fn location(&self) -> String;

    /// Begins an object. It replaces one of the same key, but only when it is finished; until then readers see the old one.
    /// `expected_bytes` is a guess at its length, which may be wrong. What stands against it may show as late as when it is finished.
    async fn create(
        &self,
        key: &Key,
        expected_bytes: Option<u64>,
    ) -> Result<Box<dyn ObjectWriter>, StorageError>;

    /// Reads an object, or the bytes of a range of it; a range that reaches past its end is an error of the kind `Corrupt`.
    /// A connection that breaks is taken up again at the byte that was reached, as long as the object is still the same.
    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream, StorageError>;

    /// What is known of an object without reading it; `None` when there is none.
    async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StorageError>;

    /// The objects whose keys begin with `prefix` and come after `after`, in the order of their keys' bytes: at most
    /// [`PAGE`] of them. An empty page is the end. `prefix` need not end at a `/`.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
    ) -> Result<Vec<ObjectInfo>, StorageError>;

    /// The names directly below a prefix, which is empty or ends in `/`, that have objects below them; without their `/`,
    /// in the order of their bytes.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StorageError>;

    /// Whether an object is held against deletion; `None` for one that is absent, and where there is no such thing.
    async fn hold(&self, _key: &Key) -> Result<Option<Hold>, StorageError> {
        Ok(None)
    }

    /// Removes objects; absent ones are no error.
    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError>;

    /// Makes what [`ObjectWriter::finish_in_set`] stored directly below a folder's prefix as durable as what
    /// [`ObjectWriter::finish`] stores.
    async fn persist(&self, _folder: &str) -> Result<(), StorageError> {
        Ok(())
    }

    /// Clears what writers of keys that begin with `prefix` left when their process was killed, and says how much that was.
    /// S3 cannot tell a dead writer from a living one: the caller has to know that none is at work there.
    async fn remove_unfinished(&self, prefix: &str) -> Result<u64, StorageError>;
}

/// An object that is being written. Dropping it before it is finished aborts it.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Adds bytes to the end. After an error the object cannot be finished any more.
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError>;

    /// Stores what was written as one object, durably.
    async fn finish(self: Box<Self>) -> Result<ObjectInfo, StorageError>;

    /// The same for one of many objects: durable when [`Storage::persist`] has returned for its folder, too. For a storage that
    /// waits for a disk, waiting once for thousands of objects takes a small part of the time.
    async fn finish_in_set(self: Box<Self>) -> Result<ObjectInfo, StorageError> {
        self.finish().await
    }

    /// Throws away what was written, and waits until that is done.
    async fn abort(self: Box<Self>);
}

/// Removes everything below a folder's prefix, with or without its last `/`, and what was left unfinished there.
pub async fn remove_all(storage: &dyn Storage, folder: &str) -> Result<(), StorageError> {
    let folder = Key::parse(folder.trim_end_matches('/'))?;
    let prefix = format!("{folder}/");
    storage.remove_unfinished(&prefix).await?;
    loop {
        let page = storage.list(&prefix, None).await?;
        if page.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = page.into_iter().map(|object| object.key).collect();
        storage.delete(&keys).await?;
    }
}
