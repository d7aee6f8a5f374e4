//! Connecting: endpoints in their order, one session at the end.

use super::attempt::{Attempt, Encryption, Session};
use super::driver::{End, drive};
use super::pieces::Connector;
use super::settings::{ConnectionSettings, Endpoint, Host, SslMode, TargetSessionAttributes};
use super::{DatabaseError, DatabaseErrorKind, tls};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::{CancelToken, Client};
use tokio_util::sync::CancellationToken;

/// One session. Dropping it ends it, and cancels what still runs in it: keep it for as long as a stream of it is read.
pub struct Connection {
    /// For statements.
    pub client: Client,
    /// For ending a statement from elsewhere.
    pub cancel: CancelHandle,
    dropped: CancellationToken,
    end: Arc<End>,
}

/// Asks the server to cancel what a session runs at the moment, over a connection of its own, encrypted alike.
#[derive(Clone)]
pub struct CancelHandle {
    token: CancelToken,
    connector: Connector,
    place: String,
}

/// Connects to the first endpoint that answers and is of the wanted kind. The purpose (`backup`) becomes the
/// application's name, unless the user chose one. As in libpq, an endpoint that refuses us ends the search.
pub async fn connect(
    settings: &ConnectionSettings,
    purpose: &str,
) -> Result<Connection, DatabaseError> {
    let tls = tls::connector(&settings.tls)?;
    let attempt = Attempt {
        settings,
        purpose,
        tls: &tls,
    };
    let passes: &[_] = match settings.target {
        TargetSessionAttributes::PreferStandby => &[
            TargetSessionAttributes::Standby,
            TargetSessionAttributes::Any,
        ],
        ref wanted => std::slice::from_ref(wanted),
    };
    let mut failures = Vec::new();
    for wanted in passes {
        failures.clear();
        for endpoint in in_order(settings) {
            match connect_endpoint(&attempt, endpoint, *wanted).await {
                Ok(connection) => return Ok(connection),
                Err(failure) if tries_next(&failure) => failures.push((endpoint, failure)),
                Err(failure) => return Err(described(settings, &endpoint.to_string(), failure)),
            }
        }
    }
    Err(all_failed(settings, failures))
}

impl Connection {
    fn new(session: Session, place: String) -> Self {
        let Session {
            client,
            driver,
            connector,
        } = session;
        let cancel = CancelHandle {
            token: client.cancel_token(),
            connector,
            place,
        };
        let dropped = CancellationToken::new();
        let end = Arc::new(End::default());
        tokio::spawn(drive(driver, cancel.clone(), dropped.clone(), end.clone()));
        Self {
            client,
            cancel,
            dropped,
            end,
        }
    }

    /// How the session ends, also for those who let go of it before.
    pub fn end(&self) -> Arc<End> {
        self.end.clone()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.dropped.cancel();
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("place", &self.cancel.place)
            .finish_non_exhaustive()
    }
}

impl CancelHandle {
    /// Sends the request; PostgreSQL does not say whether there was anything to cancel. At most 10 seconds.
    pub async fn cancel(&self) -> Result<(), DatabaseError> {
        let request = self.token.cancel_query(self.connector.clone());
        let failure = match tokio::time::timeout(Duration::from_secs(10), request).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => DatabaseError::from(error),
            Err(_) => DatabaseError::new(
                DatabaseErrorKind::Timeout,
                "no answer within 10 s",
                "end it with pg_terminate_backend",
            ),
        };
        Err(failure.while_doing(&format!("asking {} to cancel a statement", self.place)))
    }
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// Tries the addresses of one endpoint, each with and without TLS as the mode allows.
async fn connect_endpoint(
    attempt: &Attempt<'_>,
    endpoint: &Endpoint,
    wanted: TargetSessionAttributes,
) -> Result<Connection, DatabaseError> {
    let mut last = None;
    for address in addresses(endpoint, attempt.settings.connect_timeout).await? {
        match attempt.run(endpoint, address).await {
            Ok(session) => {
                let connection = Connection::new(session, endpoint.to_string());
                check_target(&connection.client, wanted).await?;
                return Ok(connection);
            }
            Err(failure) if tries_next(&failure) => last = Some(failure),
            Err(failure) => return Err(failure),
        }
    }
    Err(last.unwrap_or_else(|| unresolved(endpoint, "it has no address")))
}

/// `None` stands for a Unix-domain socket.
async fn addresses(
    endpoint: &Endpoint,
    limit: Option<Duration>,
) -> Result<Vec<Option<IpAddr>>, DatabaseError> {
    let name = match (&endpoint.host, endpoint.address) {
        (_, Some(address)) => return Ok(vec![Some(address)]),
        (Host::Unix(_), None) => return Ok(vec![None]),
        (Host::Tcp(name), None) => name,
    };
    let lookup = tokio::net::lookup_host((name.as_str(), endpoint.port));
    let found = match limit {
        Some(limit) => tokio::time::timeout(limit, lookup)
            .await
            .map_err(|_| unresolved(endpoint, "no answer in time"))?,
        None => lookup.await,
    };
    let found = found.map_err(|error| unresolved(endpoint, &error.to_string()))?;
    Ok(found.map(|address| Some(address.ip())).collect())
}

fn unresolved(endpoint: &Endpoint, cause: &str) -> DatabaseError {
    DatabaseError::new(
        DatabaseErrorKind::Unreachable,
        format!("looking up {}: {cause}", endpoint.host),
        "check the host's name, and that this machine can resolve it",
    )
}

fn in_order(settings: &ConnectionSettings) -> Vec<&Endpoint> {
    let mut endpoints: Vec<&Endpoint> = settings.endpoints.iter().collect();
    if settings.shuffle {
        // The standard library's hasher is seeded at random for each state.
        let random = RandomState::new();
        endpoints.sort_by_cached_key(|endpoint| random.hash_one(endpoint.to_string()));
    }
    endpoints
}

/// A server that does not answer, or is of another kind, leaves hope for the next; one that refuses us does not.
fn tries_next(failure: &DatabaseError) -> bool {
    matches!(
        failure.kind,
        DatabaseErrorKind::Unreachable | DatabaseErrorKind::Timeout
    )
}

async fn check_target(
    client: &Client,
    wanted: TargetSessionAttributes,
) -> Result<(), DatabaseError> {
    use TargetSessionAttributes::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    let (statement, expected, is) = match wanted {
        Any | PreferStandby => return Ok(()),
        ReadWrite => (
            "SHOW transaction_read_only",
            "off",
            "its sessions are read-only",
        ),
        ReadOnly => (
            "SHOW transaction_read_only",
            "on",
            "its sessions are not read-only",
        ),
        Primary => (
            "SELECT pg_catalog.pg_is_in_recovery()",
            "f",
            "it is in recovery",
        ),
        Standby => (
            "SELECT pg_catalog.pg_is_in_recovery()",
            "t",
            "it is not in recovery",
        ),
    };
    let messages = client.simple_query(statement).await?;
    let answer = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    if answer == Some(expected) {
        return Ok(());
    }
    Err(DatabaseError::new(
        DatabaseErrorKind::Unreachable,
        format!("the server is not of the wanted kind: {is}"),
        "change target_session_attrs, or name another host",
    ))
}

/// One message for all endpoints that did not answer; the hint is the last one's.
fn all_failed(
    settings: &ConnectionSettings,
    failures: Vec<(&Endpoint, DatabaseError)>,
) -> DatabaseError {
    let several = failures.len() > 1;
    let messages: Vec<String> = failures
        .iter()
        .map(|(endpoint, failure)| {
            if several {
                format!("{endpoint}: {}", failure.message)
            } else {
                failure.message.clone()
            }
        })
        .collect();
    let failure = failures
        .into_iter()
        .next_back()
        .map(|(_, failure)| failure)
        .unwrap_or_else(|| {
            DatabaseError::new(
                DatabaseErrorKind::InvalidSettings,
                "there is no host to try",
                "name a host",
            )
        });
    described(
        settings,
        &settings.places(),
        DatabaseError {
            message: messages.join("; "),
            ..failure
        },
    )
}

fn described(settings: &ConnectionSettings, place: &str, failure: DatabaseError) -> DatabaseError {
    failure.while_doing(&format!(
        "connecting to database {:?} on {place} as {:?}",
        settings.database, settings.user
    ))
}

/// The ways to try, in their order: the second one only where the first one was refused for its encryption.
pub(super) fn encryptions(mode: SslMode, host: &Host) -> &'static [Encryption] {
    match (host, mode) {
        // PostgreSQL has no TLS on Unix-domain sockets; libpq ignores sslmode there.
        (Host::Unix(_), _) | (_, SslMode::Disable) => &[Encryption::Without],
        (_, SslMode::Allow) => &[Encryption::Without, Encryption::Required],
        (_, SslMode::Prefer) => &[Encryption::IfOffered, Encryption::Without],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[Encryption::Required],
    }
}
