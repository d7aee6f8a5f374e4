//! Who may ask for what: tokens, and the host that a browser was told.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Shared;
use super::problem::Rejection;
use crate::config::{HttpSettings, TokenAccess, http::is_loopback};

/// Begins every token, so that whoever finds one knows what it is.
const PREFIX: &str = "orchestrator_";
/// Longer than any token of ours; nobody has the digest of megabytes made.
const LONGEST_TOKEN: usize = 512;

/// A new token and the SHA-256 that stands in the configuration, as 64 hexadecimal digits. `None` when this machine gives no random numbers.
pub fn new_token() -> Option<(String, String)> {
    let mut random = [0; 32];
    rustls::crypto::aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut random)
        .ok()?;
    let token = format!("{PREFIX}{}", hex::encode(random));
    let digest = hex::encode(Sha256::digest(&token));
    Some((token, digest))
}

/// Whose token a request carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The token's name.
    pub name: String,
    pub access: TokenAccess,
}

impl Caller {
    /// Refuses what only a token of the access `run` may do.
    pub fn may_run(&self) -> Result<(), Rejection> {
        if self.access >= TokenAccess::Run {
            return Ok(());
        }
        Err(Rejection::request(
            StatusCode::FORBIDDEN,
            format!(
                "the token {} may read, and not run or cancel anything",
                self.name
            ),
        )
        .hint(format!(
            "write access = \"run\" below [daemon.tokens.{}]",
            self.name
        )))
    }
}

/// The caller of a request, or why it is not answered.
pub(super) fn caller(settings: &HttpSettings, headers: &HeaderMap) -> Result<Caller, Rejection> {
    if settings.tokens.is_empty() {
        return Err(Rejection::request(
            StatusCode::FORBIDDEN,
            "the API is closed: the configuration has no token",
        )
        .hint("run `orchestrator daemon token`, and write what it prints into orchestrator.toml"));
    }
    let unauthorized = |message: &str| {
        Rejection::request(StatusCode::UNAUTHORIZED, message).hint(
            "send the header Authorization: Bearer TOKEN; `orchestrator daemon token` makes one",
        )
    };
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (given.next(), given.next()) else {
        return Err(unauthorized("the request has no token"));
    };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let Some(token) = token.filter(|token| token.len() <= LONGEST_TOKEN) else {
        return Err(unauthorized("the header Authorization has no bearer token"));
    };
    let digest: [u8; 32] = Sha256::digest(token).into();
    // All of them are looked at, each to its end: how long it takes tells nothing.
    let mut found = u64::MAX;
    for (index, token) in (0..).zip(settings.tokens.values()) {
        let same: Choice = token.sha256.ct_eq(&digest);
        found = u64::conditional_select(&found, &index, same);
    }
    let found = usize::try_from(found)
        .ok()
        .and_then(|index| settings.tokens.iter().nth(index));
    match found {
        Some((name, token)) => Ok(Caller {
            name: name.to_string(),
            access: token.access,
        }),
        None => Err(unauthorized("the token is none of the configuration's")),
    }
}

/// Lets nobody into the API without a token.
pub(super) async fn need_token(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    match caller(&shared.settings(), request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(rejection) => rejection.into_response(),
    }
}

/// The same for `/metrics`, where the configuration says so.
pub(super) async fn metrics_need_token(
    state: State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let settings = state.settings();
    // By the address that it has: another one in the file counts after a restart. Names of other hosts are those of a proxy.
    let is_public = !is_loopback(state.address.ip()) || !settings.hosts.is_empty();
    if settings.metrics_need_token.unwrap_or(is_public) {
        return need_token(state, request, next).await;
    }
    next.run(request).await
}

/// A page in a browser may be told that its own host's name leads to 127.0.0.1 (DNS rebinding), and would then read what this machine alone
/// may read. The header says which name it was.
pub(super) async fn need_own_host(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    if is_loopback(shared.address.ip())
        && !is_own(&shared.settings().hosts, request.uri(), request.headers())
    {
        return Rejection::request(
            StatusCode::MISDIRECTED_REQUEST,
            "the header Host names another host than this one",
        )
        .hint("use localhost, or write the name into `hosts` below [daemon]")
        .into_response();
    }
    next.run(request).await
}

fn is_own(hosts: &[String], uri: &Uri, headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(header::HOST).iter();
    let host = match (uri.authority(), named.next(), named.next()) {
        (Some(authority), _, None) => authority.as_str(),
        (None, Some(host), None) => match host.to_str() {
            Ok(host) => host,
            Err(_) => return false,
        },
        // HTTP/1.0 has no such header, and browsers speak a later one.
        (None, None, _) => return true,
        _ => return false,
    };
    let Ok(url) = url::Url::parse(&format!("http://{host}/")) else {
        return false;
    };
    match url.host() {
        // An address cannot be rebound.
        Some(url::Host::Ipv4(address)) => !IpAddr::from(address).is_unspecified(),
        Some(url::Host::Ipv6(address)) => !IpAddr::from(address).is_unspecified(),
        Some(url::Host::Domain(name)) => {
            name == "localhost" || hosts.iter().any(|host| host == name)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Token;

    fn settings(tokens: &[(&str, TokenAccess, &str)]) -> HttpSettings {
        let token = |(name, access, text): &(&str, TokenAccess, &str)| {
            let sha256 = Sha256::digest(text).into();
            (
                name.parse().unwrap(),
                Token {
                    sha256,
                    access: *access,
                },
            )
        };
        HttpSettings {
            listen: None,
            hosts: vec!["backups.internal".to_owned()],
            metrics_need_token: None,
            tokens: tokens.iter().map(token).collect(),
        }
    }

    fn name(settings: &HttpSettings, authorization: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, authorization.parse().unwrap());
        caller(settings, &headers).ok().map(|caller| caller.name)
    }

    #[test]
    fn a_token_says_who_it_is() {
        let settings = settings(&[
            ("ada", TokenAccess::Read, "one"),
            ("ci", TokenAccess::Run, "two"),
        ]);
        assert_eq!(name(&settings, "Bearer one").as_deref(), Some("ada"));
        assert_eq!(name(&settings, "bearer two").as_deref(), Some("ci"));
        for wrong in [
            "Bearer three",
            "Bearer ",
            "Bearer",
            "Basic one",
            "one",
            "Bearer one two",
        ] {
            assert_eq!(name(&settings, wrong), None, "{wrong}");
        }
        assert_eq!(
            name(&settings, &format!("Bearer {}", "x".repeat(600))),
            None
        );
        assert!(caller(&settings, &HeaderMap::new()).is_err());
    }

    #[test]
    fn without_tokens_nobody_is_let_in() {
        assert_eq!(name(&settings(&[]), "Bearer one"), None);
    }

    #[test]
    fn new_tokens_are_never_the_same_and_fit_their_digest() {
        let (one, digest) = new_token().unwrap();
        let (two, _) = new_token().unwrap();
        assert_ne!(one, two);
        assert_eq!(one.len(), PREFIX.len() + 64);
        assert_eq!(digest, hex::encode(Sha256::digest(&one)));
    }

    #[test]
    fn hosts_that_a_browser_may_name() {
        let hosts = ["backups.internal".to_owned()];
        let own = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_own(&hosts, &Uri::from_static("/healthz"), &headers)
        };
        for host in [
            "localhost",
            "LOCALHOST:8432",
            "127.0.0.1:8432",
            "[::1]:1",
            "backups.internal:8432",
        ] {
            assert!(own(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "0.0.0.0",
            "",
            "a b",
            "user@evil.example:1",
            "[::]",
        ] {
            assert!(!own(host), "{host}");
        }
    }
}
