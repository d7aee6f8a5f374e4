//! One backup, read: its manifest, its table of contents and its objects, each checked against the manifest.

use archive::layout::{
    BackupFolder, ENCRYPTED, MANIFEST, TABLE_OF_LARGE_OBJECTS, TOC, stored_name,
};
use archive::manifest::Manifest;
use archive::table_of_large_objects::TableOfLargeObjects;
use archive::{Compression, Toc};
use futures_util::{StreamExt, TryStreamExt};

use super::manifest_key;
use crate::capabilities::BoundStorage;
use crate::failure::Failure;
use crate::storage::Key;
use crate::transfer::source::Chunks;
use crate::transfer::{Source, codec, encryption};

/// The largest manifest that is read: a few million objects.
const MANIFEST_BYTES: usize = 512 * 1024 * 1024;
/// The largest table of contents, or list of large objects, that is read.
const TOC_BYTES: usize = 512 * 1024 * 1024;

/// A backup whose manifest has been read.
pub struct Backup {
    storage: BoundStorage,
    folder: BackupFolder,
    /// What it says about itself.
    pub manifest: Manifest,
}

impl Backup {
    /// Reads the manifest.
    pub async fn open(storage: BoundStorage, folder: BackupFolder) -> Result<Backup, Failure> {
        let manifest = manifest(&storage, &folder).await?;
        Ok(Backup {
            storage,
            folder,
            manifest,
        })
    }

    /// Its table of contents.
    pub async fn toc(&self) -> Result<Toc, Failure> {
        let (key, chunks) = self.file(TOC)?;
        let bytes = collect(chunks, TOC_BYTES, &key).await?;
        Toc::read(&bytes).map_err(|error| Failure::corrupt(format!("{key}: {error}")))
    }

    /// Its list of large objects; empty where it has none.
    pub async fn large_objects(&self) -> Result<TableOfLargeObjects, Failure> {
        if self.manifest.file(TABLE_OF_LARGE_OBJECTS).is_none() {
            return Ok(TableOfLargeObjects::default());
        }
        let (key, chunks) = self.file(TABLE_OF_LARGE_OBJECTS)?;
        let bytes = collect(chunks, TOC_BYTES, &key).await?;
        TableOfLargeObjects::read(&bytes)
            .map_err(|error| Failure::corrupt(format!("{key}: {error}")))
    }

    /// The data that the archive keeps under this name, decompressed.
    pub fn data(&self, filename: &str, compression: Compression) -> Result<Chunks, Failure> {
        let (key, chunks) = self.file(&stored_name(filename, compression))?;
        let chunks = match compression {
            Compression::None => chunks,
            Compression::Gzip(_) => codec::gzip::decompress(chunks),
            Compression::Lz4 => codec::lz4::decompress(chunks),
            Compression::Zstd => codec::zstd::decompress(chunks),
        };
        let reading = format!("reading {key}");
        let named = chunks.map_err(move |failure| failure.context(&reading));
        Ok(named.boxed())
    }

    /// A file of the archive, decrypted. What was stored is compared with the manifest as it passes.
    fn file(&self, name: &str) -> Result<(Key, Chunks), Failure> {
        let object = self.manifest.file(name).ok_or_else(|| {
            Failure::corrupt(format!(
                "{} does not tell of {name}",
                self.folder.key(MANIFEST)
            ))
        })?;
        let key = Key::parse(&self.folder.key(&object.name))?;
        let mut digest = [0; 32];
        hex::decode_to_slice(&object.sha256, &mut digest)
            .map_err(|error| Failure::corrupt(format!("the digest of {key}: {error}")))?;
        let BoundStorage { objects, keys } = self.storage.clone();
        let stored = {
            let key = key.clone();
            Source::deferred(async move {
                Ok(objects
                    .get(&key, None)
                    .await?
                    .map_err(Failure::from)
                    .boxed())
            })
        };
        let stored = Source::new(stored).expect(key.to_string(), object.bytes, digest);
        let mut chunks = stored.into_chunks();
        if self.manifest.archive.encryption.is_some() {
            chunks = encryption::decrypt(chunks, keys, key.to_string());
        }
        Ok((key, chunks))
    }
}

/// What a backup says about itself.
pub async fn manifest(storage: &BoundStorage, folder: &BackupFolder) -> Result<Manifest, Failure> {
    let BoundStorage { objects, keys } = storage;
    let key = manifest_key(objects.as_ref(), &folder.prefix())
        .await?
        .ok_or_else(|| Failure::not_found(format!("{} does not exist", folder.key(MANIFEST))))?;
    let mut chunks = objects
        .get(&key, None)
        .await?
        .map_err(Failure::from)
        .boxed();
    if key.to_string().ends_with(ENCRYPTED) {
        chunks = encryption::decrypt(chunks, keys.clone(), key.to_string());
    }
    let bytes = collect(chunks, MANIFEST_BYTES, &key).await?;
    Manifest::read(&bytes).map_err(|error| Failure::corrupt(format!("{key}: {error}")))
}

async fn collect(mut chunks: Chunks, most: usize, key: &Key) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > most {
            return Err(Failure::corrupt(format!(
                "{key} is too large for what it is"
            )));
        }
    }
    Ok(bytes)
}
