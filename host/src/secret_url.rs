//! Addresses that are secrets themselves: whoever knows a webhook's URL may write to it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// Parts of a URL at least this long are taken for keys: shorter ones are words such as `services`.
const SHORTEST_KEY: usize = 16;

/// Shorter paths would shred ordinary text.
const SHORTEST_PATH: usize = 8;

/// An http or https URL that is shown by its host alone.
#[derive(Clone)]
pub struct SecretUrl(SecretString);

impl SecretUrl {
    /// Checks the URL. The error quotes nothing of it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text.trim()).map_err(|_| "it is no URL")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it is neither an http nor an https URL");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("it names no host");
        }
        Ok(Self(url.to_string().into()))
    }

    /// The whole of it, for the request.
    pub fn expose(&self) -> Result<Url, &'static str> {
        Url::parse(self.0.expose_secret()).map_err(|_| "it is no URL")
    }

    /// `hooks.slack.com`, `127.0.0.1:8080`: what may be shown.
    pub fn host(&self) -> String {
        let Ok(url) = self.expose() else {
            return String::new();
        };
        let host = url.host_str().unwrap_or_default();
        match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// What nobody should read in a log: the URL, its path, and the parts that look like keys.
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![self.0.expose_secret().to_owned()];
        let Ok(url) = self.expose() else {
            return secrets;
        };
        secrets.extend(url.password().map(str::to_owned));
        if url.path().len() >= SHORTEST_PATH {
            secrets.push(url.path().trim_end_matches('/').to_owned());
        }
        let parts = url.path_segments().into_iter().flatten().map(str::to_owned);
        let values = url.query_pairs().map(|(_, value)| value.into_owned());
        secrets.extend(
            parts
                .chain(values)
                .filter(|part| part.len() >= SHORTEST_KEY),
        );
        secrets
    }
}

impl PartialEq for SecretUrl {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Eq for SecretUrl {}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretUrl({})", self.host())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_by_the_host_alone() {
        let url = SecretUrl::parse("https://ada:pass@hooks.example.org:8443/services/T0/0123456789abcdef?key=fedcba9876543210").unwrap();
        assert_eq!(format!("{url:?}"), "SecretUrl(hooks.example.org:8443)");
        let secrets = url.secrets();
        for secret in [
            "pass",
            "/services/T0/0123456789abcdef",
            "0123456789abcdef",
            "fedcba9876543210",
        ] {
            assert!(secrets.iter().any(|known| known == secret), "{secret}");
        }
        assert!(!secrets.iter().any(|known| known == "services"));
    }

    #[test]
    fn what_is_no_address() {
        for (text, problem) in [
            ("hunter2", "it is no URL"),
            (
                "ftp://host/hunter2",
                "it is neither an http nor an https URL",
            ),
            ("https://", "it is no URL"),
        ] {
            assert_eq!(SecretUrl::parse(text).unwrap_err(), problem);
        }
    }
}
