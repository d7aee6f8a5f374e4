//! Connections and their limits: how many, how long a request's head may take, how they end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::writing::Impatient;
use super::{Shared, router};
use crate::daemon::control::Control;
use crate::failure::{Failure, FailureKind};

/// Connections at the same time; others wait to be taken.
const CONNECTIONS: usize = 256;
/// The head of a request, from its first byte or from the answer before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// What is written has to be taken by then, some of it.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// A request's head; larger ones are answered with 431.
const HEAD_BYTES: usize = 32 * 1024;
/// What a server out of files waits before it takes the next connection.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes the address, so that a daemon that cannot have it says so before it starts anything.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        Failure::new(
            FailureKind::Unavailable,
            format!("listening on {address}: {error}"),
        )
        .hint("another program may listen there: set `listen` below [daemon], or end that program")
    })
}

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    /// Answers on a listener until it is stopped.
    pub fn start(listener: TcpListener, control: Arc<dyn Control>) -> Result<Self, Failure> {
        let address = listener
            .local_addr()
            .map_err(|error| Failure::internal(format!("the listener's address: {error}")))?;
        let stopping = CancellationToken::new();
        let shared = Shared::new(control, address, stopping.clone());
        let tasks = TaskTracker::new();
        tasks.spawn(accept(
            listener,
            router(shared),
            stopping.clone(),
            tasks.clone(),
        ));
        Ok(Self {
            address,
            stopping,
            tasks,
        })
    }

    /// Where it listens: with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and lets those under way end within the grace time; streams of events end at once.
    pub async fn stop(self, grace: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait())
            .await
            .is_err()
        {
            warn!("requests were still under way after {} s", grace.as_secs());
        }
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    stopping: CancellationToken,
    tasks: TaskTracker,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let taken = async || {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await.ok()?;
        Some((listener.accept().await, place))
    };
    while let Some(Some((connection, place))) = stopping.run_until_cancelled(taken()).await {
        match connection {
            Ok((stream, _)) => {
                let served = serve(stream, router.clone(), stopping.clone());
                tasks.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                debug!("taking a connection: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, router: Router, stopping: CancellationToken) {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES);
    let service = TowerToHyperService::new(router);
    let connection =
        builder.serve_connection(TokioIo::new(Impatient::new(stream, WRITE_TIMEOUT)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopping.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!("a connection: {error}");
    }
}
