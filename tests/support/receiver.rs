//! A receiver of webhooks and pings on the loopback interface: answers every request, and keeps what it was told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

use crate::guarded::wait_until;

/// One request.
#[derive(Clone, Debug)]
pub struct Received {
    /// `POST /hook HTTP/1.1`
    pub line: String,
    /// Without the headers.
    pub body: String,
}

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    url: String,
    seen: Arc<Mutex<Vec<Received>>>,
    /// How many requests `next` has looked at.
    looked_at: usize,
}

impl Receiver {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::answering("200 OK")
    }

    /// One that answers everything so: `400 Bad Request`.
    pub fn answering(status: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                thread::spawn(move || answer(stream, status, &kept));
            }
        });
        Self {
            url,
            seen,
            looked_at: 0,
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.url
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Received> {
        lock(&self.seen).clone()
    }

    /// The notices so far, of all targets: the requests that are JSON.
    pub fn notices(&self) -> Vec<Value> {
        let seen = self.seen();
        seen.iter()
            .filter_map(|request| serde_json::from_str(&request.body).ok())
            .collect()
    }

    /// Waits for the next such request after the one that was waited for before.
    #[track_caller]
    pub fn next(&mut self, what: &str, is_it: impl Fn(&Received) -> bool) -> Received {
        let mut found = None;
        let came = wait_until(|| {
            while found.is_none()
                && let Some(request) = lock(&self.seen).get(self.looked_at).cloned()
            {
                self.looked_at += 1;
                found = Some(request).filter(&is_it);
            }
            found.is_some()
        });
        assert!(came, "{what} did not come, but {:?}", self.seen());
        found.expect("the request that came")
    }
}

/// Somebody who goes away before the end has told nothing.
fn answer(stream: TcpStream, status: &str, kept: &Mutex<Vec<Received>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok()?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? == 0 {
            return None;
        }
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    lock(kept).push(Received {
        line: line.trim_end().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    reader.into_inner().write_all(answer.as_bytes()).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
