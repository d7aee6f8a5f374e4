//! S3 Object Lock: what a bucket holds against deletion. To a bucket with versions, a deletion without a version is a marker that hides the
//! object, which Object Lock allows: whoever respects it has to ask first.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{ObjectLockEnabled, ObjectLockLegalHoldStatus};

use super::Bucket;
use super::failure::{explain, status};
use crate::storage::{Hold, Key, StorageError};

/// The object, or its bucket, has no such thing.
const ABSENT: [&str; 5] = [
    "NoSuchObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchKey",
    "InvalidRequest",
    "NotImplemented",
];

impl Bucket {
    /// Asks nothing of an object where the bucket has no Object Lock.
    pub async fn hold(&self, key: &Key) -> Result<Option<Hold>, StorageError> {
        if !*self.locks.get_or_try_init(|| self.has_locks()).await? {
            return Ok(None);
        }
        let path = self.path(key)?;
        let doing = self.doing(&format!("ask whether {key} is locked"));
        let mut hold = Hold::default();
        let request = self.client.get_object_retention().bucket(self.name());
        match request.key(&path).send().await {
            Ok(answer) => {
                let until = answer
                    .retention()
                    .and_then(|found| found.retain_until_date());
                let until = until.and_then(|time| time.to_millis().ok());
                hold.until = until.and_then(|time| u64::try_from(time).ok());
            }
            Err(error) if is_absent(error.code(), status(&error)) => {}
            // Some servers answer that question with nothing that could be read, and tell the date beside the object.
            Err(error) if status(&error) == Some(200) => {
                hold.until = self.held_until(&path, &doing).await?;
            }
            Err(error) => return Err(explain(doing, &error)),
        }
        let request = self.client.get_object_legal_hold().bucket(self.name());
        match request.key(&path).send().await {
            Ok(answer) => {
                let found = answer.legal_hold().and_then(|hold| hold.status());
                hold.legal = found == Some(&ObjectLockLegalHoldStatus::On);
            }
            Err(error) if is_absent(error.code(), status(&error)) => {}
            Err(error) => return Err(explain(doing, &error)),
        }
        Ok((hold != Hold::default()).then_some(hold))
    }

    async fn held_until(&self, path: &str, doing: &str) -> Result<Option<u64>, StorageError> {
        let request = self.client.head_object().bucket(self.name()).key(path);
        match request.send().await {
            Ok(answer) => {
                let until = answer.object_lock_retain_until_date();
                let until = until.and_then(|time| time.to_millis().ok());
                Ok(until.and_then(|time| u64::try_from(time).ok()))
            }
            Err(error) if is_absent(error.code(), status(&error)) => Ok(None),
            Err(error) => Err(explain(doing.to_owned(), &error)),
        }
    }

    async fn has_locks(&self) -> Result<bool, StorageError> {
        let request = self.client.get_object_lock_configuration();
        match request.bucket(self.name()).send().await {
            Ok(answer) => {
                let found = answer.object_lock_configuration();
                let enabled = found.and_then(|found| found.object_lock_enabled());
                Ok(enabled == Some(&ObjectLockEnabled::Enabled))
            }
            // Other servers answer in words of their own what they do not have.
            Err(error)
                if is_absent(error.code(), status(&error)) || status(&error) == Some(405) =>
            {
                Ok(false)
            }
            // Who may not ask for the bucket's configuration may still ask for the objects'.
            Err(error) if status(&error) == Some(403) => Ok(true),
            Err(error) => {
                let doing = self.doing("ask whether the bucket has Object Lock");
                Err(explain(doing, &error))
            }
        }
    }
}

/// An answer that cannot be read is an error and not "no lock": nothing is deleted then.
fn is_absent(code: Option<&str>, status: Option<u16>) -> bool {
    code.is_some_and(|code| ABSENT.contains(&code)) || matches!(status, Some(404 | 501))
}
