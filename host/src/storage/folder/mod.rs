//! A storage in a folder: an object is a file, its key the path below the folder.

mod listing;
mod partial;
mod reading;
mod tree;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;

use super::error::{StorageError, StorageErrorKind};
use super::key::{Key, check_folder, check_prefix};
use super::{ByteStream, ObjectInfo, ObjectWriter, Storage};
use partial::FolderWriter;
use tree::Tree;

/// A storage in a folder. Its files can be read by their owner alone (0600, folders 0700).
///
/// Links below the folder are not followed: they count as absent. The folder itself may be one. A folder that does not
/// exist holds nothing, and is made with the first object.
#[derive(Clone, Debug)]
pub struct Folder {
    tree: Arc<Tree>,
}

impl Folder {
    /// The storage in this folder; nothing is read or made yet.
    pub fn new(root: impl Into<PathBuf>) -> Folder {
        let root = root.into();
        // Without a working directory the path stays as it is.
        let root = std::path::absolute(&root).unwrap_or(root);
        Folder {
            tree: Arc::new(Tree::new(root)),
        }
    }

    /// Runs what waits for the disk beside the asynchronous threads. `doing` names it: `read app/toc.dat`.
    async fn run<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce(&Arc<Tree>) -> Result<T, std::io::Error> + Send + 'static,
    ) -> Result<T, StorageError> {
        let tree = self.tree.clone();
        let doing = format!("{doing} in {}", self.location());
        blocking(doing, move |doing| {
            work(&tree).map_err(|error| StorageError::io(doing, &error))
        })
        .await
    }
}

#[async_trait]
impl Storage for Folder {
    fn location(&self) -> String {
        self.tree.root().display().to_string()
    }

    async fn create(
        &self,
        key: &Key,
        _expected_bytes: Option<u64>,
    ) -> Result<Box<dyn ObjectWriter>, StorageError> {
        Ok(Box::new(FolderWriter::new(
            self.tree.clone(),
            key.clone(),
            format!("write {key} in {}", self.location()),
        )))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream, StorageError> {
        let wanted = key.clone();
        let doing = format!("read {key}");
        let file = self
            .run(doing.clone(), move |tree| tree.open_file(&wanted))
            .await?;
        let doing = format!("{doing} in {}", self.location());
        let Some((file, stat)) = file else {
            return Err(StorageError::new(
                StorageErrorKind::NotFound,
                doing,
                "there is no such object",
            ));
        };
        reading::stream(file, stat.bytes, range, doing)
    }

    async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StorageError> {
        let wanted = key.clone();
        self.run(format!("look for {key}"), move |tree| {
            let file = tree.open_file(&wanted)?;
            Ok(file.map(|(_, stat)| stat.info(wanted)))
        })
        .await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
    ) -> Result<Vec<ObjectInfo>, StorageError> {
        check_prefix(prefix)?;
        let (prefix, after) = (prefix.to_owned(), after.cloned());
        self.run(format!("list {prefix:?}"), move |tree| {
            listing::page(tree, &prefix, after.as_ref().map_or("", Key::as_str))
        })
        .await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        check_folder(prefix)?;
        let prefix = prefix.to_owned();
        self.run(format!("list the folders of {prefix:?}"), move |tree| {
            listing::folders(tree, &prefix)
        })
        .await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        for key in keys {
            let doomed = key.clone();
            self.run(format!("delete {key}"), move |tree| tree.remove(&doomed))
                .await?;
        }
        Ok(())
    }

    async fn persist(&self, folder: &str) -> Result<(), StorageError> {
        check_folder(folder)?;
        let folder = folder.to_owned();
        self.run(format!("write {folder:?} to the disk"), move |tree| {
            tree.persist(folder.split_terminator('/'))
        })
        .await
    }

    async fn remove_unfinished(&self, prefix: &str) -> Result<u64, StorageError> {
        check_prefix(prefix)?;
        let prefix = prefix.to_owned();
        self.run(
            format!("remove what is unfinished below {prefix:?}"),
            move |tree| listing::remove_partials(tree, &prefix),
        )
        .await
    }
}

/// Runs what blocks on a thread made for that.
async fn blocking<T: Send + 'static>(
    doing: String,
    work: impl FnOnce(&str) -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    let name = doing.clone();
    match tokio::task::spawn_blocking(move || work(&doing)).await {
        Ok(result) => result,
        // It panicked, or the program is ending.
        Err(error) => Err(StorageError::new(StorageErrorKind::Other, name, error)),
    }
}
