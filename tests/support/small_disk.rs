//! A disk that is soon full: a tmpfs of a few MiB.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::guarded::User;
use crate::postgres::server_user;

/// Mounts, says so, and unmounts once standard input ends: with the test's process, whatever that dies of.
const GUARD: &str = r#"
trap '' HUP INT TERM
$1 mount -t tmpfs -o "size=$3,mode=0700,uid=$4,gid=$5" tmpfs "$2" && echo mounted
cat >/dev/null
$1 umount -l "$2"
"#;

/// A mounted disk. It is unmounted when dropped, and when the test's process dies.
#[derive(Debug)]
pub struct SmallDisk {
    guard: Child,
    folder: TempDir,
    sudo: &'static str,
}

impl SmallDisk {
    /// A disk of so many KiB, which belongs to whoever runs the tests. As somebody else than root it takes a `sudo` that asks
    /// nothing, as CI has.
    pub fn mount(kib: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let metadata = fs::metadata(folder.path()).expect("the folder's owner");
        let sudo = sudo(metadata.uid());
        let mut guard = Command::new("/bin/sh")
            .args(["-c", GUARD, "guard", sudo])
            .arg(folder.path())
            .arg(format!("{kib}k"))
            .args([metadata.uid(), metadata.gid()].map(|id| id.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/bin/sh starts");
        let mut said = String::new();
        let stdout = guard.stdout.take().expect("its output");
        BufReader::new(stdout)
            .read_line(&mut said)
            .expect("its output");
        assert_eq!(
            said.trim(),
            "mounted",
            "a tmpfs can be mounted: run the tests as root, or where `sudo -n` works"
        );
        Self {
            guard,
            folder,
            sudo,
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Gives it to the PostgreSQL servers' user, and lets that user reach it.
    pub fn give_to_server(&self) {
        if let Some(User { uid, gid }) = server_user() {
            chown(self.path(), Some(uid), Some(gid)).expect("root gives a folder away");
        }
    }

    /// The same disk with another size; its files stay.
    pub fn resize(&self, kib: usize) {
        let command = format!("{} mount -o remount,size={kib}k \"$0\"", self.sudo);
        let resized = Command::new("/bin/sh")
            .args(["-c", &command])
            .arg(self.path())
            .status();
        assert!(resized.is_ok_and(|status| status.success()), "a new size");
    }

    /// Leaves so many KiB of it free, by a file that `free_all` removes.
    pub fn leave(&self, kib: usize) {
        self.free_all();
        let mut filler = File::create(self.filler()).expect("a new file");
        while filler.write_all(&[0; 4096]).is_ok() {}
        let length = filler.metadata().expect("its length").len();
        let kept = length.saturating_sub(kib as u64 * 1024);
        filler.set_len(kept).expect("a shorter file");
    }

    /// Removes what `leave` has put there.
    pub fn free_all(&self) {
        if self.filler().exists() {
            fs::remove_file(self.filler()).expect("the filler goes");
        }
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Before the folder goes; nothing can be done about a guard that cannot be waited for.
        let _ = self.guard.wait();
    }
}

/// What a command that mounts begins with.
fn sudo(uid: u32) -> &'static str {
    match uid {
        0 => "",
        _ => "sudo -n",
    }
}
