//! From the SDK's errors to a storage's.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::aws;
use crate::storage::{StorageError, StorageErrorKind};

/// Says what stood against a request. Never prints the request, which holds credentials.
pub(super) fn explain<E>(doing: String, error: &SdkError<E, HttpResponse>) -> StorageError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    match error {
        SdkError::ServiceError(answer) => {
            let code = answer.err().code().unwrap_or_default();
            let message = answer.err().message().unwrap_or_default();
            let status = answer.raw().status().as_u16();
            let region = answer.raw().headers().get("x-amz-bucket-region");
            // The SDK's way to say that it could not read an answer which is no error.
            if answer.raw().status().is_success() && code.is_empty() {
                return unreadable(doing, status);
            }
            refused(doing, status, code, message, region)
        }
        SdkError::TimeoutError(_) => {
            StorageError::new(StorageErrorKind::Unavailable, doing, "no answer in time")
        }
        SdkError::ResponseError(answer) => unreadable(doing, answer.raw().status().as_u16()),
        other => {
            let cause = aws::chain(other);
            let kind = if cause.to_lowercase().contains("credential") {
                StorageErrorKind::Unauthenticated
            } else if matches!(other, SdkError::ConstructionFailure(_)) {
                StorageErrorKind::Other
            } else {
                StorageErrorKind::Unavailable
            };
            StorageError::new(kind, doing, cause)
        }
    }
}

fn unreadable(doing: String, status: u16) -> StorageError {
    let cause = format!("the answer (status {status}) is not one of S3");
    StorageError::new(StorageErrorKind::Unavailable, doing, cause)
}

/// The HTTP status of an answer, if there was one.
pub(super) fn status<E>(error: &SdkError<E, HttpResponse>) -> Option<u16> {
    error.raw_response().map(|answer| answer.status().as_u16())
}

/// An answer that is an error, or an error inside an answer to several questions (`status` 200).
pub(super) fn refused(
    doing: String,
    status: u16,
    code: &str,
    message: &str,
    region: Option<&str>,
) -> StorageError {
    let cause = match (code, message) {
        ("", "") => format!("status {status}"),
        ("", message) => message.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{message} ({code})"),
    };
    let error = StorageError::new(kind(status, code), doing, cause);
    match region {
        Some(region) if error.kind() == StorageErrorKind::WrongRegion => {
            error.with_hint(format!("set `region` to {region:?}, where the bucket lies"))
        }
        _ if code.starts_with("KMS.") => error.with_hint("check `sse_kms_key` and who may use it"),
        _ => error,
    }
}

/// The codes of S3's API reference, and some of other servers.
fn kind(status: u16, code: &str) -> StorageErrorKind {
    use StorageErrorKind::*;
    match code {
        "NoSuchBucket" => BucketMissing,
        "NoSuchKey" | "NotFound" => NotFound,
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" | "InvalidObjectState" => {
            AccessDenied
        }
        _ if aws::is_unauthenticated(code) => Unauthenticated,
        _ if aws::is_throttled(code) => Throttled,
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => WrongRegion,
        "InternalError" | "ServiceUnavailable" | "RequestTimeout" => Unavailable,
        "PreconditionFailed" | "InvalidRange" | "BadDigest" | "XAmzContentSHA256Mismatch" => {
            Corrupt
        }
        "EntityTooLarge" | "QuotaExceeded" | "StorageFull" | "XMinioStorageFull" => Full,
        "KeyTooLongError" | "InvalidURI" => InvalidKey,
        _ if code.starts_with("KMS.") => AccessDenied,
        _ => match status {
            301 | 307 => WrongRegion,
            401 => Unauthenticated,
            403 => AccessDenied,
            404 => NotFound,
            412 | 416 => Corrupt,
            429 => Throttled,
            507 => Full,
            501 => Other,
            500.. => Unavailable,
            _ => Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_sorted_by_what_one_can_do() {
        use StorageErrorKind::*;
        for (status, code, expected) in [
            (404, "NoSuchBucket", BucketMissing),
            (404, "", NotFound),
            (403, "InvalidAccessKeyId", Unauthenticated),
            (403, "AccessDenied", AccessDenied),
            (301, "PermanentRedirect", WrongRegion),
            (503, "SlowDown", Throttled),
            (503, "", Unavailable),
            (400, "KMS.NotFoundException", AccessDenied),
            (400, "InvalidArgument", Other),
        ] {
            let error = refused("list x".to_owned(), status, code, "", None);
            assert_eq!(error.kind(), expected, "{status} {code}");
            assert_eq!(
                error.is_permanent(),
                !matches!(expected, Throttled | Unavailable)
            );
        }
    }

    #[test]
    fn the_right_region_is_named() {
        let error = refused(
            "list x in s3://b".to_owned(),
            301,
            "PermanentRedirect",
            "use the specified endpoint",
            Some("eu-central-1"),
        );
        assert_eq!(
            error.to_string(),
            "list x in s3://b: use the specified endpoint (PermanentRedirect)"
        );
        assert_eq!(
            error.hint(),
            Some("set `region` to \"eu-central-1\", where the bucket lies")
        );
    }
}
