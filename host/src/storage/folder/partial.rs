//! A file that is being written: under a temporary name until it is whole and on the disk.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use rustix::fs::{self, AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::blocking;
use super::tree::{FileStat, Tree, split};
use crate::storage::key::PARTIAL;
use crate::storage::{Key, ObjectInfo, ObjectWriter, StorageError, StorageErrorKind};

/// What is written at once: smaller pieces are gathered, as each write takes a switch of threads.
const GATHERED_BYTES: usize = 256 * 1024;
/// A file of a set that is this large is written to the disk by itself, while others are still computed.
const LARGE_BYTES: u64 = 1024 * 1024;

/// How often a new file is begun when somebody removes its folder or the file itself at the same time.
const ATTEMPTS: usize = 16;

/// A file under a temporary name, locked as long as its writer lives. Dropping it removes it.
pub(super) struct Partial {
    tree: Arc<Tree>,
    key: Key,
    folder: OwnedFd,
    name: String,
    file: File,
    published: bool,
}

impl Partial {
    /// Begins a file beside the one that it will become.
    pub fn begin(tree: Arc<Tree>, key: Key) -> io::Result<Partial> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match Partial::try_begin(&tree, &key) {
                // A folder was removed after it was found, as it was empty, or the file before it was locked.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {}
                other => return other,
            }
        }
    }

    fn try_begin(tree: &Arc<Tree>, key: &Key) -> io::Result<Partial> {
        let folder = tree.make_folder(&split(key).0)?;
        let name = format!("{PARTIAL}{}", uuid::Uuid::now_v7().simple());
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = fs::openat(&folder, name.as_str(), flags, Mode::RUSR | Mode::WUSR)?;
        lock(&file)?;
        Ok(Partial {
            tree: tree.clone(),
            key: key.clone(),
            folder,
            name,
            file: File::from(file),
            published: false,
        })
    }

    fn publish(mut self, durability: Durability) -> io::Result<FileStat> {
        let stat = fs::fstat(&self.file)?;
        let stat = FileStat::from(&stat);
        if durability == Durability::Now || stat.bytes >= LARGE_BYTES {
            fs::fsync(&self.file)?;
        }
        fs::renameat(
            &self.folder,
            self.name.as_str(),
            &self.folder,
            split(&self.key).1,
        )?;
        self.published = true;
        if durability == Durability::Now {
            fs::fsync(&self.folder)?;
        }
        Ok(stat)
    }
}

/// When a file has to survive a crash of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// As soon as it is there.
    Now,
    /// When its folder is persisted.
    WithTheSet,
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is found by `remove_unfinished`.
            let _ = fs::unlinkat(&self.folder, self.name.as_str(), AtFlags::empty());
            self.tree.remove_empty_folders(&split(&self.key).0);
        }
    }
}

/// Locks a new file against `remove_unfinished`; an error of the kind `NotFound` when that was there first.
fn lock(file: &OwnedFd) -> io::Result<()> {
    let locked = fs::flock(file, FlockOperation::NonBlockingLockExclusive);
    // Some file systems have no locks; then nobody else has one either.
    if locked == Err(Errno::WOULDBLOCK) || fs::fstat(file)?.st_nlink == 0 {
        return Err(Errno::NOENT.into());
    }
    Ok(())
}

/// Writes a [`Partial`]. It is lent to the thread that writes, so a write that is given up still ends in its removal.
pub(super) struct FolderWriter {
    tree: Arc<Tree>,
    key: Key,
    target: Target,
    /// Not in the file yet.
    gathered: Vec<Bytes>,
    gathered_bytes: usize,
    doing: String,
}

/// What a writer writes to.
enum Target {
    /// Nothing yet: a small object is begun, written and published at once, in one switch of threads.
    Later,
    Begun(Partial),
    /// An earlier write did not succeed.
    Lost,
}

impl FolderWriter {
    pub fn new(tree: Arc<Tree>, key: Key, doing: String) -> FolderWriter {
        FolderWriter {
            tree,
            key,
            target: Target::Later,
            gathered: Vec::new(),
            gathered_bytes: 0,
            doing,
        }
    }

    /// Writes what was gathered, and goes on with the file on the thread that wrote it.
    async fn flush<T: Send + 'static>(
        &mut self,
        then: impl FnOnce(Partial) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        self.gathered_bytes = 0;
        let gathered = std::mem::take(&mut self.gathered);
        let (tree, key) = (self.tree.clone(), self.key.clone());
        let target = std::mem::replace(&mut self.target, Target::Lost);
        blocking(self.doing.clone(), move |doing| {
            let io = |error| StorageError::io(doing, &error);
            let mut partial = match target {
                Target::Later => Partial::begin(tree, key).map_err(io)?,
                Target::Begun(partial) => partial,
                Target::Lost => {
                    let cause = "an earlier write did not succeed";
                    return Err(StorageError::new(StorageErrorKind::Other, doing, cause));
                }
            };
            let mut pieces = gathered.iter();
            pieces
                .try_for_each(|piece| partial.file.write_all(piece))
                .and_then(|()| then(partial))
                .map_err(io)
        })
        .await
    }

    async fn publish(mut self, durability: Durability) -> Result<ObjectInfo, StorageError> {
        let stat = self.flush(move |partial| partial.publish(durability));
        Ok(stat.await?.info(self.key))
    }
}

#[async_trait]
impl ObjectWriter for FolderWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.gathered_bytes += bytes.len();
        self.gathered.push(bytes);
        if self.gathered_bytes >= GATHERED_BYTES {
            self.target = Target::Begun(self.flush(Ok).await?);
        }
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<ObjectInfo, StorageError> {
        self.publish(Durability::Now).await
    }

    async fn finish_in_set(self: Box<Self>) -> Result<ObjectInfo, StorageError> {
        self.publish(Durability::WithTheSet).await
    }

    async fn abort(mut self: Box<Self>) {
        let target = std::mem::replace(&mut self.target, Target::Lost);
        // It cannot fail: dropping is all that it does.
        let _ = blocking(self.doing.clone(), move |_| {
            drop(target);
            Ok(())
        })
        .await;
    }
}
