//! `files`: the folders that a step's parameters name, read and never written.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use tokio_util::io::ReaderStream;
use wasmtime::component::Resource;

use super::context::{StepContext, Stop};
use super::streams::ByteSource;
use super::v0_1_0::orchestrator::plugin::files::{Entry, Host, HostFolder};
use crate::failure::{Failure, FailureKind};
use crate::transfer::Source;

/// Entries of a page.
const PAGE: usize = 1_000;

/// What is read of a file at once.
const STREAM_BYTES: usize = 1024 * 1024;

/// Deeper than anybody nests folders.
const DEPTH_MAX: usize = 32;

/// What a plugin holds as a `folder`.
pub struct Folder {
    root: Arc<PathBuf>,
    /// All of it, once it was asked for: pages are parts of one listing.
    listed: Option<Vec<Entry>>,
}

impl Host for StepContext {
    async fn open(&mut self, binding: String) -> Result<Resource<Folder>, Failure> {
        self.grants.folder(&binding)?;
        let root = self.bindings.folders.get(&binding).cloned();
        let root = root
            .ok_or_else(|| Failure::not_found(format!("there is no folder named {binding:?}")))?;
        let there = blocking(&self.stop, move || Ok((root.is_dir(), root))).await?;
        match there {
            (true, root) => self.keep(Folder {
                root: Arc::new(root),
                listed: None,
            }),
            (false, root) => Err(Failure::not_found(format!(
                "{} is not a folder",
                root.display()
            ))),
        }
    }
}

impl HostFolder for StepContext {
    async fn list(
        &mut self,
        folder: Resource<Folder>,
        after: Option<String>,
    ) -> Result<Vec<Entry>, Failure> {
        let held = self.held(&folder)?;
        let (root, listed) = (held.root.clone(), held.listed.clone());
        let all = match listed {
            Some(all) => all,
            None => blocking(&self.stop, move || list(&root)).await?,
        };
        let after = after.as_deref().unwrap_or_default();
        let begin = all.partition_point(|entry| entry.path.as_str() <= after);
        let page = all[begin..].iter().take(PAGE).cloned().collect();
        self.table
            .get_mut(&folder)
            .map_err(|error| Failure::internal(error.to_string()))?
            .listed = Some(all);
        Ok(page)
    }

    async fn read(
        &mut self,
        folder: Resource<Folder>,
        paths: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let root = self.held(&folder)?.root.clone();
        let most = self.grants.limits.call_bytes;
        blocking(&self.stop, move || read(&root, &paths, most)).await
    }

    async fn source(
        &mut self,
        folder: Resource<Folder>,
        path: String,
    ) -> Result<Resource<ByteSource>, Failure> {
        let root = self.held(&folder)?.root.clone();
        let label = path.clone();
        let file = blocking(&self.stop, move || {
            open_one(&root, &path)?.ok_or_else(|| {
                Failure::not_found(format!("there is no file {path} in {}", root.display()))
            })
        })
        .await?;
        let named = label.clone();
        let chunks = ReaderStream::with_capacity(tokio::fs::File::from_std(file), STREAM_BYTES)
            .map(move |chunk| {
                chunk.map_err(|error| Failure::internal(format!("reading {named}: {error}")))
            });
        self.keep(ByteSource::new(Source::new(chunks.boxed()), label))
    }

    async fn drop(&mut self, folder: Resource<Folder>) -> wasmtime::Result<()> {
        self.table.delete(folder)?;
        Ok(())
    }
}

/// What waits for a disk, beside the asynchronous threads.
async fn blocking<T: Send + 'static>(
    stop: &Stop,
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let task = tokio::task::spawn_blocking(work);
    stop.race(async {
        task.await
            .map_err(|error| Failure::internal(format!("reading files: {error}")))?
    })
    .await
}

fn list(root: &Path) -> Result<Vec<Entry>, Failure> {
    let mut all = Vec::new();
    walk(root, "", 0, &mut all)?;
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

fn walk(folder: &Path, prefix: &str, depth: usize, all: &mut Vec<Entry>) -> Result<(), Failure> {
    let failed = |error: io::Error| unreadable(folder, &error);
    if depth > DEPTH_MAX {
        return Err(Failure::limit(format!(
            "{} lies deeper than {DEPTH_MAX} folders",
            folder.display()
        )));
    }
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // Of the entry itself: a link is neither.
        let kind = entry.file_type().map_err(failed)?;
        let path = format!("{prefix}{name}");
        if kind.is_dir() {
            let below = format!("{path}/");
            all.push(Entry {
                path,
                is_folder: true,
                bytes: 0,
            });
            walk(&entry.path(), &below, depth + 1, all)?;
        } else if kind.is_file() {
            all.push(Entry {
                path,
                is_folder: false,
                bytes: entry.metadata().map_err(failed)?.len(),
            });
        }
    }
    Ok(())
}

fn read(root: &Path, paths: &[String], most: usize) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let mut room = most;
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let file = read_one(root, path, room)?;
        room -= file.as_ref().map_or(0, Vec::len);
        files.push(file);
    }
    Ok(files)
}

/// `None` for what is no file, or behind a link.
fn open_one(root: &Path, path: &str) -> Result<Option<fs::File>, Failure> {
    let relative = Path::new(path);
    let is_plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_plain || path.is_empty() {
        return Err(Failure::invalid_input(format!(
            "{path:?} is no path below a folder"
        )));
    }
    open_below(root, relative).map_err(|error| unreadable(&root.join(relative), &error))
}

fn read_one(root: &Path, path: &str, room: usize) -> Result<Option<Vec<u8>>, Failure> {
    let Some(file) = open_one(root, path)? else {
        return Ok(None);
    };
    let whole = root.join(path);
    let mut bytes = Vec::new();
    file.take(room as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&whole, &error))?;
    if bytes.len() > room {
        return Err(
            Failure::limit(format!("{} is too large for one call", whole.display()))
                .hint("the limit is `call` under [limits] or [plugins.NAME.limits]"),
        );
    }
    Ok(Some(bytes))
}

/// Opens a file part by part, each below the one before: no link is followed, whoever changes the folder meanwhile. `None` for what is
/// not there, no regular file, or behind a link.
fn open_below(root: &Path, relative: &Path) -> io::Result<Option<fs::File>> {
    let through = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Opening a pipe would wait for somebody who writes.
    let last = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut place = openat(CWD, root, through - OFlags::NOFOLLOW, Mode::empty())?;
    let mut parts = relative.components().peekable();
    while let Some(part) = parts.next() {
        let flags = if parts.peek().is_some() {
            through
        } else {
            last
        };
        place = match openat(&place, part.as_os_str(), flags, Mode::empty()) {
            Ok(next) => next,
            // A link where none is followed is ELOOP; where a folder is wanted, ENOTDIR. A socket is ENXIO.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
    }
    let file = fs::File::from(place);
    Ok(file.metadata()?.is_file().then_some(file))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied => FailureKind::Refused,
        _ => FailureKind::Unavailable,
    };
    Failure::new(kind, format!("reading {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_below_is_listed_and_read_and_nothing_else() {
        let outside = tempfile::tempdir().expect("a folder");
        fs::write(outside.path().join("secret"), "secret").expect("written");
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("1 a/empty")).expect("made");
        fs::write(at("1 a/migration.sql"), "SELECT 1").expect("written");
        fs::write(at("lock"), "").expect("written");
        std::os::unix::fs::symlink(outside.path(), at("link")).expect("linked");
        std::os::unix::fs::symlink(outside.path().join("secret"), at("1 a/link")).expect("linked");
        let listed = list(root.path()).expect("listed");
        let paths: Vec<(&str, bool, u64)> = listed
            .iter()
            .map(|entry| (entry.path.as_str(), entry.is_folder, entry.bytes))
            .collect();
        assert_eq!(
            paths,
            [
                ("1 a", true, 0),
                ("1 a/empty", true, 0),
                ("1 a/migration.sql", false, 8),
                ("lock", false, 0),
            ]
        );
        let paths = [
            "1 a/migration.sql",
            "1 a/link",
            "link/secret",
            "1 a",
            "gone",
            "lock/x",
        ];
        let files = read(root.path(), &paths.map(str::to_owned), 8).expect("read");
        assert_eq!(files[0].as_deref(), Some(&b"SELECT 1"[..]));
        assert!(files[1..].iter().all(Option::is_none), "{files:?}");
        for path in ["../secret", "/etc/passwd", "a/../../b", ""] {
            let failure = read(root.path(), &[path.to_owned()], 8).expect_err("outside");
            assert_eq!(failure.kind, FailureKind::InvalidInput, "{path}");
        }
        let twice = ["1 a/migration.sql", "1 a/migration.sql"].map(str::to_owned);
        let failure = read(root.path(), &twice, 15).expect_err("too large");
        assert_eq!(failure.kind, FailureKind::LimitExceeded);
    }
}
