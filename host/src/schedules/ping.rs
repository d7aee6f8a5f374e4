//! The address of a dead man's switch, such as a check of healthchecks.io.

use crate::secret_url::SecretUrl;

/// Told of a run's start, success and failure; its silence is an alarm elsewhere. A secret: Debug shows the host alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping(SecretUrl);

impl Ping {
    /// An http or https URL. The error quotes nothing of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        SecretUrl::parse(text).map(Self)
    }

    /// The address.
    pub fn url(&self) -> &SecretUrl {
        &self.0
    }
}
