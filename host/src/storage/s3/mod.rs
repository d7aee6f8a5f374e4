//! A storage in a bucket of S3, or of a server that speaks its protocol.

mod connect;
mod download;
mod failure;
mod holds;
mod multipart;
mod objects;
mod part_sizes;
mod settings;
mod upload;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption, StorageClass};
use tokio::sync::{OnceCell, Semaphore};

use super::error::StorageError;
use super::key::{Key, check_folder, check_prefix};
use super::{ByteStream, Hold, ObjectInfo, ObjectWriter, Storage, StorageErrorKind};
pub use settings::{AccessKey, S3Settings};
use upload::S3Writer;

/// A storage in a bucket.
#[derive(Clone, Debug)]
pub struct S3 {
    bucket: Arc<Bucket>,
}

/// What every request needs.
#[derive(Debug)]
struct Bucket {
    client: Client,
    settings: S3Settings,
    /// Uploads carry checksums.
    checksums: bool,
    /// Before every key: empty, or the prefix and its `/`.
    root: String,
    /// MiB of parts that may be under way at once, of all writers together.
    memory: Arc<Semaphore>,
    /// Whether the bucket has Object Lock, once somebody has asked.
    locks: OnceCell<bool>,
}

impl S3 {
    /// The storage that these settings name. Looks for credentials and a region, but asks nothing of the bucket.
    pub async fn connect(settings: S3Settings) -> Result<S3, StorageError> {
        let root = match settings.prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{}/", Key::parse(prefix)?),
        };
        let memory = Semaphore::new(part_sizes::in_mib(part_sizes::DEFAULT) * settings.jobs.get());
        let (client, checksums) = connect::client(&settings).await;
        Ok(S3 {
            bucket: Arc::new(Bucket {
                client,
                settings,
                checksums,
                root,
                memory: Arc::new(memory),
                locks: OnceCell::new(),
            }),
        })
    }
}

impl Bucket {
    fn name(&self) -> &str {
        &self.settings.bucket
    }

    fn location(&self) -> String {
        format!("s3://{}/{}", self.name(), self.root)
            .trim_end_matches('/')
            .to_owned()
    }

    /// What is being tried, for an error: `read app/toc.dat in s3://bucket`.
    fn doing(&self, what: &str) -> String {
        format!("{what} in {}", self.location())
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        let key = self.settings.sse_kms_key.as_ref();
        key.map(|_| ServerSideEncryption::AwsKms)
    }

    fn storage_class(&self) -> Option<StorageClass> {
        let class = self.settings.storage_class.as_deref();
        class.map(StorageClass::from)
    }

    /// To be said of all requests of one upload: AWS refuses parts with a checksum that the upload was not begun with.
    fn checksum(&self) -> Option<ChecksumAlgorithm> {
        self.checksums.then_some(ChecksumAlgorithm::Crc32)
    }

    /// The whole key of an object in the bucket.
    fn path(&self, key: &Key) -> Result<String, StorageError> {
        let path = format!("{}{key}", self.root);
        if path.len() > 1024 {
            return Err(StorageError::new(
                StorageErrorKind::InvalidKey,
                self.doing(&format!("use {key}")),
                "with the storage's prefix it is longer than the 1024 bytes that S3 allows",
            ));
        }
        Ok(path)
    }
}

#[async_trait]
impl Storage for S3 {
    fn location(&self) -> String {
        self.bucket.location()
    }

    async fn create(
        &self,
        key: &Key,
        expected_bytes: Option<u64>,
    ) -> Result<Box<dyn ObjectWriter>, StorageError> {
        let writer = S3Writer::new(self.bucket.clone(), key.clone(), expected_bytes)?;
        Ok(Box::new(writer))
    }

    async fn get(&self, key: &Key, range: Option<Range<u64>>) -> Result<ByteStream, StorageError> {
        download::open(self.bucket.clone(), key, range).await
    }

    async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StorageError> {
        self.bucket.head(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
    ) -> Result<Vec<ObjectInfo>, StorageError> {
        check_prefix(prefix)?;
        self.bucket.list(prefix, after).await
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        check_folder(prefix)?;
        self.bucket.folders(prefix).await
    }

    async fn hold(&self, key: &Key) -> Result<Option<Hold>, StorageError> {
        self.bucket.hold(key).await
    }

    async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        self.bucket.delete(keys).await
    }

    async fn remove_unfinished(&self, prefix: &str) -> Result<u64, StorageError> {
        check_prefix(prefix)?;
        self.bucket.abort_uploads(prefix).await
    }
}
