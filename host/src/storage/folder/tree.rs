//! Files below a root by key, each step relative to an open folder, so that no link leads out of it.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::storage::{Key, ObjectInfo};

const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::RDONLY)
    .union(OFlags::CLOEXEC);

/// The most files of a folder that are waited for one by one.
#[cfg(target_os = "linux")]
const FILES_WAITED_FOR: usize = 64;

/// The folder of a storage.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// What is known of a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct FileStat {
    pub bytes: u64,
    /// Unix milliseconds.
    pub modified: u64,
}

impl Tree {
    pub fn new(root: PathBuf) -> Tree {
        Tree { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a folder by the parts of its path; `None` when it does not exist, or is a file or a link.
    pub fn open_folder<'a>(
        &self,
        parts: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Option<OwnedFd>> {
        let root = fs::open(&self.root, FOLDER, Mode::empty());
        let Some(mut folder) = unless_absent(root)? else {
            return Ok(None);
        };
        for part in parts {
            match open_child(folder.as_fd(), OsStr::new(part))? {
                Some(child) => folder = child,
                None => return Ok(None),
            }
        }
        Ok(Some(folder))
    }

    /// Opens a folder, and makes it and those above it first where they are missing.
    pub fn make_folder(&self, parts: &[&str]) -> io::Result<OwnedFd> {
        // All objects of a backup but the first find it there.
        if let Some(folder) = self.open_folder(parts.iter().copied())? {
            return Ok(folder);
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)?;
        let mut folder = fs::open(&self.root, FOLDER, Mode::empty())?;
        for part in parts {
            match fs::mkdirat(&folder, *part, Mode::RWXU) {
                // The new name has to survive a crash as the file in it does.
                Ok(()) => fs::fsync(&folder)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = fs::openat(&folder, *part, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(folder)
    }

    /// Waits until the files of a folder, and their names, are on the disk.
    pub fn persist<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
        let Some(folder) = self.open_folder(parts)? else {
            return Ok(());
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            if !entry.file_type().is_dir() {
                names.push(entry.file_name().to_owned());
            }
        }
        // Each file that is waited for makes the disk empty its cache. Past a few dozen, waiting for all that the file system
        // holds back is faster, although that is other programs' too (as pg_dump's --sync-method=syncfs).
        #[cfg(target_os = "linux")]
        if names.len() > FILES_WAITED_FOR {
            return Ok(fs::syncfs(&folder)?);
        }
        for name in names {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            let file = unless_absent(fs::openat(&folder, name.as_c_str(), flags, Mode::empty()))?;
            if let Some(file) = file {
                fs::fsync(&file)?;
            }
        }
        Ok(fs::fsync(&folder)?)
    }

    /// Opens the file of a key to read it; `None` when there is none.
    pub fn open_file(&self, key: &Key) -> io::Result<Option<(File, FileStat)>> {
        let (folder, name) = split(key);
        let Some(folder) = self.open_folder(folder)? else {
            return Ok(None);
        };
        // NONBLOCK: opening a FIFO that somebody put there would wait for its writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let Some(file) = unless_absent(fs::openat(&folder, name, flags, Mode::empty()))? else {
            return Ok(None);
        };
        let stat = fs::fstat(&file)?;
        let regular = FileType::from_raw_mode(stat.st_mode).is_file();
        Ok(regular.then(|| (File::from(file), FileStat::from(&stat))))
    }

    /// Removes the file of a key, and the folders that this leaves empty. An absent one is no error.
    pub fn remove(&self, key: &Key) -> io::Result<()> {
        let (parts, name) = split(key);
        if let Some(folder) = self.open_folder(parts.iter().copied())? {
            unless_absent(fs::unlinkat(&folder, name, AtFlags::empty()))?;
            self.remove_empty_folders(&parts);
        }
        Ok(())
    }

    /// Removes a folder and those above it, as long as they are empty. The root stays.
    pub fn remove_empty_folders(&self, parts: &[&str]) {
        for depth in (1..=parts.len()).rev() {
            let parent = self.open_folder(parts[..depth - 1].iter().copied());
            let Ok(Some(parent)) = parent else { return };
            if fs::unlinkat(&parent, parts[depth - 1], AtFlags::REMOVEDIR).is_err() {
                return;
            }
        }
    }
}

impl FileStat {
    pub fn info(self, key: Key) -> ObjectInfo {
        ObjectInfo {
            key,
            bytes: self.bytes,
            modified: self.modified,
        }
    }
}

impl From<&Stat> for FileStat {
    fn from(stat: &Stat) -> FileStat {
        let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
        #[allow(clippy::useless_conversion, reason = "it is signed on other systems")]
        let milliseconds = u64::try_from(stat.st_mtime_nsec).unwrap_or(0) / 1_000_000;
        FileStat {
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            modified: seconds.saturating_mul(1000).saturating_add(milliseconds),
        }
    }
}

/// Opens a folder in a folder; `None` when it does not exist, or is a file or a link.
pub(super) fn open_child(folder: impl AsFd, name: &OsStr) -> io::Result<Option<OwnedFd>> {
    unless_absent(fs::openat(
        folder,
        name,
        FOLDER | OFlags::NOFOLLOW,
        Mode::empty(),
    ))
}

/// The parts of the folder that holds a key's file, and the file's name.
pub(super) fn split(key: &Key) -> (Vec<&str>, &str) {
    let mut parts: Vec<&str> = key.parts().collect();
    // A key has at least one part.
    let name = parts.pop().unwrap_or_default();
    (parts, name)
}

fn unless_absent<T>(result: Result<T, Errno>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        // NOTDIR: a part of the path is a file or a link. LOOP: the last one is a link.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
