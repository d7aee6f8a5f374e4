//! One attempt at one address: the session, or why there is none.

use super::connection::encryptions;
use super::pieces::{Connector, Pieces};
use super::settings::{ConnectionSettings, Endpoint, Host};
use super::{DatabaseError, DatabaseErrorKind};
use rustls::CertificateError;
use secrecy::ExposeSecret;
use std::error::Error as _;
use std::io;
use std::net::IpAddr;
use tokio_postgres::Socket;
use tokio_postgres::config::{SslMode as DriverSslMode, SslNegotiation};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What all attempts of one search share.
pub(super) struct Attempt<'a> {
    pub(super) settings: &'a ConnectionSettings,
    pub(super) purpose: &'a str,
    pub(super) tls: &'a MakeRustlsConnect,
}

/// What one attempt leads to.
pub(super) struct Session {
    pub(super) client: tokio_postgres::Client,
    /// The other half, which moves its messages.
    pub(super) driver: tokio_postgres::Connection<Socket, Pieces>,
    /// For cancel requests, which are encrypted alike.
    pub(super) connector: Connector,
}

/// How one attempt deals with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Plain.
    Without,
    /// TLS, or plain when the server has none.
    IfOffered,
    /// TLS or nothing.
    Required,
}

impl Attempt<'_> {
    /// Connects to this address; `None` is the endpoint's socket.
    pub(super) async fn run(
        &self,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
    ) -> Result<Session, DatabaseError> {
        let mut first: Option<DatabaseError> = None;
        for encryption in encryptions(self.settings.tls.mode, &endpoint.host) {
            match self.run_with(endpoint, address, *encryption).await {
                Ok(session) => return Ok(session),
                Err(failure) => match first {
                    None if depends_on_encryption(&failure) => first = Some(failure),
                    None => return Err(failure),
                    Some(earlier) => {
                        let (with, without) = match encryption {
                            Encryption::Without => (&earlier.message, &failure.message),
                            _ => (&failure.message, &earlier.message),
                        };
                        let message = format!("with TLS: {with}; without: {without}");
                        return Err(DatabaseError { message, ..failure });
                    }
                },
            }
        }
        // There was one way alone, and it was refused for its encryption.
        Err(first.unwrap_or_else(|| io_failure(&io::ErrorKind::Unsupported.into(), endpoint)))
    }

    async fn run_with(
        &self,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
        encryption: Encryption,
    ) -> Result<Session, DatabaseError> {
        let session = self.open(endpoint, address, encryption).await;
        match session {
            Err(failure) if encryption == Encryption::IfOffered && failure.message == NO_TLS => {
                self.open(endpoint, address, Encryption::Without).await
            }
            other => other,
        }
    }

    async fn open(
        &self,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
        encryption: Encryption,
    ) -> Result<Session, DatabaseError> {
        let config = self.driver_config(endpoint, address, encryption);
        let connector = match encryption {
            Encryption::Without => Connector::plain(),
            Encryption::IfOffered | Encryption::Required => Connector::encrypted(self.tls.clone()),
        };
        let connecting = config.connect(connector.clone());
        let result = match self.settings.connect_timeout {
            Some(limit) => tokio::time::timeout(limit, connecting).await.map_err(|_| {
                DatabaseError::new(
                    DatabaseErrorKind::Timeout,
                    format!("no answer within {} s", limit.as_secs()),
                    "check that a firewall lets this machine through, or raise connect_timeout",
                )
            })?,
            None => connecting.await,
        };
        let (client, driver) = result.map_err(|error| classify(&error, endpoint))?;
        Ok(Session {
            client,
            driver,
            connector,
        })
    }

    fn driver_config(
        &self,
        endpoint: &Endpoint,
        address: Option<IpAddr>,
        encryption: Encryption,
    ) -> tokio_postgres::Config {
        let settings = self.settings;
        let mut config = tokio_postgres::Config::new();
        match &endpoint.host {
            Host::Tcp(name) => config.host(name),
            Host::Unix(folder) => config.host_path(folder),
        };
        if let Some(address) = address {
            config.hostaddr(address);
        }
        config
            .port(endpoint.port)
            .user(&settings.user)
            .dbname(&settings.database);
        config.application_name(
            settings
                .application_name
                .clone()
                .unwrap_or_else(|| format!("orchestrator {}", self.purpose)),
        );
        if let Some(password) = &endpoint.password {
            config.password(password.expose_secret());
        }
        if let Some(options) = &settings.options {
            config.options(options);
        }
        // Also for cancel requests, which the driver makes from the same settings.
        if let Some(limit) = settings.connect_timeout {
            config.connect_timeout(limit);
        }
        config.channel_binding(settings.channel_binding);
        match (encryption, &endpoint.host) {
            // The driver has nothing between itself and such a socket.
            (Encryption::Without, Host::Unix(_)) => {
                config.ssl_mode(DriverSslMode::Disable);
            }
            // Without a word about TLS to the server, through the connector.
            (Encryption::Without, Host::Tcp(_)) => {
                config
                    .ssl_mode(DriverSslMode::Require)
                    .ssl_negotiation(SslNegotiation::Direct);
            }
            (Encryption::IfOffered, _) => {
                config.ssl_mode(DriverSslMode::Require);
            }
            (Encryption::Required, _) => {
                config.ssl_mode(DriverSslMode::Require);
                if settings.tls.direct {
                    config.ssl_negotiation(SslNegotiation::Direct);
                }
            }
        }
        let keepalives = settings.keepalives;
        config
            .keepalives(keepalives.enabled)
            .keepalives_idle(keepalives.idle)
            .keepalives_interval(keepalives.interval)
            .keepalives_retries(keepalives.count);
        if let Some(limit) = keepalives.user_timeout {
            config.tcp_user_timeout(limit);
        }
        config
    }
}

/// The driver's words for a server that answers no to TLS.
const NO_TLS: &str = "server does not support TLS";

/// Whether the other way of encryption may be let in: a failed handshake, or a refusal by `pg_hba.conf` (28000). libpq tries
/// again after any refusal; after a wrong password that would only make two failed logins of one.
fn depends_on_encryption(failure: &DatabaseError) -> bool {
    failure.kind == DatabaseErrorKind::TlsFailed || failure.sqlstate() == Some("28000")
}

fn classify(error: &tokio_postgres::Error, endpoint: &Endpoint) -> DatabaseError {
    if let Some(report) = error.as_db_error() {
        return DatabaseError::from_report(report);
    }
    let cause = error.source();
    if let Some(error) = cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        return match error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        {
            Some(error) => tls_failure(error),
            None => io_failure(error, endpoint),
        };
    }
    let cause = cause.map(ToString::to_string).unwrap_or_default();
    // The driver keeps the kind of its errors to itself; these words are all that tells them apart.
    match (error.to_string().as_str(), cause.as_str()) {
        ("error performing TLS handshake", _) => DatabaseError::new(
            DatabaseErrorKind::TlsFailed,
            cause,
            "turn TLS on in the server (ssl = on), or use sslmode=disable where the network is trusted",
        ),
        ("invalid configuration", "password missing") => DatabaseError::new(
            DatabaseErrorKind::AuthenticationFailed,
            "the server asks for a password, and none is given",
            "give one in the URL, in PGPASSWORD, or in ~/.pgpass (chmod 0600)",
        ),
        ("authentication error", _) => DatabaseError::new(
            DatabaseErrorKind::AuthenticationFailed,
            format!("authentication: {cause}"),
            "use scram-sha-256, md5, password, cert or trust in the server's pg_hba.conf; with channel_binding=require, \
             scram-sha-256 over TLS",
        ),
        ("connection closed", _) => DatabaseError::new(
            DatabaseErrorKind::Unreachable,
            "the server closed the connection",
            "look into the server's log, and check that PostgreSQL answers at this address",
        ),
        (kind, "") => DatabaseError::new(DatabaseErrorKind::Protocol, kind, PROTOCOL_HINT),
        (kind, cause) => DatabaseError::new(
            DatabaseErrorKind::Protocol,
            format!("{kind}: {cause}"),
            PROTOCOL_HINT,
        ),
    }
}

const PROTOCOL_HINT: &str = "check that a PostgreSQL server answers at this address";

fn io_failure(error: &io::Error, endpoint: &Endpoint) -> DatabaseError {
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NotFound => "there is no such socket".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "the server closed the connection".to_owned()
        }
        _ => error.to_string(),
    };
    let hint = match &endpoint.host {
        Host::Unix(_) => {
            "check that the server runs on this machine with this socket folder and port, or name a host"
        }
        Host::Tcp(_) => {
            "check that the server runs, and listens on this address (listen_addresses, port, firewall)"
        }
    };
    DatabaseError::new(DatabaseErrorKind::Unreachable, message, hint)
}

fn tls_failure(error: &rustls::Error) -> DatabaseError {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, UnknownIssuer,
    };
    let hint = match error {
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            "give the authority that signed the server's certificate as sslrootcert"
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            "connect by a name that is in the certificate (hostaddr may give the address), or use sslmode=verify-ca"
        }
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            "renew the server's certificate"
        }
        rustls::Error::InvalidCertificate(CertificateError::Other(_)) => {
            "make the server's certificate anew: X.509 version 3, with the host as subjectAltName"
        }
        rustls::Error::AlertReceived(_) => {
            "the server ended the handshake: see its log; it may want a client certificate"
        }
        _ => {
            "check that server and client share a TLS version, and that nothing in between interferes"
        }
    };
    let message = match error {
        rustls::Error::InvalidCertificate(UnknownIssuer) => {
            "no trusted authority signed the server's certificate".to_owned()
        }
        _ => error.to_string(),
    };
    DatabaseError::new(DatabaseErrorKind::TlsFailed, message, hint)
}
