//! Where a database is and how to reach it: typed, without anything left to look up.

use super::ProcessEnvironment;
use super::connection_string::encode;
use super::settings_builder;
use secrecy::SecretString;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything that a connection needs. Debug and Display show no password.
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    /// Tried in this order, as libpq tries several hosts.
    pub endpoints: Vec<Endpoint>,
    /// The database's name.
    pub database: String,
    /// The role to connect as.
    pub user: String,
    /// What the user asked for; without it a connection is called after its purpose.
    pub application_name: Option<String>,
    /// Command-line options for the server: `-c name=value`.
    pub options: Option<String>,
    /// For each address, from the first packet to the end of authentication. `None` waits for ever.
    pub connect_timeout: Option<Duration>,
    /// Encryption, and what is checked about the server.
    pub tls: TlsSettings,
    /// SCRAM's channel binding.
    pub channel_binding: tokio_postgres::config::ChannelBinding,
    /// What kind of server is wanted among several.
    pub target: TargetSessionAttributes,
    /// Try the endpoints in a random order.
    pub shuffle: bool,
    /// TCP keepalives.
    pub keepalives: Keepalives,
    /// Prisma's `schema`, which is no parameter of libpq: where Prisma keeps its tables.
    pub schema: Option<String>,
    /// Prisma's `pgbouncer=true`: the user says that a pooler in transaction mode stands in between.
    pub pooled: bool,
}

/// One place to try.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The name, address or socket folder.
    pub host: Host,
    /// An address to use in place of looking the name up; the name is still what a certificate is checked for.
    pub address: Option<IpAddr>,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// From the connection string, the environment or the password file.
    pub password: Option<SecretString>,
}

/// How an endpoint is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an IP address.
    Tcp(String),
    /// The folder of a Unix-domain socket.
    Unix(PathBuf),
}

/// libpq's `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS when the server refuses a connection without.
    Allow,
    /// TLS when the server offers it.
    Prefer,
    /// TLS, whoever the server is; with a root certificate at hand, as `VerifyCa`.
    Require,
    /// TLS with a server whose certificate a known authority signed.
    VerifyCa,
    /// As `VerifyCa`, and the certificate is for the host that was named.
    VerifyFull,
}

/// Encryption, and what is checked about the server.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// How much is demanded.
    pub mode: SslMode,
    /// Whom to trust.
    pub roots: RootCertificates,
    /// Certificate revocation lists, PEM.
    pub revocations: Option<PathBuf>,
    /// Certificate and key of the client, PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Tell the server the host name (SNI).
    pub server_name_indication: bool,
    /// Begin with TLS rather than ask for it (PostgreSQL 17 and later).
    pub direct: bool,
    /// Accept TLS 1.2, or 1.3 alone.
    pub minimum_1_3: bool,
}

/// libpq's `sslrootcert`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootCertificates {
    /// None: a mode that verifies is refused.
    Absent,
    /// The operating system's.
    System,
    /// PEM.
    File(PathBuf),
}

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetSessionAttributes {
    /// Whichever answers first.
    Any,
    /// Transactions may write.
    ReadWrite,
    /// Transactions may not write.
    ReadOnly,
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
    /// In recovery, else whichever answers first.
    PreferStandby,
}

/// TCP keepalives. The default probes after a minute rather than after the kernel's two hours: a COPY may be silent for
/// longer than a NAT or a load balancer remembers its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalives {
    /// Whether to send any.
    pub enabled: bool,
    /// Silence before the first probe.
    pub idle: Duration,
    /// Between probes.
    pub interval: Duration,
    /// Unanswered probes before the connection counts as lost.
    pub count: u32,
    /// How long sent bytes may stay unacknowledged.
    pub user_timeout: Option<Duration>,
}

impl ConnectionSettings {
    /// From a URL or a keyword string; what it leaves open comes from `PG*` variables, then from libpq's defaults.
    pub fn parse(text: &str, environment: &ProcessEnvironment) -> Result<Self, SettingsError> {
        if text.trim().is_empty() {
            return Err(SettingsError::new(
                "the connection URL is empty",
                "write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
            ));
        }
        settings_builder::build(Some(text), environment)
    }

    /// From `PG*` variables and libpq's defaults alone.
    pub fn from_environment(environment: &ProcessEnvironment) -> Result<Self, SettingsError> {
        settings_builder::build(None, environment)
    }

    /// The same server, user and password with another database, as for CREATE DATABASE.
    pub fn with_database(&self, name: &str) -> Self {
        Self {
            database: name.to_owned(),
            ..self.clone()
        }
    }

    /// Whether every endpoint is on this machine: a Unix-domain socket or a loopback address.
    pub fn is_local(&self) -> bool {
        self.endpoints
            .iter()
            .all(|endpoint| match (&endpoint.host, endpoint.address) {
                (_, Some(address)) => address.is_loopback(),
                (Host::Unix(_), None) => true,
                (Host::Tcp(name), None) => {
                    name.eq_ignore_ascii_case("localhost")
                        || name
                            .parse::<IpAddr>()
                            .is_ok_and(|address| address.is_loopback())
                }
            })
    }

    /// The URL without the password.
    pub fn redacted(&self) -> String {
        let is_tcp = |endpoint: &Endpoint| matches!(endpoint.host, Host::Tcp(_));
        let mut url = format!("postgresql://{}@", encode(&self.user));
        let mut query = Vec::new();
        if self.endpoints.iter().all(is_tcp) {
            url.push_str(&self.places());
        } else {
            let list = |item: &dyn Fn(&Endpoint) -> String| {
                self.endpoints
                    .iter()
                    .map(item)
                    .collect::<Vec<_>>()
                    .join(",")
            };
            query.push(format!(
                "host={}",
                list(&|endpoint| endpoint.host.to_string())
            ));
            query.push(format!(
                "port={}",
                list(&|endpoint| endpoint.port.to_string())
            ));
        }
        url.push('/');
        url.push_str(&encode(&self.database));
        if self.tls.mode != SslMode::Prefer && self.endpoints.iter().any(is_tcp) {
            query.push(format!("sslmode={}", self.tls.mode));
        }
        if let Some(schema) = &self.schema {
            query.push(format!("schema={}", encode(schema)));
        }
        if !query.is_empty() {
            url.push('?');
            url.push_str(&query.join("&"));
        }
        url
    }

    /// All endpoints, `host:port` between commas.
    pub fn places(&self) -> String {
        self.endpoints
            .iter()
            .map(Endpoint::to_string)
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// As `redacted`.
impl fmt::Display for ConnectionSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// `host:port`, `[::1]:port` or `/folder:port`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Tcp(name) if name.contains(':') => write!(f, "[{name}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(name) => f.write_str(name),
            Self::Unix(folder) => write!(f, "{}", folder.display()),
        }
    }
}

impl SslMode {
    /// All, with libpq's names.
    pub(super) const NAMED: [(&str, Self); 6] = [
        ("disable", Self::Disable),
        ("allow", Self::Allow),
        ("prefer", Self::Prefer),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMED
            .iter()
            .find(|(_, mode)| mode == self)
            .map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl Default for Keepalives {
    fn default() -> Self {
        Self {
            enabled: true,
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(15),
            count: 4,
            user_timeout: None,
        }
    }
}

/// A connection string, variable or file of libpq's that cannot be used. Quotes no value that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SettingsError {
    /// What is wrong with what.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl SettingsError {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: hint.into(),
        }
    }
}
