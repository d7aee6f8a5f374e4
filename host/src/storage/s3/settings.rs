//! What has to be known of a bucket and of the server that holds it.

use std::num::NonZeroUsize;

use secrecy::SecretString;

/// Where a bucket is and how to use it. What is `None` comes from AWS's own environment variables, profiles and services.
#[derive(Clone, Debug)]
pub struct S3Settings {
    /// Name of the bucket.
    pub bucket: String,
    /// What every key in the bucket begins with; empty for none.
    pub prefix: String,
    /// URL of a server other than AWS; else `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL` or the profile's.
    pub endpoint: Option<String>,
    /// The bucket's region; else `AWS_REGION`, the profile's, or `us-east-1`.
    pub region: Option<String>,
    /// The bucket's name in the path, not in the host name. Default: whether there is an endpoint.
    pub path_style: Option<bool>,
    /// Encrypts objects with this KMS key, by its ARN or id; else as the bucket says.
    pub sse_kms_key: Option<String>,
    /// As in `x-amz-storage-class`: `STANDARD_IA`.
    pub storage_class: Option<String>,
    /// Adds CRC32 checksums to uploads, which buckets with Object Lock ask for. Default: only for AWS, as other servers may
    /// not know them; the signature covers the bytes all the same.
    pub checksums: Option<bool>,
    /// Else AWS's chain: environment, profile, SSO, container, instance.
    pub access_key: Option<AccessKey>,
    /// How many parts of 8 MiB may be on their way at once, of all objects together. Default 4.
    pub jobs: NonZeroUsize,
    /// How often a request is tried. Default 6.
    pub attempts: u32,
}

/// Credentials that config gives.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// As in `AWS_ACCESS_KEY_ID`.
    pub id: String,
    /// As in `AWS_SECRET_ACCESS_KEY`.
    pub secret: SecretString,
    /// As in `AWS_SESSION_TOKEN`.
    pub session_token: Option<SecretString>,
}

impl Default for S3Settings {
    fn default() -> S3Settings {
        const JOBS: NonZeroUsize = NonZeroUsize::new(4).expect("4 is not 0");
        S3Settings {
            bucket: String::new(),
            prefix: String::new(),
            endpoint: None,
            region: None,
            path_style: None,
            sse_kms_key: None,
            storage_class: None,
            checksums: None,
            access_key: None,
            jobs: JOBS,
            attempts: 6,
        }
    }
}
