//! `[notify]`: names for whoever is told of runs.

use super::error::{ConfigError, Problem};
use super::name::Name;
use super::reader::{Found, Section};
use super::reference::{
    Key, NOTIFY_FROM, NOTIFY_HEADER, NOTIFY_KIND, NOTIFY_ON, NOTIFY_PASSWORD, NOTIFY_PASSWORD_FILE,
    NOTIFY_SERVER, NOTIFY_TIMEOUT, NOTIFY_TO, NOTIFY_URL, NOTIFY_URL_FILE, NOTIFY_USER,
};
use crate::secret_url::SecretUrl;
use lettre::message::Mailbox;
use reqwest::header::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Somebody who is told of runs. Debug shows no secret.
#[derive(Clone, Debug)]
pub struct NotifyTarget {
    /// How.
    pub channel: Channel,
    /// Of what.
    pub on: BTreeSet<NoticeKind>,
    /// How long a notice may take, with all its attempts.
    pub timeout: Duration,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum Channel {
    /// JSON to an address.
    Webhook {
        /// Where to.
        url: SecretUrl,
        /// Such as `Authorization`; the values are secrets.
        headers: Vec<(HeaderName, SecretString)>,
    },
    /// What Slack takes as an incoming webhook, and others after it.
    Slack {
        /// Where to.
        url: SecretUrl,
    },
    /// A message by SMTP.
    Email(EmailSettings),
}

/// Who sends a message to whom, and by which server.
#[derive(Clone, Debug)]
pub struct EmailSettings {
    /// The server's name or address.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: SmtpEncryption,
    /// User and password, where the server wants them.
    pub login: Option<(String, SecretString)>,
    /// Who sends.
    pub from: Mailbox,
    /// Who gets it; at least one.
    pub to: Vec<Mailbox>,
}

/// The scheme of a mail server's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpEncryption {
    /// `smtp://`
    None,
    /// `smtp+starttls://`: nothing is sent before the connection is encrypted.
    StartTls,
    /// `smtps://`
    Tls,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoticeKind {
    /// A run began.
    Started,
    /// A run is done.
    Succeeded,
    /// A run is done, with warnings.
    Warned,
    /// A run failed, was refused or was cut short.
    Failed,
    /// A schedule has not fired when it should.
    Missed,
    /// The first success after a failure.
    Recovered,
    /// Somebody wants to know whether notices arrive. Every target gets it.
    Test,
}

impl NoticeKind {
    /// The kinds that `on` may name.
    pub(super) const NAMES: [&str; 6] = [
        "started",
        "succeeded",
        "warned",
        "failed",
        "missed",
        "recovered",
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Succeeded => "succeeded",
            Self::Warned => "warned",
            Self::Failed => "failed",
            Self::Missed => "missed",
            Self::Recovered => "recovered",
            Self::Test => "test",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let kinds = [
            Self::Started,
            Self::Succeeded,
            Self::Warned,
            Self::Failed,
            Self::Missed,
            Self::Recovered,
        ];
        kinds.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl Channel {
    /// The word in the configuration.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Slack { .. } => "slack",
            Self::Email(_) => "email",
        }
    }

    /// Where notices go, as far as it may be shown.
    pub fn shown(&self) -> String {
        match self {
            Self::Webhook { url, .. } | Self::Slack { url } => url.host(),
            Self::Email(email) => {
                let to: Vec<String> = email
                    .to
                    .iter()
                    .map(|mailbox| mailbox.email.to_string())
                    .collect();
                format!("{} by {}", to.join(", "), email.host)
            }
        }
    }

    /// Whether secrets of its headers can be read on their way to another machine.
    pub fn exposes_headers(&self) -> bool {
        let Self::Webhook { url, headers } = self else {
            return false;
        };
        let url = url.expose().ok();
        let is_readable = url
            .is_some_and(|url| url.scheme() == "http" && !url.host_str().is_some_and(is_loopback));
        is_readable && !headers.is_empty()
    }
}

/// Whether both tell the same people in the same way, secrets included.
impl PartialEq for Channel {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::Webhook { url, headers },
                Self::Webhook {
                    url: to,
                    headers: with,
                },
            ) => {
                let is_same =
                    |((name, value), (other, its)): (&(HeaderName, _), &(HeaderName, _))| {
                        name == other && is_same_secret(value, its)
                    };
                url == to && headers.len() == with.len() && headers.iter().zip(with).all(is_same)
            }
            (Self::Slack { url }, Self::Slack { url: to }) => url == to,
            (Self::Email(email), Self::Email(other)) => email == other,
            _ => false,
        }
    }
}

impl PartialEq for EmailSettings {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            host,
            port,
            encryption,
            login,
            from,
            to,
        } = self;
        let is_same_login = match (login, &other.login) {
            (Some((user, password)), Some((name, secret))) => {
                user == name && is_same_secret(password, secret)
            }
            (None, None) => true,
            _ => false,
        };
        is_same_login
            && (host, port, encryption) == (&other.host, &other.port, &other.encryption)
            && (from, to) == (&other.from, &other.to)
    }
}

fn is_same_secret(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

pub(super) fn read(root: &Section<'_>) -> Result<BTreeMap<Name, NotifyTarget>, ConfigError> {
    let mut targets = BTreeMap::new();
    for (name, section) in root.named("notify", "notify")? {
        targets.insert(name, target(&section)?);
    }
    Ok(targets)
}

fn target(section: &Section<'_>) -> Result<NotifyTarget, ConfigError> {
    const ADDRESS: [&Key; 2] = [&NOTIFY_URL, &NOTIFY_URL_FILE];
    const MAIL: [&Key; 6] = [
        &NOTIFY_SERVER,
        &NOTIFY_USER,
        &NOTIFY_PASSWORD,
        &NOTIFY_PASSWORD_FILE,
        &NOTIFY_FROM,
        &NOTIFY_TO,
    ];
    let kind = section.required::<String>(&NOTIFY_KIND)?.value;
    let foreign: &[&Key] = if kind == "email" { &ADDRESS } else { &MAIL };
    if let Some(key) = foreign.iter().find(|key| section.gives(key)) {
        return Err(stranger(section, key.name(), &kind));
    }
    if kind != "webhook" && section.has("headers") {
        return Err(stranger(section, "headers", &kind));
    }
    let channel = match kind.as_str() {
        "email" => Channel::Email(email(section)?),
        "slack" => Channel::Slack { url: url(section)? },
        _ => Channel::Webhook {
            url: url(section)?,
            headers: headers(section)?,
        },
    };
    Ok(NotifyTarget {
        channel,
        on: section
            .required::<Vec<String>>(&NOTIFY_ON)?
            .value
            .iter()
            .filter_map(|name| NoticeKind::named(name))
            .collect(),
        timeout: section.required(&NOTIFY_TIMEOUT)?.value,
    })
}

/// A key that says nothing to this kind of target.
fn stranger(section: &Section<'_>, key: &str, kind: &str) -> ConfigError {
    let hint = match kind {
        "email" => "an email has server, user, password, from and to",
        "slack" => "slack has url or url_file",
        _ => "a webhook has url or url_file, and headers",
    };
    section.problem(Problem::new(
        format!("{key} is no key of the kind {kind}"),
        hint,
    ))
}

fn url(section: &Section<'_>) -> Result<SecretUrl, ConfigError> {
    let found = section.text_or_file(&NOTIFY_URL, &NOTIFY_URL_FILE)?;
    let found = found.ok_or_else(|| section.missing(&NOTIFY_URL))?;
    found.try_map(|text| {
        SecretUrl::parse(&text)
            .map_err(|problem| Problem::new(problem, "write the address as https://HOST/PATH"))
    })
}

fn headers(section: &Section<'_>) -> Result<Vec<(HeaderName, SecretString)>, ConfigError> {
    // Those that frame the message are the program's own.
    const OWN: [&str; 4] = [
        "host",
        "content-length",
        "content-type",
        "transfer-encoding",
    ];
    let mut headers = Vec::new();
    for (name, found) in section.values::<String>("headers", &NOTIFY_HEADER)? {
        headers.push(found.try_map(|value| {
            let parsed = HeaderName::try_from(name).map_err(|_| {
                Problem::new("the name is none of a header", "write it as Authorization")
            })?;
            if OWN.contains(&parsed.as_str()) {
                return Err(Problem::new(
                    "this header is not to be chosen",
                    "leave it out",
                ));
            }
            HeaderValue::try_from(&value).map_err(|_| {
                Problem::new(
                    "the value holds a line break or another control character",
                    "write it on one line",
                )
            })?;
            Ok((parsed, SecretString::from(value)))
        })?);
    }
    Ok(headers)
}

fn email(section: &Section<'_>) -> Result<EmailSettings, ConfigError> {
    let server: Found<String> = section.required(&NOTIFY_SERVER)?;
    let (host, port, encryption) = server.try_map(|text| parse_server(&text))?;
    let user = section
        .value::<String>(&NOTIFY_USER)?
        .map(|found| found.value);
    let password = section.text_or_file(&NOTIFY_PASSWORD, &NOTIFY_PASSWORD_FILE)?;
    let login = match (user, password) {
        (Some(user), Some(password)) => Some((user, SecretString::from(password.value))),
        (None, None) => None,
        _ => {
            return Err(section.problem(Problem::new(
                "user and password go together, and one of them is missing",
                "give both, or neither for a server that asks for none",
            )));
        }
    };
    if login.is_some() && encryption == SmtpEncryption::None && !is_loopback(&host) {
        return Err(section.problem(Problem::new(
            "the password would travel unencrypted",
            "write server = \"smtp+starttls://HOST\" or \"smtps://HOST\"",
        )));
    }
    let from = section
        .required::<String>(&NOTIFY_FROM)?
        .try_map(|text| mailbox(&text))?;
    let to = section
        .required::<Vec<String>>(&NOTIFY_TO)?
        .try_map(|texts| {
            if texts.is_empty() {
                return Err(Problem::new(
                    "it is empty",
                    "write the address of whoever gets the message",
                ));
            }
            texts.iter().map(|text| mailbox(text)).collect()
        })?;
    Ok(EmailSettings {
        host,
        port,
        encryption,
        login,
        from,
        to,
    })
}

/// Quotes nothing: somebody may have written a password into it.
fn parse_server(text: &str) -> Result<(String, u16, SmtpEncryption), Problem> {
    let problem = |message: &str| {
        Problem::new(
            message,
            "write smtps://HOST, smtp+starttls://HOST:PORT, or smtp://localhost",
        )
    };
    let url = url::Url::parse(text).map_err(|_| problem("the server is no URL"))?;
    let (encryption, usual_port) = match url.scheme() {
        "smtp" => (SmtpEncryption::None, 25),
        "smtp+starttls" => (SmtpEncryption::StartTls, 587),
        "smtps" => (SmtpEncryption::Tls, 465),
        _ => {
            return Err(problem(
                "the server's URL is none of smtp, smtp+starttls and smtps",
            ));
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Problem::new(
            "the server's URL holds a login",
            "write it as user and password, or password_file",
        ));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(problem(
            "the server's URL holds more than a host and a port",
        ));
    }
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| problem("the server's URL names no host"))?;
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok((host, url.port().unwrap_or(usual_port), encryption))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn mailbox(text: &str) -> Result<Mailbox, Problem> {
    let hint = "write NAME@HOST, or Name <NAME@HOST>";
    if text.chars().any(char::is_control) {
        return Err(Problem::new("the address holds a control character", hint));
    }
    text.parse()
        .map_err(|_| Problem::new(format!("{text:?} is no e-mail address"), hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(url: &str, header: &str) -> Channel {
        let name = HeaderName::from_static("authorization");
        let headers = [header].into_iter().filter(|header| !header.is_empty());
        Channel::Webhook {
            url: SecretUrl::parse(url).unwrap(),
            headers: headers
                .map(|value| (name.clone(), value.to_owned().into()))
                .collect(),
        }
    }

    #[test]
    fn headers_travel_unencrypted() {
        for (url, header, expected) in [
            ("http://hooks.example.org/x", "Bearer x", true),
            ("http://10.0.0.7/x", "Bearer x", true),
            ("http://hooks.example.org/x", "", false),
            ("https://hooks.example.org/x", "Bearer x", false),
            ("http://localhost:8080/x", "Bearer x", false),
            ("http://127.0.0.1/x", "Bearer x", false),
            ("http://[::1]:8080/x", "Bearer x", false),
        ] {
            assert_eq!(webhook(url, header).exposes_headers(), expected, "{url}");
        }
    }

    #[test]
    fn a_channel_with_another_secret_is_another() {
        let one = webhook("https://h/x", "a");
        assert!(one == webhook("https://h/x", "a"));
        assert!(one != webhook("https://h/x", "b") && one != webhook("https://h/y", "a"));
        assert!(one != webhook("https://h/x", ""));
        let mail = |password: &str| {
            Channel::Email(EmailSettings {
                host: "h".to_owned(),
                port: 25,
                encryption: SmtpEncryption::Tls,
                login: Some(("u".to_owned(), password.to_owned().into())),
                from: "a@example.org".parse().unwrap(),
                to: vec!["b@example.org".parse().unwrap()],
            })
        };
        assert!(mail("a") == mail("a") && mail("a") != mail("b") && mail("a") != one);
    }
}
