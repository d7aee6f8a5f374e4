//! A client for a bucket's server.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation,
};
use secrecy::ExposeSecret;

use super::settings::{AccessKey, S3Settings};
use crate::aws;

/// The client, and whether its uploads are to carry checksums.
pub(super) async fn client(settings: &S3Settings) -> (Client, bool) {
    let mut loader = aws::loader(settings.region.as_deref(), settings.endpoint.as_deref()).await;
    if let Some(key) = &settings.access_key {
        loader = loader.credentials_provider(credentials(key));
    }
    let found = loader.load().await;
    let endpoint = settings
        .endpoint
        .clone()
        .or_else(|| aws::endpoint(&found, "S3"));
    let path_style = settings.path_style.unwrap_or(endpoint.is_some());
    let checksums = settings.checksums.unwrap_or(endpoint.is_none());
    let mut config = Builder::from(&found)
        .force_path_style(path_style)
        // A download that breaks in the middle is beyond them: see `download`.
        .retry_config(aws::retries(settings.attempts))
        // Uploads name their checksum themselves.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        // Every object is checked against its manifest; a checksum that fails here would fail without its name.
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    config.set_endpoint_url(endpoint);
    (Client::from_conf(config.build()), checksums)
}

fn credentials(key: &AccessKey) -> Credentials {
    Credentials::new(
        &key.id,
        key.secret.expose_secret(),
        key.session_token
            .as_ref()
            .map(|token| token.expose_secret().to_owned()),
        None,
        "orchestrator",
    )
}
