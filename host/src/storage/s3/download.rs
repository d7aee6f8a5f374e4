//! Reads an object, and takes up a broken connection where it broke.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream as Body;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use super::Bucket;
use super::failure::explain;
use crate::storage::{ByteStream, Key, StorageError, StorageErrorKind};

/// How often in a row a connection may break without a single byte in between.
const BREAKS: usize = 5;

/// Opens an object, so that a missing one is an error here, and returns the rest as a stream.
pub(super) async fn open(
    bucket: Arc<Bucket>,
    key: &Key,
    range: Option<Range<u64>>,
) -> Result<ByteStream, StorageError> {
    let doing = bucket.doing(&format!("read {key}"));
    if let Some(range) = range.as_ref().filter(|range| range.is_empty()) {
        // HTTP cannot ask for no bytes.
        return match bucket.head(key).await? {
            Some(object) if range.start == range.end && range.end <= object.bytes => {
                Ok(stream::empty().boxed())
            }
            Some(object) => Err(too_short(doing, object.bytes, range)),
            None => Err(missing(doing)),
        };
    }
    let mut download = Download {
        path: bucket.path(key)?,
        bucket,
        doing,
        etag: None,
        // The end is known with the first answer.
        wanted: range.clone().unwrap_or(0..u64::MAX),
        body: None,
        patience: patience(),
    };
    let (answer, length) = download.request(range.is_some()).await?;
    download.wanted.end = range.map_or(length, |range| range.end);
    if download.wanted.end > length {
        return Err(too_short(download.doing, length, &download.wanted));
    }
    download.etag = answer.e_tag;
    download.body = Some(answer.body);
    let pieces = stream::try_unfold(download, |mut download| async move {
        let piece = download.next().await?;
        Ok(piece.map(|bytes| (bytes, download)))
    });
    Ok(pieces.boxed())
}

struct Download {
    bucket: Arc<Bucket>,
    path: String,
    doing: String,
    /// Of the object whose first bytes were read.
    etag: Option<String>,
    /// What is still to be read.
    wanted: Range<u64>,
    body: Option<Body>,
    patience: ExponentialBackoff,
}

impl Download {
    async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        while !self.wanted.is_empty() {
            let broken = match &mut self.body {
                Some(body) => match body.next().await {
                    Some(Ok(bytes)) if bytes.is_empty() => continue,
                    Some(Ok(bytes)) => return self.advance(bytes).map(Some),
                    Some(Err(error)) => error.to_string(),
                    None => "the connection ended too early".to_owned(),
                },
                None => match self.request(true).await {
                    Ok((answer, _)) => {
                        self.body = Some(answer.body);
                        continue;
                    }
                    Err(error) if error.is_permanent() => return Err(error),
                    Err(error) => error.to_string(),
                },
            };
            self.body = None;
            let Some(pause) = self.patience.next() else {
                let cause = format!("{broken}, at byte {}", self.wanted.start);
                return Err(self.error(StorageErrorKind::Unavailable, &cause));
            };
            tracing::debug!(broken, at = self.wanted.start, "{} again", self.doing);
            tokio::time::sleep(pause).await;
        }
        Ok(None)
    }

    fn advance(&mut self, bytes: Bytes) -> Result<Bytes, StorageError> {
        self.wanted.start += bytes.len() as u64;
        if self.wanted.start > self.wanted.end {
            let cause = "the server sent more bytes than were asked for";
            return Err(self.error(StorageErrorKind::Corrupt, cause));
        }
        self.patience = patience();
        Ok(bytes)
    }

    /// Asks for what is still to be read, as a range or as the whole object, and only of the object that was begun with.
    /// Returns the length of the whole object too.
    async fn request(&self, as_range: bool) -> Result<(GetObjectOutput, u64), StorageError> {
        let range =
            as_range.then(|| format!("bytes={}-{}", self.wanted.start, self.wanted.end - 1));
        let answer = self
            .bucket
            .client
            .get_object()
            .bucket(self.bucket.name())
            .key(&self.path)
            .set_range(range)
            .set_if_match(self.etag.clone())
            .send()
            .await;
        let answer = answer.map_err(|error| explain(self.doing.clone(), &error))?;
        if self.etag.is_some() && answer.e_tag != self.etag {
            let cause = "the object was replaced while it was read";
            return Err(self.error(StorageErrorKind::Corrupt, cause));
        }
        let length = if as_range {
            length_of_whole(answer.content_range(), self.wanted.start)
        } else {
            let length = answer.content_length();
            length.and_then(|length| u64::try_from(length).ok())
        };
        let length = length.ok_or_else(|| {
            let cause = "the server did not send what was asked for";
            self.error(StorageErrorKind::Other, cause)
        })?;
        Ok((answer, length))
    }

    fn error(&self, kind: StorageErrorKind, cause: &str) -> StorageError {
        StorageError::new(kind, self.doing.clone(), cause)
    }
}

/// What follows the `/` in `bytes 10-19/100`, if the range begins where it has to: a server that does not know ranges sends
/// the whole object.
fn length_of_whole(range: Option<&str>, start: u64) -> Option<u64> {
    let (range, length) = range?.strip_prefix("bytes ")?.split_once('/')?;
    let begins = range.split_once('-')?.0.parse() == Ok(start);
    length.parse().ok().filter(|_| begins)
}

/// The SDK has retried each request already; this is for streams that break in the middle.
fn patience() -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(10))
        .with_max_times(BREAKS)
        .with_jitter()
        .build()
}

fn missing(doing: String) -> StorageError {
    StorageError::new(StorageErrorKind::NotFound, doing, "there is no such object")
}

fn too_short(doing: String, length: u64, range: &Range<u64>) -> StorageError {
    let cause = format!(
        "it has {length} bytes, and bytes {} to {} were asked for",
        range.start, range.end
    );
    StorageError::new(StorageErrorKind::Corrupt, doing, cause)
}
