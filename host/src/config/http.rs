//! `[daemon]`, as far as it is about HTTP: where the daemon listens, and whom it answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::error::{ConfigError, Problem};
use super::name::Name;
use super::reader::Section;
use super::reference::{
    DAEMON_HOSTS, DAEMON_LISTEN, DAEMON_METRICS, DAEMON_TOKEN_ACCESS, DAEMON_TOKEN_SHA256,
};

/// Where the daemon listens, and whom it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// None: it does not listen.
    pub listen: Option<SocketAddr>,
    /// Names in the header `Host` that are answered besides this machine's own; lowercase, without a port.
    pub hosts: Vec<String>,
    /// Whether `/metrics` asks for a token; none: where other machines reach it.
    pub metrics_need_token: Option<bool>,
    /// By their names, which the log calls whoever used them.
    pub tokens: BTreeMap<Name, Token>,
}

/// Who may do what with the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token's text. The token has 256 random bits, so that nothing slower is called for.
    pub sha256: [u8; 32],
    /// What may be done with it.
    pub access: TokenAccess,
}

/// What may be done with a token; each holds the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TokenAccess {
    /// Look at everything.
    Read,
    /// Run and cancel jobs.
    Run,
}

pub(super) fn read(root: &Section<'_>) -> Result<HttpSettings, ConfigError> {
    let section = root.section("daemon", "daemon")?;
    let mut tokens: BTreeMap<Name, Token> = BTreeMap::new();
    for (name, section) in section.named("tokens", "daemon.tokens")? {
        let sha256 = section
            .required::<String>(&DAEMON_TOKEN_SHA256)?
            .try_map(digest)?;
        let access = match section.required::<String>(&DAEMON_TOKEN_ACCESS)?.value {
            word if word == "run" => TokenAccess::Run,
            _ => TokenAccess::Read,
        };
        let same = tokens.iter().find(|(_, token)| token.sha256 == sha256);
        if let Some((other, _)) = same {
            return Err(section.problem(Problem::new(
                format!("it is the same token as {other}'s"),
                "make one for each of them with `orchestrator daemon token`",
            )));
        }
        tokens.insert(name, Token { sha256, access });
    }
    let listen = section
        .required::<String>(&DAEMON_LISTEN)?
        .try_map(|text| address(&text, !tokens.is_empty()))?;
    let hosts = section
        .value::<Vec<String>>(&DAEMON_HOSTS)?
        .map(|found| found.value)
        .unwrap_or_default();
    let metrics = section.value::<String>(&DAEMON_METRICS)?;
    Ok(HttpSettings {
        listen,
        hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        metrics_need_token: metrics.map(|found| found.value == "token"),
        tokens,
    })
}

fn address(text: &str, has_token: bool) -> Result<Option<SocketAddr>, Problem> {
    if text == "off" {
        return Ok(None);
    }
    let address: SocketAddr = text.parse().map_err(|_| {
        Problem::new(
            format!("{text:?} is no address"),
            "write an IP address and a port, as 127.0.0.1:8432 or [::1]:8432; or off",
        )
    })?;
    if !is_loopback(address.ip()) && !has_token {
        return Err(Problem::new(
            format!("{address} can be reached from other machines, and there is no token"),
            "run `orchestrator daemon token` and write what it prints into the file, or listen on 127.0.0.1",
        ));
    }
    Ok(Some(address))
}

/// Whether only this machine reaches it.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Which tokens are gone from a file that cannot be used: whoever takes one out wants it to open nothing, whatever else is wrong. A text that
/// is no TOML says nothing, nor does a digest that is somewhere else.
pub(crate) fn gone(tokens: &BTreeMap<Name, Token>, text: &str) -> BTreeSet<Name> {
    let Ok(root) = toml::from_str::<toml::Table>(text) else {
        return BTreeSet::new();
    };
    let tokens_written = root.get("daemon").and_then(|daemon| daemon.get("tokens"));
    let is_gone = |name: &Name, token: &Token| {
        let written = tokens_written.and_then(|tokens| tokens.get(name.as_str()));
        let Some(written) = written.and_then(toml::Value::as_table) else {
            return true;
        };
        let text = written.get("sha256").and_then(toml::Value::as_str);
        let digest = text.and_then(|text| digest(text.to_owned()).ok());
        digest.is_some_and(|digest| digest != token.sha256)
    };
    let gone = tokens.iter().filter(|(name, token)| is_gone(name, token));
    gone.map(|(name, _)| name.clone()).collect()
}

fn digest(text: String) -> Result<[u8; 32], Problem> {
    let mut digest = [0; 32];
    hex::decode_to_slice(&text, &mut digest).map_err(|_| {
        Problem::new(
            "it is no SHA-256: 64 hexadecimal digits",
            "write what `orchestrator daemon token` prints; the token itself does not stand in the file",
        )
    })?;
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::database::ProcessEnvironment;

    fn settings(text: &str) -> HttpSettings {
        let sources = Sources {
            file: None,
            environment: None,
            working_folder: std::path::Path::new("/srv"),
            process: &ProcessEnvironment::of([]),
        };
        Config::parse(text, None, &sources).unwrap().http
    }

    #[test]
    fn loopback_is_open_to_prometheus_and_other_addresses_are_not() {
        let usual = settings("");
        assert_eq!(usual.listen, Some(([127, 0, 0, 1], 8432).into()));
        assert!(usual.metrics_need_token.is_none() && usual.tokens.is_empty());
        assert_eq!(settings("[daemon]\nlisten = \"off\"\n").listen, None);
        let token = format!("[daemon.tokens.ci]\nsha256 = \"{}\"\n", "0A".repeat(32));
        let public = settings(&format!("[daemon]\nlisten = \"0.0.0.0:80\"\n{token}"));
        assert_eq!(public.metrics_need_token, None);
        assert_eq!(
            public.tokens["ci"],
            Token {
                sha256: [10; 32],
                access: TokenAccess::Read
            }
        );
        let open = "[daemon]\nlisten = \"0.0.0.0:80\"\nmetrics = \"open\"\nhosts = [\"Backups.Internal\"]\n";
        let open = settings(&format!("{open}{token}"));
        assert_eq!(open.metrics_need_token, Some(false));
        assert_eq!(open.hosts, ["backups.internal"]);
    }

    #[test]
    fn a_token_is_gone_from_a_file_that_cannot_be_used() {
        let [old, new] = ["0a".repeat(32), "0b".repeat(32)];
        let table =
            |name: &str, sha256: &str| format!("[daemon.tokens.{name}]\nsha256 = \"{sha256}\"\n");
        let tokens = settings(&(table("ci", &old) + &table("ada", &new))).tokens;
        let gone = |text: &str| {
            let gone = gone(&tokens, text);
            gone.iter().map(Name::to_string).collect::<Vec<_>>()
        };
        let broken = "[daemon]\nlisten = \"0.0.0.0:80\"\nnonsense = 1\n";
        assert_eq!(gone(broken), ["ada", "ci"]);
        assert_eq!(gone(&format!("{broken}{}", table("ci", &old))), ["ada"]);
        // Another token of the same name; and one that stands somewhere else.
        let others = table("ci", &new) + &table("ada", "${ADA}");
        assert_eq!(gone(&format!("{broken}{others}")), ["ci"]);
        assert_eq!(gone("[daemon"), [""; 0], "half a file says nothing");
    }
}
