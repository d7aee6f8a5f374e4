//! Whether a pooler answers in the server's place.
//!
//! A server announces its process id at the start of a session, for cancel requests; PgBouncer and its kind announce
//! numbers of their own. tokio-postgres keeps the announced one to itself, but writes it into a cancel request: so one is
//! written to ourselves, and read.
//!
//! A pooler that keeps a session of the server for each of ours (`pool_mode = session`) does no harm. One that gives each
//! transaction any session that is free (`pool_mode = transaction`) loses settings, or leaves them to others.

use super::settings::ConnectionSettings;
use super::unencrypted::Unencrypted;
use super::{DatabaseError, connect};
use std::future::{Ready, ready};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_postgres::tls::TlsConnect;
use tokio_postgres::{Client, SimpleQueryMessage};

/// Codes in place of a protocol version (PostgreSQL's `src/include/libpq/pqcomm.h`).
const SSL_REQUEST: u32 = 80_877_103;
const CANCEL_REQUEST: u32 = 80_877_102;

/// The process id that whoever answered announced for this session; `None` when there was none.
pub(super) async fn announced_process_id(client: &Client) -> Option<i32> {
    let (ours, theirs) = tokio::io::duplex(64);
    let token = client.cancel_token();
    let (sent, received) = tokio::join!(
        token.cancel_query_raw(ours, ToOurselves),
        read_cancel_request(theirs)
    );
    sent.ok()?;
    received.ok().filter(|id| *id != 0)
}

/// Other clients may come in between and take what was free: so often it is tried.
const ROUNDS: usize = 3;

/// How long a pooler may take to let a second session in: it may have none to give.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a pooler gives each transaction another session of the server. Known for sure when a second client gets the
/// session that the first one had, or the first one another than before; `process` is what the first one had just now.
pub async fn changes_sessions(
    client: &Client,
    process: i32,
    settings: &ConnectionSettings,
) -> Result<bool, DatabaseError> {
    if announced_process_id(client).await == Some(process) {
        return Ok(false);
    }
    let second = tokio::time::timeout(PATIENCE, async {
        let second = connect(settings, "pooler check").await?;
        for _ in 0..ROUNDS {
            // pool_mode = statement knows no transactions.
            if second.client.simple_query("BEGIN").await.is_err() {
                return Ok(true);
            }
            let of_second = process_id(&second.client).await?;
            let of_first = process_id(client).await?;
            second.client.simple_query("ROLLBACK").await?;
            if of_second == process || of_first != process {
                return Ok(true);
            }
        }
        Ok(false)
    });
    second.await.unwrap_or(Ok(false))
}

/// Of the server's session that answers just now.
async fn process_id(client: &Client) -> Result<i32, DatabaseError> {
    let messages = client
        .simple_query("SELECT pg_catalog.pg_backend_pid()")
        .await?;
    let text = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or_default())
}

async fn read_cancel_request(mut stream: DuplexStream) -> io::Result<i32> {
    loop {
        let (_length, code) = (stream.read_u32().await?, stream.read_u32().await?);
        match code {
            SSL_REQUEST => stream.write_all(b"S").await?,
            CANCEL_REQUEST => {
                let id = stream.read_i32().await?;
                let _secret = stream.read_i32().await?;
                return Ok(id);
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Claims to encrypt a stream that never leaves this program.
struct ToOurselves;

impl TlsConnect<DuplexStream> for ToOurselves {
    type Stream = Unencrypted<DuplexStream>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Stream>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Unencrypted(stream)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{TestServer, as_postgres_command};
    use super::super::{connect, inspect};
    use std::net::{TcpListener, TcpStream};
    use std::path::Path;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn pgbouncer_is_seen_in_between() {
        let server = TestServer::start("", "host all all 127.0.0.1/32 scram-sha-256\n");
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let conf = server.path("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres password=right\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\n",
            server.port
        );
        std::fs::write(&conf, text).unwrap();
        let mut pooler = as_postgres_command(Path::new("/usr/sbin/pgbouncer"))
            .args(["-q", conf.to_str().unwrap()])
            .spawn()
            .unwrap();
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(10),
                "pgbouncer does not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        let through = server.settings_of(&format!("postgres://any@127.0.0.1:{port}/postgres"));
        let pooled = match connect(&through, "test").await {
            Ok(connection) => inspect(&connection.client).await.map(|facts| facts.pooled),
            Err(error) => Err(error),
        };
        pooler.kill().unwrap();
        pooler.wait().unwrap();
        assert!(pooled.unwrap());
        let direct = connect(&server.settings("127.0.0.1", ""), "test")
            .await
            .unwrap();
        assert!(!inspect(&direct.client).await.unwrap().pooled);
    }
}
