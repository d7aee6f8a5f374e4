//! What a server says about itself and about our session: for `orchestrator check`.

use super::{DatabaseError, DatabaseErrorKind, pooler};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;

/// The answers of one session.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// As in server_version_num: 150018.
    pub version_num: u32,
    /// As in server_version.
    pub version_text: String,
    /// The database that the session is in.
    pub database: String,
    /// The role that the session acts as.
    pub user: String,
    /// The database's encoding: `UTF8`.
    pub encoding: String,
    /// A standby: nothing can be written.
    pub in_recovery: bool,
    /// The role is a superuser.
    pub superuser: bool,
    /// The role may read rows that row security hides from others; without it a dump may be incomplete.
    pub bypasses_row_security: bool,
    /// Encryption of the session, as the server sees it; behind a pooler, the pooler's own session.
    pub tls: Option<TlsFacts>,
    /// The server's clock minus ours, to half a round trip.
    pub clock_difference: SignedDuration,
    /// A pooler such as PgBouncer answers in the server's place: session state may not last.
    pub pooled: bool,
}

/// Encryption of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `TLSv1.3`.
    pub version: String,
    /// OpenSSL's name.
    pub cipher: String,
}

/// Asks the server. One statement, no privilege needed.
pub async fn inspect(client: &Client) -> Result<ServerFacts, DatabaseError> {
    let announced = pooler::announced_process_id(client).await;
    let before = Timestamp::now();
    // The simple protocol: a prepared statement would get lost behind a pooler.
    let messages = client
        .simple_query(FACTS)
        .await
        .map_err(DatabaseError::from)?;
    let after = Timestamp::now();
    let row = messages.iter().find_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row = row.ok_or_else(|| unexpected("no row"))?;
    let text = |column: &str| {
        row.try_get(column)
            .map_err(DatabaseError::from)?
            .map(str::to_owned)
            .ok_or_else(|| unexpected(column))
    };
    let number = |column: &str| text(column)?.parse::<i64>().map_err(|_| unexpected(column));
    let flag = |column: &str| Ok::<bool, DatabaseError>(text(column)? == "t");
    let middle = before + (after.duration_since(before) / 2);
    let server_clock = Timestamp::from_microsecond(number("clock_microseconds")?)
        .map_err(|_| unexpected("clock_microseconds"))?;
    Ok(ServerFacts {
        version_num: u32::try_from(number("version_num")?)
            .map_err(|_| unexpected("version_num"))?,
        version_text: text("version_text")?,
        database: text("database")?,
        user: text("role")?,
        encoding: text("encoding")?,
        in_recovery: flag("in_recovery")?,
        superuser: flag("superuser")?,
        bypasses_row_security: flag("superuser")? || flag("bypasses")?,
        tls: if flag("encrypted")? {
            Some(TlsFacts {
                version: text("tls_version")?,
                cipher: text("tls_cipher")?,
            })
        } else {
            None
        },
        clock_difference: server_clock.duration_since(middle),
        pooled: announced.map(i64::from) != Some(number("process_id")?),
    })
}

const FACTS: &str = "\
SELECT current_setting('server_version_num') AS version_num,
       current_setting('server_version') AS version_text,
       current_database() AS database,
       current_user AS role,
       current_setting('server_encoding') AS encoding,
       pg_is_in_recovery() AS in_recovery,
       r.rolsuper AS superuser,
       r.rolbypassrls AS bypasses,
       coalesce(s.ssl, false) AS encrypted,
       s.version AS tls_version,
       s.cipher AS tls_cipher,
       trunc(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS clock_microseconds,
       pg_backend_pid() AS process_id
  FROM pg_catalog.pg_roles r
  LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = pg_backend_pid()
 WHERE r.rolname = current_user";

fn unexpected(what: &str) -> DatabaseError {
    DatabaseError::new(
        DatabaseErrorKind::Protocol,
        format!("asking the server about itself: unexpected answer for {what}"),
        "check that a PostgreSQL server of version 13 or later answers at this address",
    )
}
