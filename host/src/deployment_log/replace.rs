//! Files that other programs may read at any time: replaced as a whole, or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::error::LogError;

/// Writes a new file, of these pieces, beside the old one, syncs it, and puts it in its place. An existing file keeps its mode, and a
/// symbolic link stays one. A new file gets `mode`, less the umask. Writers of one file take turns by a lock of theirs.
pub(super) fn replace(path: &Path, pieces: &[impl AsRef<[u8]>], mode: u32) -> Result<(), LogError> {
    write(path, pieces, mode).map_err(LogError::file("replace", path))
}

/// A file that is locked to this process until it is dropped. Waits for other holders; they hold it for a few writes.
pub(super) fn lock(path: &Path) -> Result<File, LogError> {
    let locked = || {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)?;
        file.lock()?;
        Ok(file)
    };
    locked().map_err(LogError::file("lock", path))
}

/// The new file has a fixed name, so that a killed process leaves at most one behind, which the next writer replaces.
fn write(path: &Path, pieces: &[impl AsRef<[u8]>], mode: u32) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidFilename)?);
    name.push(".new");
    let new = folder.join(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(mode)
        .open(&new)?;
    let written = fill(file, &path, pieces).and_then(|()| fs::rename(&new, &path));
    if written.is_err() {
        // Half of it would take room on the disk that has none.
        let _ = fs::remove_file(&new);
    }
    written?;
    // The rename itself is only durable once the folder is.
    File::open(folder)?.sync_all()
}

/// Writes the pieces, durably, into the file that is to take the place of another one.
fn fill(file: File, of: &Path, pieces: &[impl AsRef<[u8]>]) -> io::Result<()> {
    if let Ok(known) = fs::metadata(of) {
        file.set_permissions(known.permissions())?;
    }
    let mut buffered = BufWriter::new(file);
    for piece in pieces {
        buffered.write_all(piece.as_ref())?;
    }
    buffered.into_inner()?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_link_and_a_mode_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("log.md"), folder.path().join("link.md"));
        fs::write(&target, "old").unwrap();
        fs::set_permissions(&target, Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        fs::write(folder.path().join(".log.md.new"), "of a killed process").unwrap();
        replace(&link, &["n", "ew"], 0o600).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
        assert_eq!(
            fs::metadata(&target).unwrap().permissions().mode() & 0o777,
            0o640
        );
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "no temporary file is left"
        );
    }

    #[test]
    fn nothing_half_stays_beside_a_file_that_cannot_be_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.md");
        fs::create_dir(&path).unwrap();
        assert!(replace(&path, &["new"], 0o600).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
