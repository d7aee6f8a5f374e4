//! What can be asked of a bucket without moving objects: look, list, delete, and abort unfinished uploads.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::Bucket;
use super::failure::{explain, refused, status};
use crate::storage::{Key, ObjectInfo, PAGE, StorageError, StorageErrorKind};

/// How many uploads S3 lists at once.
const UPLOADS: i32 = 1000;

impl Bucket {
    pub async fn head(&self, key: &Key) -> Result<Option<ObjectInfo>, StorageError> {
        let path = self.path(key)?;
        let request = self.client.head_object().bucket(self.name()).key(&path);
        let error = match request.send().await {
            Ok(found) => {
                let key = key.clone();
                return Ok(Some(info(
                    key,
                    found.content_length(),
                    found.last_modified(),
                )));
            }
            Err(error) => error,
        };
        let doing = self.doing(&format!("look for {key}"));
        if matches!(status(&error), Some(300..500)) {
            // An answer to HEAD has no body: a listing says whether the bucket, the right or only the object is missing.
            self.list_page(&doing, &path, None, 1).await?;
        }
        match status(&error) {
            Some(404) => Ok(None),
            _ => Err(explain(doing, &error)),
        }
    }

    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&Key>,
    ) -> Result<Vec<ObjectInfo>, StorageError> {
        let doing = self.doing(&format!("list {prefix:?}"));
        let prefix = format!("{}{prefix}", self.root);
        let mut after = after.map(|key| format!("{}{key}", self.root));
        loop {
            let page = self
                .list_page(&doing, &prefix, after.as_deref(), PAGE as i32)
                .await?;
            let objects: Vec<ObjectInfo> = page
                .contents()
                .iter()
                .filter_map(|object| {
                    // Others may have put objects here whose keys are none of ours: the `/` at the end of a "folder".
                    let key = object.key()?.strip_prefix(&self.root)?;
                    let key = Key::parse(key).ok()?;
                    Some(info(key, object.size(), object.last_modified()))
                })
                .collect();
            let last = page.contents().last().and_then(|object| object.key());
            // A page of such objects alone is not the end.
            match last {
                Some(last) if objects.is_empty() => after = Some(last.to_owned()),
                _ => return Ok(objects),
            }
        }
    }

    pub async fn folders(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let doing = self.doing(&format!("list the folders of {prefix:?}"));
        let prefix = format!("{}{prefix}", self.root);
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(self.name())
                .prefix(&prefix)
                .delimiter("/")
                .set_continuation_token(next)
                .send()
                .await
                .map_err(|error| explain(doing.clone(), &error))?;
            let found = page.common_prefixes().iter().filter_map(|folder| {
                let name = folder.prefix()?.strip_prefix(&prefix)?.strip_suffix('/')?;
                Key::parse(name).is_ok().then(|| name.to_owned())
            });
            names.extend(found);
            next = page.next_continuation_token;
            if next.is_none() {
                names.sort();
                names.dedup();
                return Ok(names);
            }
        }
    }

    pub async fn delete(&self, keys: &[Key]) -> Result<(), StorageError> {
        for batch in keys.chunks(PAGE) {
            let doing = self.doing(&match batch {
                [key] => format!("delete {key}"),
                batch => format!("delete {} objects", batch.len()),
            });
            self.delete_batch(batch, doing).await?;
        }
        Ok(())
    }

    async fn delete_batch(&self, batch: &[Key], doing: String) -> Result<(), StorageError> {
        let mut objects = Vec::with_capacity(batch.len());
        for key in batch {
            let object = ObjectIdentifier::builder().key(self.path(key)?).build();
            objects.push(object.map_err(|error| other(&doing, error))?);
        }
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true);
        let answer = self
            .client
            .delete_objects()
            .bucket(self.name())
            .delete(delete.build().map_err(|error| other(&doing, error))?)
            .send()
            .await;
        match answer {
            Ok(answer) => match answer.errors() {
                [] => Ok(()),
                [first, ..] => {
                    let code = first.code().unwrap_or_default();
                    let message = first.message().unwrap_or_default();
                    let key = first.key().unwrap_or_default();
                    let doing = format!("{doing} ({key})");
                    Err(refused(doing, 200, code, message, None))
                }
            },
            // Some servers delete one object at a time, or want a checksum that AWS has given up.
            Err(error)
                if matches!(
                    error.code(),
                    Some("NotImplemented" | "MissingContentMD5" | "MethodNotAllowed")
                ) =>
            {
                self.delete_one_by_one(batch).await
            }
            Err(error) => Err(explain(doing, &error)),
        }
    }

    async fn delete_one_by_one(&self, batch: &[Key]) -> Result<(), StorageError> {
        for key in batch {
            let request = self.client.delete_object().bucket(self.name());
            let answer = request.key(self.path(key)?).send().await;
            match answer {
                Ok(_) => {}
                Err(error) if error.code() == Some("NoSuchKey") => {}
                Err(error) => {
                    return Err(explain(self.doing(&format!("delete {key}")), &error));
                }
            }
        }
        Ok(())
    }

    /// Aborts all multipart uploads below a prefix.
    pub async fn abort_uploads(&self, prefix: &str) -> Result<u64, StorageError> {
        let doing = self.doing(&format!("remove what is unfinished below {prefix:?}"));
        let prefix = format!("{}{prefix}", self.root);
        let mut aborted = 0;
        let (mut key_marker, mut id_marker) = (None, None);
        loop {
            let request = self
                .client
                .list_multipart_uploads()
                .bucket(self.name())
                .prefix(&prefix)
                .max_uploads(UPLOADS)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker);
            let page = match request.send().await {
                Ok(page) => page,
                Err(error) if error.code() == Some("NotImplemented") => {
                    let storage = self.location();
                    tracing::info!(storage, "this server cannot list unfinished uploads");
                    return Ok(aborted);
                }
                Err(error) => return Err(explain(doing, &error)),
            };
            for upload in page.uploads() {
                // Not all servers heed the prefix.
                if let (Some(key), Some(id)) = (upload.key(), upload.upload_id())
                    && key.starts_with(&prefix)
                {
                    aborted += self.abort_upload(key, id, &doing).await?;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(aborted);
            }
            (key_marker, id_marker) = (page.next_key_marker, page.next_upload_id_marker);
        }
    }

    /// Aborts one upload; how many that were, as somebody else may have been faster.
    pub async fn abort_upload(
        &self,
        path: &str,
        id: &str,
        doing: &str,
    ) -> Result<u64, StorageError> {
        let request = self.client.abort_multipart_upload().bucket(self.name());
        match request.key(path).upload_id(id).send().await {
            Ok(_) => Ok(1),
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(0),
            Err(error) => Err(explain(doing.to_owned(), &error)),
        }
    }

    async fn list_page(
        &self,
        doing: &str,
        prefix: &str,
        after: Option<&str>,
        most: i32,
    ) -> Result<ListObjectsV2Output, StorageError> {
        self.client
            .list_objects_v2()
            .bucket(self.name())
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(most)
            .send()
            .await
            .map_err(|error| explain(doing.to_owned(), &error))
    }
}

fn info(key: Key, bytes: Option<i64>, modified: Option<&DateTime>) -> ObjectInfo {
    let modified = modified.and_then(|time| time.to_millis().ok());
    ObjectInfo {
        key,
        bytes: bytes
            .and_then(|bytes| u64::try_from(bytes).ok())
            .unwrap_or(0),
        modified: modified.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
    }
}

fn other(doing: &str, error: impl std::fmt::Display) -> StorageError {
    StorageError::new(StorageErrorKind::Other, doing, error)
}
