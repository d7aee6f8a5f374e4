//! A client for a bucket's server.

use std::time::Duration;

use aws_config::meta::region::RegionProviderChain;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Builder, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
};
use aws_types::service_config::ServiceConfigKey;
use secrecy::ExposeSecret;

use super::settings::{AccessKey, S3Settings};

/// The client, and whether its uploads are to carry checksums.
pub(super) async fn client(settings: &S3Settings) -> (Client, bool) {
    // A region that nobody names is looked for on the network last; other servers rarely care for one.
    let named = RegionProviderChain::first_try(settings.region.clone().map(Region::new));
    let region = match settings.endpoint {
        Some(_) => named
            .or_else(aws_config::environment::EnvironmentVariableRegionProvider::new())
            .or_else("us-east-1"),
        None => named.or_default_provider().or_else("us-east-1"),
    };
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
    if let Some(key) = &settings.access_key {
        loader = loader.credentials_provider(credentials(key));
    }
    let found = loader.load().await;
    let endpoint = settings.endpoint.clone().or_else(|| endpoint(&found));
    let path_style = settings.path_style.unwrap_or(endpoint.is_some());
    let checksums = settings.checksums.unwrap_or(endpoint.is_none());
    let mut config = Builder::from(&found)
        .force_path_style(path_style)
        .retry_config(retries(settings.attempts))
        .timeout_config(timeouts())
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

/// The endpoint that the environment or the profile names, for S3 or for all of AWS.
fn endpoint(found: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    found
        .service_config()
        .and_then(|settings| settings.load_config(key))
        .or_else(|| found.endpoint_url().map(str::to_owned))
}

/// The SDK's own retries: they know which of S3's errors pass, count all requests of this client against one budget, send
/// the same bytes again and correct a wrong clock. A download that breaks in the middle is beyond them: see `download`.
fn retries(attempts: u32) -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(attempts.max(1))
        .with_initial_backoff(Duration::from_millis(500))
        .with_max_backoff(Duration::from_secs(20))
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        // Until the answer begins. Streams that stall are the SDK's own business.
        .read_timeout(Duration::from_secs(60))
        .build()
}
