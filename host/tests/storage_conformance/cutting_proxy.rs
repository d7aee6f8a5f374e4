//! A proxy that hangs up in the middle, as networks do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Which bytes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// Forwards connections, and cuts off some of them.
pub struct CuttingProxy {
    address: SocketAddr,
    cuts_left: Arc<AtomicUsize>,
    server: AbortHandle,
}

impl CuttingProxy {
    /// Connections end after so many bytes in one direction, until that has happened `cuts` times.
    pub async fn start(
        target: SocketAddr,
        direction: Direction,
        after: usize,
        cuts: usize,
    ) -> CuttingProxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let cuts_left = Arc::new(AtomicUsize::new(cuts));
        let left = cuts_left.clone();
        let server = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target, direction, after, left.clone()));
            }
        });
        CuttingProxy {
            address,
            cuts_left,
            server: server.abort_handle(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn cuts_left(&self) -> usize {
        self.cuts_left.load(Ordering::SeqCst)
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward(
    client: TcpStream,
    target: SocketAddr,
    direction: Direction,
    after: usize,
    left: Arc<AtomicUsize>,
) {
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let limit = |this| if this == direction { after } else { usize::MAX };
    // The end of either direction ends both.
    tokio::select! {
        () = copy(client_read, server_write, limit(Direction::ToServer), &left) => {}
        () = copy(server_read, client_write, limit(Direction::ToClient), &left) => {}
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    limit: usize,
    left: &AtomicUsize,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut copied: usize = 0;
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        copied = copied.saturating_add(length);
        let cut = copied > limit
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
        if cut || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
