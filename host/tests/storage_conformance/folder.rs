//! A folder as a backend, and what only a folder can do wrong.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use orchestrator::storage::{
    Folder, Storage, StorageError, StorageErrorKind, StorageOptions, open,
};
use tempfile::TempDir;

use crate::support::{Backend, key, keys, put, read};

/// A folder that does not exist yet, in a temporary one.
pub struct FolderBackend {
    temporary: TempDir,
    storage: Arc<dyn Storage>,
}

impl FolderBackend {
    pub fn start() -> FolderBackend {
        let temporary = tempfile::tempdir().expect("a temporary folder");
        let storage = Arc::new(Folder::new(temporary.path().join("backups")));
        FolderBackend { temporary, storage }
    }

    fn root(&self) -> PathBuf {
        self.temporary.path().join("backups")
    }
}

#[async_trait]
impl Backend for FolderBackend {
    fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }

    async fn leave_unfinished(&self, key: &str) {
        let path = self.root().join(key);
        let folder = path.parent().expect("below the root");
        fs::create_dir_all(folder).expect("a new folder");
        let name = format!(".partial-{}", key.replace('/', "-"));
        fs::write(folder.join(name), "half").expect("a new file");
    }

    async fn unfinished(&self) -> usize {
        files(&self.root())
            .iter()
            .filter(|path| path.to_string_lossy().contains(".partial-"))
            .count()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// So much that there is a file before the end.
const BEGUN: &[u8] = &[b'x'; 512 * 1024];

/// Why no object of this key can be written: a small one is begun when it ends.
async fn refused(storage: &dyn Storage, name: &str) -> StorageError {
    let mut writer = match storage.create(&key(name), None).await {
        Ok(writer) => writer,
        Err(error) => return error,
    };
    writer.write("x".into()).await.expect("gathered");
    writer.finish().await.expect_err("it cannot be written")
}

#[tokio::test]
async fn links_lead_nowhere() {
    let backend = FolderBackend::start();
    let (storage, root) = (backend.storage(), backend.root());
    let outside = backend.temporary.path().join("outside");
    fs::create_dir_all(&outside).expect("a new folder");
    fs::write(outside.join("secret"), "secret").expect("a new file");
    put(storage, "app/object", "x").await;
    symlink(&outside, root.join("linked")).expect("a link");
    symlink(outside.join("secret"), root.join("app/secret")).expect("a link");

    for name in ["linked/secret", "app/secret"] {
        assert_eq!(storage.head(&key(name)).await, Ok(None));
        let error = read(storage, name).await.expect_err("a link");
        assert_eq!(error.kind(), StorageErrorKind::NotFound);
    }
    assert_eq!(keys(storage, "").await, ["app/object"]);
    assert_eq!(storage.folders("").await.expect("named"), ["app"]);
    refused(storage.as_ref(), "linked/new").await;
    storage
        .delete(&[key("linked/secret")])
        .await
        .expect("absent");
    // Writing to a link's name replaces the link, not what it points to.
    put(storage, "app/secret", "mine").await;
    assert_eq!(
        fs::read(outside.join("secret")).expect("still there"),
        b"secret"
    );
    assert_eq!(fs::read_dir(&outside).expect("a folder").count(), 1);
}

#[tokio::test]
async fn the_folder_itself_may_be_a_link() {
    let backend = FolderBackend::start();
    let link = backend.temporary.path().join("link");
    fs::create_dir(backend.root()).expect("a new folder");
    symlink(backend.root(), &link).expect("a link");
    let url = format!("file://{}", link.display());
    let storage = open(&url, StorageOptions::default()).await.expect("opened");
    put(&storage, "a/b", "x").await;
    assert_eq!(keys(backend.storage(), "").await, ["a/b"]);
    assert_eq!(storage.location(), link.display().to_string());
}

#[tokio::test]
async fn a_relative_folder_is_below_its_base() {
    let backend = FolderBackend::start();
    let options = StorageOptions {
        relative_to: Some(backend.temporary.path().to_owned()),
        ..StorageOptions::default()
    };
    let storage = open("file:backups", options).await.expect("opened");
    put(&storage, "x", "x").await;
    assert!(backend.root().join("x").exists());
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let backend = FolderBackend::start();
    put(backend.storage(), "app/1/toc.dat", "x").await;
    let mode = |path: &str| {
        let metadata = fs::metadata(backend.root().join(path)).expect("there");
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode("app/1/toc.dat"), 0o600);
    assert_eq!([mode(""), mode("app"), mode("app/1")], [0o700; 3]);
}

#[tokio::test]
async fn a_living_writer_is_left_alone() {
    let backend = FolderBackend::start();
    let storage = backend.storage();
    let mut writer = storage
        .create(&key("app/1/x"), None)
        .await
        .expect("created");
    writer.write(BEGUN.into()).await.expect("written");
    assert_eq!(backend.unfinished().await, 1);
    backend.leave_unfinished("app/1/y").await;
    assert_eq!(storage.remove_unfinished("").await.expect("removed"), 1);
    writer.finish().await.expect("still there");
    assert_eq!(read(storage, "app/1/x").await.expect("read"), BEGUN);
}

#[tokio::test]
async fn empty_folders_go() {
    let backend = FolderBackend::start();
    let storage = backend.storage();
    put(storage, "a/b/c/1", "x").await;
    put(storage, "a/2", "x").await;
    storage.delete(&[key("a/b/c/1")]).await.expect("deleted");
    assert!(!backend.root().join("a/b").exists());
    let mut writer = storage
        .create(&key("a/d/e/1"), None)
        .await
        .expect("created");
    writer.write(BEGUN.into()).await.expect("written");
    assert!(backend.root().join("a/d/e").exists());
    drop(writer);
    assert!(!backend.root().join("a/d").exists());
    backend.leave_unfinished("f/g").await;
    storage.remove_unfinished("f").await.expect("removed");
    assert!(!backend.root().join("f").exists());
    storage.delete(&[key("a/2")]).await.expect("deleted");
    assert!(backend.root().exists(), "the storage's own folder stays");
}

#[tokio::test]
async fn a_folder_and_an_object_cannot_share_a_name() {
    let backend = FolderBackend::start();
    let storage = backend.storage();
    put(storage, "a/b", "x").await;
    refused(storage.as_ref(), "a/b/c").await;
    let mut writer = storage.create(&key("a"), None).await.expect("created");
    writer.write("x".into()).await.expect("written");
    writer.finish().await.expect_err("a folder is there");
    assert_eq!(backend.unfinished().await, 0);
    assert_eq!(storage.head(&key("a")).await, Ok(None));
    assert_eq!(keys(storage, "").await, ["a/b"]);
}

#[tokio::test]
async fn a_storage_that_may_not_be_written_says_so() {
    // Not even root makes folders there.
    let storage = Folder::new("/sys/orchestrator");
    let error = refused(&storage, "x").await;
    assert_eq!(error.kind(), StorageErrorKind::AccessDenied, "{error}");
    assert!(error.to_string().contains("/sys/orchestrator"));
    assert!(error.hint().is_some());

    let backend = FolderBackend::start();
    fs::write(backend.root(), "a file").expect("a new file");
    let error = refused(backend.storage().as_ref(), "x").await;
    assert!(error.is_permanent(), "{error}");
}
