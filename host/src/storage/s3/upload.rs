//! Writes an object: a small one by one request, a larger one in parts.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use super::Bucket;
use super::failure::explain;
use super::multipart::{Upload, stopped};
use super::part_sizes::PartSizes;
use crate::storage::{Key, ObjectInfo, ObjectWriter, StorageError, StorageErrorKind};

/// Collects bytes until a part is full. An object that ends before that needs no upload in parts.
pub(super) struct S3Writer {
    bucket: Arc<Bucket>,
    key: Key,
    path: String,
    sizes: PartSizes,
    part: BytesMut,
    upload: Option<Upload>,
    written: u64,
    broken: bool,
}

impl S3Writer {
    pub fn new(
        bucket: Arc<Bucket>,
        key: Key,
        expected_bytes: Option<u64>,
    ) -> Result<S3Writer, StorageError> {
        Ok(S3Writer {
            path: bucket.path(&key)?,
            bucket,
            key,
            sizes: PartSizes::of_object(expected_bytes),
            part: BytesMut::new(),
            upload: None,
            written: 0,
            broken: false,
        })
    }

    fn doing(&self) -> String {
        self.bucket.doing(&format!("write {}", self.key))
    }

    fn usable(&self) -> Result<(), StorageError> {
        if self.broken {
            let cause = "an earlier write did not succeed";
            return Err(StorageError::new(
                StorageErrorKind::Other,
                self.doing(),
                cause,
            ));
        }
        Ok(())
    }

    fn part_size(&self) -> usize {
        let begun = self.upload.as_ref().map_or(0, |upload| upload.begun());
        self.sizes.of_part(begun + 1) as usize
    }

    async fn write_all(&mut self, mut bytes: Bytes) -> Result<(), StorageError> {
        while !bytes.is_empty() {
            let mut room = self.part_size() - self.part.len();
            if room == 0 {
                self.send_part().await?;
                room = self.part_size();
                // From here on a whole part will be needed.
                self.part.reserve(room);
            }
            let piece = bytes.split_to(room.min(bytes.len()));
            self.written += piece.len() as u64;
            self.part.extend_from_slice(&piece);
        }
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), StorageError> {
        if self.upload.is_none() {
            let begin = Upload::begin(self.bucket.clone(), self.path.clone(), self.doing());
            // In a task of its own: when this future is dropped before the answer with the upload's id is here, the
            // upload is still aborted.
            let begun = tokio::spawn(begin).await;
            self.upload = Some(begun.map_err(|error| stopped(self.doing(), &error))??);
        }
        let part = std::mem::take(&mut self.part).freeze();
        match &mut self.upload {
            Some(upload) => upload.send(part).await,
            None => Ok(()),
        }
    }

    async fn put(&mut self) -> Result<(), StorageError> {
        let settings = &self.bucket.settings;
        let bytes = std::mem::take(&mut self.part).freeze();
        let request = self
            .bucket
            .client
            .put_object()
            .bucket(self.bucket.name())
            .key(&self.path)
            .set_server_side_encryption(self.bucket.encryption())
            .set_ssekms_key_id(settings.sse_kms_key.clone())
            .set_storage_class(self.bucket.storage_class())
            .set_checksum_algorithm(self.bucket.checksum())
            .body(ByteStream::from(bytes));
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(explain(self.doing(), &error)),
        }
    }

    /// Looks at what was stored: an answer alone has been wrong on some servers.
    async fn check(&self) -> Result<ObjectInfo, StorageError> {
        let corrupt = |cause: String| {
            Err(StorageError::new(
                StorageErrorKind::Corrupt,
                self.doing(),
                cause,
            ))
        };
        match self.bucket.head(&self.key).await? {
            Some(stored) if stored.bytes == self.written => Ok(stored),
            Some(stored) => corrupt(format!(
                "{} bytes were written and {} are stored",
                self.written, stored.bytes
            )),
            None => corrupt("the server took it and does not have it".to_owned()),
        }
    }
}

#[async_trait]
impl ObjectWriter for S3Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        self.usable()?;
        // Until it has succeeded: also when this future is dropped on the way.
        self.broken = true;
        self.write_all(bytes).await?;
        self.broken = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<ObjectInfo, StorageError> {
        self.usable()?;
        if self.upload.is_some() {
            self.send_part().await?;
        }
        match self.upload.take() {
            None => self.put().await?,
            Some(upload) => match upload.complete().await {
                // The answer to an earlier attempt may have been lost on its way.
                Err(error) if error.kind() == StorageErrorKind::NotFound => {
                    return self.check().await.map_err(|_| error);
                }
                other => other?,
            },
        }
        self.check().await
    }

    async fn abort(mut self: Box<Self>) {
        if let Some(upload) = self.upload.take() {
            upload.give_up().await;
        }
    }
}
