//! Writes an object: a small one by one request, a larger one in parts that travel at the same time.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, ServerSideEncryption, StorageClass,
};
use bytes::{Bytes, BytesMut};
use tokio::task::{JoinError, JoinSet};

use super::Bucket;
use super::failure::explain;
use super::part_sizes::{MOST_PARTS, PartSizes, in_mib};
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

/// A multipart upload that the server knows of. Dropping it aborts it in the background.
struct Upload {
    bucket: Arc<Bucket>,
    path: String,
    id: String,
    doing: String,
    under_way: JoinSet<Result<CompletedPart, StorageError>>,
    begun: u64,
    stored: Vec<CompletedPart>,
    over: bool,
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
        let begun = self.upload.as_ref().map_or(0, |upload| upload.begun);
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
            .set_server_side_encryption(encryption(settings.sse_kms_key.as_deref()))
            .set_ssekms_key_id(settings.sse_kms_key.clone())
            .set_storage_class(settings.storage_class.as_deref().map(StorageClass::from))
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
        if let Some(mut upload) = self.upload.take() {
            upload.over = true;
            upload.abort().await;
        }
    }
}

impl Upload {
    async fn begin(
        bucket: Arc<Bucket>,
        path: String,
        doing: String,
    ) -> Result<Upload, StorageError> {
        let settings = &bucket.settings;
        let answer = bucket
            .client
            .create_multipart_upload()
            .bucket(bucket.name())
            .key(&path)
            .set_server_side_encryption(encryption(settings.sse_kms_key.as_deref()))
            .set_ssekms_key_id(settings.sse_kms_key.clone())
            .set_storage_class(settings.storage_class.as_deref().map(StorageClass::from))
            .send()
            .await
            .map_err(|error| explain(doing.clone(), &error))?;
        let id = answer.upload_id.ok_or_else(|| {
            StorageError::new(
                StorageErrorKind::Other,
                doing.clone(),
                "the server began an upload without an id",
            )
        })?;
        Ok(Upload {
            bucket,
            path,
            id,
            doing,
            under_way: JoinSet::new(),
            begun: 0,
            stored: Vec::new(),
            over: false,
        })
    }

    /// Sends a part in the background, as soon as there is room among those under way.
    async fn send(&mut self, part: Bytes) -> Result<(), StorageError> {
        while let Some(ended) = self.under_way.try_join_next() {
            self.keep(ended)?;
        }
        if self.begun == MOST_PARTS {
            return Err(StorageError::new(
                StorageErrorKind::Full,
                self.doing.clone(),
                "S3 allows no more than 10,000 parts of an object",
            ));
        }
        self.begun += 1;
        let number = self.begun as i32;
        let all = in_mib(super::part_sizes::DEFAULT) * self.bucket.settings.jobs.get();
        // A part that is larger than all of the memory travels alone.
        let needed = in_mib(part.len() as u64).min(all) as u32;
        let memory = self.bucket.memory.clone();
        let memory = memory.acquire_many_owned(needed).await.map_err(|error| {
            StorageError::new(StorageErrorKind::Other, self.doing.clone(), error)
        })?;
        let bucket = self.bucket.clone();
        let (path, id, doing) = (self.path.clone(), self.id.clone(), self.doing.clone());
        self.under_way.spawn(async move {
            let _memory = memory;
            let answer = bucket
                .client
                .upload_part()
                .bucket(bucket.name())
                .key(path)
                .upload_id(id)
                .part_number(number)
                .body(ByteStream::from(part))
                .send()
                .await
                .map_err(|error| explain(doing, &error))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag)
                .set_checksum_crc32(answer.checksum_crc32)
                .set_checksum_crc32_c(answer.checksum_crc32_c)
                .set_checksum_crc64_nvme(answer.checksum_crc64_nvme)
                .build())
        });
        Ok(())
    }

    async fn complete(mut self) -> Result<(), StorageError> {
        while let Some(ended) = self.under_way.join_next().await {
            self.keep(ended)?;
        }
        self.stored.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.stored)))
            .build();
        let answer = self
            .bucket
            .client
            .complete_multipart_upload()
            .bucket(self.bucket.name())
            .key(&self.path)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await;
        match answer {
            Ok(_) => {
                self.over = true;
                Ok(())
            }
            Err(error) => {
                self.over = error.code() == Some("NoSuchUpload");
                Err(explain(self.doing.clone(), &error))
            }
        }
    }

    fn keep(
        &mut self,
        ended: Result<Result<CompletedPart, StorageError>, JoinError>,
    ) -> Result<(), StorageError> {
        let part = ended.map_err(|error| stopped(self.doing.clone(), &error))??;
        self.stored.push(part);
        Ok(())
    }

    /// Tells the server to forget the parts. One that still travels would come to stay, so they are stopped first.
    async fn abort(&mut self) {
        self.under_way.shutdown().await;
        let aborted = self.bucket.abort_upload(&self.path, &self.id, &self.doing);
        if let Err(error) = aborted.await {
            tracing::warn!(%error, "an unfinished upload stays until it is cleaned up");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // Without a runtime the program is ending, and `remove_unfinished` has to do it later.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let mut upload = Upload {
                bucket: self.bucket.clone(),
                path: std::mem::take(&mut self.path),
                id: std::mem::take(&mut self.id),
                doing: std::mem::take(&mut self.doing),
                under_way: std::mem::take(&mut self.under_way),
                begun: self.begun,
                stored: Vec::new(),
                over: true,
            };
            runtime.spawn(async move { upload.abort().await });
        }
    }
}

fn encryption(kms_key: Option<&str>) -> Option<ServerSideEncryption> {
    kms_key.map(|_| ServerSideEncryption::AwsKms)
}

fn stopped(doing: String, error: &JoinError) -> StorageError {
    StorageError::new(StorageErrorKind::Other, doing, error)
}
