//! An upload in parts that travel at the same time.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};

use super::Bucket;
use super::failure::explain;
use super::part_sizes::{MOST_PARTS, in_mib};
use crate::storage::{StorageError, StorageErrorKind};

/// How long an abort waits for parts that are on their way.
const PATIENCE: Duration = Duration::from_secs(5);

/// A multipart upload that the server knows of. Dropping it aborts it in the background.
pub(super) struct Upload {
    bucket: Arc<Bucket>,
    path: String,
    id: String,
    doing: String,
    under_way: JoinSet<Result<CompletedPart, StorageError>>,
    begun: u64,
    stored: Vec<CompletedPart>,
    over: bool,
}

impl Upload {
    pub async fn begin(
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
            .set_server_side_encryption(bucket.encryption())
            .set_ssekms_key_id(settings.sse_kms_key.clone())
            .set_storage_class(bucket.storage_class())
            .set_checksum_algorithm(bucket.checksum())
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
    pub async fn send(&mut self, part: Bytes) -> Result<(), StorageError> {
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
                .set_checksum_algorithm(bucket.checksum())
                .body(ByteStream::from(part))
                .send()
                .await
                .map_err(|error| explain(doing, &error))?;
            Ok(CompletedPart::builder()
                .part_number(number)
                .set_e_tag(answer.e_tag)
                .set_checksum_crc32(answer.checksum_crc32)
                .build())
        });
        Ok(())
    }

    /// How many parts there are so far.
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// Aborts it, and waits until that is done.
    pub async fn give_up(mut self) {
        self.over = true;
        self.abort().await;
    }

    /// Makes the parts one object, when all of them have arrived.
    pub async fn complete(mut self) -> Result<(), StorageError> {
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

    /// Tells the server to forget the parts. One whose request is broken off may still arrive after that, and would come to
    /// stay: so those under way may end first.
    async fn abort(&mut self) {
        let end = async { while self.under_way.join_next().await.is_some() {} };
        // Past this time they are broken off.
        let _ = tokio::time::timeout(PATIENCE, end).await;
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

/// The error of a task that was stopped, or that panicked.
pub(super) fn stopped(doing: String, error: &JoinError) -> StorageError {
    StorageError::new(StorageErrorKind::Other, doing, error)
}
