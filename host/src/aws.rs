//! What all clients of AWS's services share: where they find their region, their endpoint and their credentials, and how their errors
//! read.

use std::error::Error;
use std::time::Duration;

use aws_config::Region;
use aws_config::meta::region::RegionProviderChain;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, ConfigLoader, SdkConfig};
use aws_types::service_config::ServiceConfigKey;

/// What the SDK finds in the environment, the profile and the machine's role, with the region as given or found there.
///
/// A region that nobody names is looked for on the network last; servers that are not AWS's rarely care for one.
pub async fn loader(region: Option<&str>, endpoint: Option<&str>) -> ConfigLoader {
    let named = RegionProviderChain::first_try(region.map(|name| Region::new(name.to_owned())));
    let region = match endpoint {
        Some(_) => named
            .or_else(aws_config::environment::EnvironmentVariableRegionProvider::new())
            .or_else("us-east-1"),
        None => named.or_default_provider().or_else("us-east-1"),
    };
    aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .timeout_config(timeouts())
}

/// The endpoint that the environment or the profile names, for the service (`S3`, `RDS`) or for all of AWS.
pub fn endpoint(found: &SdkConfig, service: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok()?;
    found
        .service_config()
        .and_then(|settings| settings.load_config(key))
        .or_else(|| found.endpoint_url().map(str::to_owned))
}

/// The SDK's own retries: they know which of a service's errors pass, count all requests of a client against one budget, send the same
/// bytes again and correct a wrong clock.
pub fn retries(attempts: u32) -> RetryConfig {
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

/// Whether an error's code says that the credentials are missing, wrong or expired.
pub fn is_unauthenticated(code: &str) -> bool {
    matches!(
        code,
        "InvalidAccessKeyId"
            | "InvalidClientTokenId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "InvalidToken"
            | "IncompleteSignature"
            | "MissingAuthenticationToken"
            | "TokenRefreshRequired"
            | "MissingSecurityHeader"
            | "RequestTimeTooSkewed"
            | "RequestExpired"
            | "AuthFailure"
            | "NotSignedUp"
            | "OptInRequired"
            | "UnrecognizedClientException"
    )
}

/// Whether an error's code asks for fewer requests.
pub fn is_throttled(code: &str) -> bool {
    matches!(
        code,
        "SlowDown"
            | "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestLimitExceeded"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "TooManyRequests"
            | "TooManyRequestsException"
    )
}

/// What to do about missing credentials.
pub const CREDENTIALS: &str =
    "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the profile or the instance's role";

/// An error and what caused it, each said once, on one line: the SDK lists all places where it looked for credentials.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    let line = text.lines().next().unwrap_or_default();
    let line = line.trim_end_matches(". Attempted:");
    line.trim_start_matches("dispatch failure: other: ")
        .to_owned()
}
