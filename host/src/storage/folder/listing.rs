//! Walks through the files below a root in the order of their keys' bytes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::tree::{FileStat, Tree, open_child};
use crate::storage::key::PARTIAL;
use crate::storage::{Key, ObjectInfo, PAGE};

/// The next page of the objects whose keys begin with `prefix` and come after `after` (empty for the first page).
pub(super) fn page(tree: &Tree, prefix: &str, after: &str) -> io::Result<Vec<ObjectInfo>> {
    let mut objects = Vec::new();
    let Some((folder, path)) = folder_of(tree, prefix)? else {
        return Ok(objects);
    };
    let wanted = |path: &str, whole: bool| {
        if whole {
            path.starts_with(prefix) && path > after
        } else {
            // Of a folder: whether something below it can be wanted.
            (path.starts_with(prefix) || prefix.starts_with(path))
                && (path > after || after.starts_with(path))
        }
    };
    let _ = walk(&folder, &path, &wanted, &mut |folder, name, path| {
        // Neither what is not a file nor a name that cannot be a key is an object.
        if let (Some(stat), Ok(key)) = (stat_file(folder, name)?, Key::parse(path)) {
            objects.push(stat.info(key));
        }
        Ok(if objects.len() < PAGE {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    Ok(objects)
}

/// The folders directly below a prefix that have an object below them.
pub(super) fn folders(tree: &Tree, prefix: &str) -> io::Result<Vec<String>> {
    let Some((folder, path)) = folder_of(tree, prefix)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for Child { name, is_folder } in children(&folder)? {
        let (true, Some(text)) = (is_folder, name.to_str()) else {
            continue;
        };
        let below = format!("{path}{text}/");
        let Some(child) = open_child(&folder, &name)? else {
            continue;
        };
        let found = walk(&child, &below, &|_, _| true, &mut |folder, name, path| {
            let object = Key::parse(path).is_ok() && stat_file(folder, name)?.is_some();
            Ok(if object {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        if found.is_break() {
            names.push(text.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Removes the files of writers that are dead, and the folders that this leaves empty.
pub(super) fn remove_partials(tree: &Tree, prefix: &str) -> io::Result<u64> {
    let Some((folder, path)) = folder_of(tree, prefix)? else {
        return Ok(0);
    };
    let mut dead = Vec::new();
    let wanted = |path: &str, whole: bool| {
        // A temporary file belongs to some key of its folder.
        let folder = if whole {
            path.rfind('/').map_or("", |end| &path[..=end])
        } else {
            path
        };
        folder.starts_with(prefix) || prefix.starts_with(folder)
    };
    let _ = walk(&folder, &path, &wanted, &mut |folder, name, path| {
        if name.as_bytes().starts_with(PARTIAL.as_bytes()) && remove_if_dead(folder, name)? {
            dead.push(path.to_owned());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    for path in &dead {
        let mut parts: Vec<&str> = path.split('/').collect();
        parts.pop();
        tree.remove_empty_folders(&parts);
    }
    Ok(dead.len() as u64)
}

type Visit<'a> = dyn FnMut(&OwnedFd, &OsStr, &str) -> Result<ControlFlow<()>, io::Error> + 'a;

/// Visits everything below a folder that is not a folder, in the order of the paths' bytes, until told to stop. `path` is
/// the folder's own, with its `/`; `wanted` is asked of every path, with `false` for a folder's.
fn walk(
    folder: &OwnedFd,
    path: &str,
    wanted: &dyn Fn(&str, bool) -> bool,
    visit: &mut Visit<'_>,
) -> io::Result<ControlFlow<()>> {
    for Child { name, is_folder } in children(folder)? {
        // A name that is not text is nobody's key.
        let Some(text) = name.to_str() else { continue };
        let below = format!("{path}{text}{}", if is_folder { "/" } else { "" });
        if below.len() > Key::MAX_BYTES || !wanted(&below, !is_folder) {
            continue;
        }
        let flow = if is_folder {
            match open_child(folder, &name)? {
                Some(child) => walk(&child, &below, wanted, visit)?,
                None => continue,
            }
        } else {
            visit(folder, &name, &below)?
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

struct Child {
    name: OsString,
    is_folder: bool,
}

/// What is in a folder, sorted so that paths come out in the order of their bytes: a folder counts with its `/`, which
/// `.` and `-` precede.
fn children(folder: &OwnedFd) -> io::Result<Vec<Child>> {
    let mut children = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Some file systems do not say.
            FileType::Unknown => match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            kind => kind,
        };
        children.push(Child {
            name: OsString::from_vec(name.to_vec()),
            is_folder: kind.is_dir(),
        });
    }
    children.sort_by_cached_key(|child| {
        let mut path = child.name.as_bytes().to_vec();
        path.extend(child.is_folder.then_some(b'/'));
        path
    });
    Ok(children)
}

/// The deepest folder that a prefix names, and its path with its `/`.
fn folder_of(tree: &Tree, prefix: &str) -> io::Result<Option<(OwnedFd, String)>> {
    let path = prefix.rfind('/').map_or("", |end| &prefix[..=end]);
    let parts = path.split_terminator('/');
    Ok(tree
        .open_folder(parts)?
        .map(|folder| (folder, path.to_owned())))
}

/// `None` for what is not a file, or no longer there.
fn stat_file(folder: impl AsFd, name: &OsStr) -> io::Result<Option<FileStat>> {
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_file() => {
            Ok(Some(FileStat::from(&stat)))
        }
        Ok(_) | Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes a temporary file unless its writer lives, which holds a lock on it.
fn remove_if_dead(folder: &OwnedFd, name: &OsStr) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match fs::openat(folder, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::LOOP) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Ok(false);
    }
    match fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
