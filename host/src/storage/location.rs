//! From the text that names a storage to the storage.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::{StorageError, StorageErrorKind};
use super::key::Key;
use super::{Folder, S3, S3Settings, Storage};

/// A storage's place: `s3://bucket/prefix`, `file:folder`, `file:///folder` or just a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder, as written: relative ones are not resolved.
    Folder(PathBuf),
    /// A bucket and what the keys in it begin with, without a `/` at either end; empty for the whole bucket.
    S3 {
        /// Name of the bucket.
        bucket: String,
        /// Before every key.
        prefix: String,
    },
}

/// What a storage's place does not say.
#[derive(Clone, Debug, Default)]
pub struct StorageOptions {
    /// What relative folders are relative to; else the working directory.
    pub relative_to: Option<PathBuf>,
    /// For S3; its bucket and prefix are taken from the place.
    pub s3: S3Settings,
}

/// Opens a storage. S3's credentials are looked for here, but nothing is asked of the storage yet.
pub async fn open(url: &str, options: StorageOptions) -> Result<Arc<dyn Storage>, StorageError> {
    match Location::parse(url)? {
        Location::Folder(path) => {
            let path = match options.relative_to {
                Some(base) => base.join(path),
                None => path,
            };
            Ok(Arc::new(Folder::new(path)))
        }
        Location::S3 { bucket, prefix } => {
            let settings = S3Settings {
                bucket,
                prefix,
                ..options.s3
            };
            Ok(Arc::new(S3::connect(settings).await?))
        }
    }
}

impl Location {
    /// Reads the place of a storage. Errors do not repeat it: somebody may have put a password into it.
    pub fn parse(url: &str) -> Result<Location, StorageError> {
        if let Some(rest) = url.strip_prefix("s3://") {
            return parse_s3(rest);
        }
        if let Some(rest) = url.strip_prefix("file:") {
            let path = match rest.strip_prefix("//") {
                None => rest,
                Some(after) => {
                    let path = after.strip_prefix("localhost").unwrap_or(after);
                    if !path.starts_with('/') {
                        return Err(invalid(
                            "file:// has to be followed by an absolute folder: file:///folder",
                        ));
                    }
                    path
                }
            };
            return folder(path);
        }
        match url.split_once("://") {
            Some((scheme, _)) => {
                let scheme: String = scheme.chars().take(20).collect();
                Err(invalid(format!("{scheme:?} is not a kind of storage")))
            }
            None => folder(url),
        }
    }
}

fn folder(path: &str) -> Result<Location, StorageError> {
    if path.is_empty() || path.contains('\0') {
        return Err(invalid("the folder has no name"));
    }
    Ok(Location::Folder(PathBuf::from(path)))
}

fn parse_s3(rest: &str) -> Result<Location, StorageError> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    // An access point's ARN may stand for a bucket.
    let arn =
        bucket.starts_with("arn:") && bucket.bytes().all(|byte| allowed(byte) || byte == b':');
    if bucket.contains('@') {
        return Err(invalid("the credentials of S3 do not belong into its URL")
            .with_hint("put them into the environment, a profile or the keys of the config"));
    }
    if bucket.is_empty() || !(arn || bucket.bytes().all(allowed)) {
        return Err(invalid("s3:// has to be followed by the name of a bucket"));
    }
    if prefix.contains(['?', '#']) {
        return Err(invalid("the URL of an S3 storage has no parameters")
            .with_hint("set endpoint, region and path_style as keys of the config"));
    }
    let prefix = prefix.trim_matches('/');
    if !prefix.is_empty() {
        Key::parse(prefix)?;
    }
    Ok(Location::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

fn invalid(why: impl Into<String>) -> StorageError {
    StorageError::new(
        StorageErrorKind::InvalidLocation,
        "open a storage",
        why.into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_storages() {
        let s3 = |bucket: &str, prefix: &str| Location::S3 {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        for (url, location) in [
            ("s3://bucket", s3("bucket", "")),
            ("s3://bucket/", s3("bucket", "")),
            ("s3://my.bucket/a/b/", s3("my.bucket", "a/b")),
            ("file:backups", Location::Folder("backups".into())),
            (
                "file:///var/backups",
                Location::Folder("/var/backups".into()),
            ),
            ("file://localhost/x", Location::Folder("/x".into())),
            ("./a b", Location::Folder("./a b".into())),
        ] {
            assert_eq!(Location::parse(url), Ok(location), "{url}");
        }
    }

    #[test]
    fn other_places_are_refused_without_repeating_them() {
        for url in [
            "",
            "file:",
            "file://host/x",
            "s3://",
            "s3:///x",
            "s3://key:hunter2@bucket/x",
            "s3://bucket/x?secret=hunter2",
            "s3://bucket/a/../b",
            "https://bucket.example/hunter2",
            "gs://bucket",
        ] {
            let error = Location::parse(url).expect_err(url);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    }
}
