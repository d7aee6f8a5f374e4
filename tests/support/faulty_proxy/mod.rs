//! A proxy before an HTTP server that does what networks and busy servers do: refuses, delays, hangs up, loses and flips.

mod message;

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use message::{Connection, Harm, Head};

/// What happens to a request or to its answer. Places are bytes of a body, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Hangs up before the server has heard of the request.
    HangUp,
    /// Answers in the server's place, with a status and an error code of S3.
    Answer(u16, &'static str),
    /// Holds the request back for so long before the server gets it, whether the client still waits or not.
    Delay(Duration),
    /// Hangs up after the server has done what was asked: the answer is lost.
    LoseAnswer,
    /// Hangs up after so many bytes of the request's body.
    CutRequest(usize),
    /// Hangs up after so many bytes of the answer's body.
    CutResponse(usize),
    /// Sends so many bytes of the answer's body and then nothing more, without hanging up.
    StallResponse(usize),
    /// Ends the answer's body there as if that were all of it.
    ShortenResponse(usize),
    /// Turns a bit of this byte of the request's body.
    FlipRequest(usize),
    /// Turns a bit of this byte of the answer's body.
    FlipResponse(usize),
}

/// A fault, and which requests it meets: the first one, unless it is told otherwise.
#[derive(Debug)]
pub struct Strike {
    fault: Fault,
    method: Option<&'static str>,
    path: Option<&'static str>,
    skip: AtomicUsize,
    left: AtomicUsize,
}

impl Strike {
    /// Meets the next request that the fault is possible in, once.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            method: None,
            path: None,
            skip: AtomicUsize::new(0),
            left: AtomicUsize::new(1),
        }
    }

    /// Only requests of this method.
    #[must_use]
    pub fn on(mut self, method: &'static str) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests whose path and query hold this.
    #[must_use]
    pub fn at(mut self, path: &'static str) -> Self {
        self.path = Some(path);
        self
    }

    /// So many of these requests pass first.
    #[must_use]
    pub fn after(self, requests: usize) -> Self {
        self.skip.store(requests, Ordering::SeqCst);
        self
    }

    /// Happens so often; `usize::MAX` is always.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        self.left.store(times, Ordering::SeqCst);
        self
    }

    fn meets(&self, request: &Head) -> bool {
        let fits = self.left.load(Ordering::SeqCst) > 0
            && self.method.is_none_or(|method| request.method() == method)
            && self.path.is_none_or(|path| request.path().contains(path));
        fits && !take(&self.skip)
    }
}

/// A running proxy. Without strikes it only forwards.
#[derive(Debug)]
pub struct FaultyProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    strikes: Mutex<Vec<Arc<Strike>>>,
    struck: AtomicUsize,
    over: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl FaultyProxy {
    /// A proxy before this server, on the loopback interface.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("the listener's address");
        let shared = Arc::new(Shared {
            server,
            strikes: Mutex::default(),
            struck: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                let shared = accepting.clone();
                // A connection that breaks is what this is for: the client sees it, and the test sees the client.
                thread::spawn(move || shared.serve(client).is_ok());
            }
        });
        Self { address, shared }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on these faults happen, and no others.
    pub fn set(&self, strikes: impl IntoIterator<Item = Strike>) {
        *lock(&self.shared.strikes) = strikes.into_iter().map(Arc::new).collect();
        self.shared.struck.store(0, Ordering::SeqCst);
    }

    /// How often a fault has happened since they were set.
    pub fn struck(&self) -> usize {
        self.shared.struck.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts; when that is gone already, there is nobody to wake.
        let _ = TcpStream::connect(self.address);
        for connection in lock(&self.shared.open).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    /// Forwards the requests of one connection, one after another.
    fn serve(&self, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.server)?;
        for stream in [&client, &server] {
            stream.set_nodelay(true)?;
            lock(&self.open).push(stream.try_clone()?);
        }
        let result = self.forward(
            Connection::new(client.try_clone()?),
            Connection::new(server),
        );
        // The clone in `open` would keep it up.
        client.shutdown(Shutdown::Both).and(result)
    }

    fn forward(&self, mut client: Connection, mut server: Connection) -> io::Result<()> {
        while let Some(request) = client.head()? {
            let strikes = lock(&self.strikes).clone();
            let strike = strikes.into_iter().find(|strike| strike.meets(&request));
            let fault = strike.as_ref().map(|strike| strike.fault);
            let happens = || strike.as_ref().is_some_and(|strike| self.happens(strike));

            match fault {
                Some(Fault::HangUp) if happens() => return Ok(()),
                Some(Fault::Answer(status, code)) if happens() => {
                    client.swallow(&request)?;
                    client.refuse(&request, status, code)?;
                    continue;
                }
                Some(Fault::Delay(time)) if happens() => thread::sleep(time),
                _ => {}
            }
            let harm = match fault {
                Some(Fault::CutRequest(at)) => Some(Harm::Cut(at)),
                Some(Fault::FlipRequest(at)) => Some(Harm::Flip(at)),
                _ => None,
            };
            client.pass(&request, None, &mut server, harm, happens)?;

            let Some(response) = server.head()? else {
                return Ok(());
            };
            if fault == Some(Fault::LoseAnswer) && happens() {
                return Ok(());
            }
            let harm = match fault {
                Some(Fault::CutResponse(at)) => Some(Harm::Cut(at)),
                Some(Fault::StallResponse(at)) => Some(Harm::Stall(at)),
                Some(Fault::FlipResponse(at)) => Some(Harm::Flip(at)),
                Some(Fault::ShortenResponse(at)) => Some(Harm::Shorten(at)),
                _ => None,
            };
            server.pass(&response, Some(&request), &mut client, harm, happens)?;
        }
        Ok(())
    }

    /// Counts a fault that is about to happen; `false` when it has happened often enough.
    fn happens(&self, strike: &Strike) -> bool {
        let happens = take(&strike.left);
        self.struck.fetch_add(happens.into(), Ordering::SeqCst);
        happens
    }
}

/// One less, unless it is none.
fn take(count: &AtomicUsize) -> bool {
    count
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
