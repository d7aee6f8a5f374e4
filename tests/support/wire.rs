//! The wire to a server: bytes go to and fro, until nothing does. A server that is away says so; one behind a broken switch says nothing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// A port that leads to another one of this machine.
pub struct Wire {
    port: u16,
    switch: Arc<Switch>,
}

#[derive(Default)]
struct Switch {
    is_silent: Mutex<bool>,
    changed: Condvar,
    is_over: AtomicBool,
}

impl Switch {
    /// Holds back whoever has something to send while it is silent.
    fn pass(&self) {
        let mut silent = self.is_silent.lock().expect("the switch");
        while *silent && !self.is_over.load(Ordering::Relaxed) {
            silent = self.changed.wait(silent).expect("the switch");
        }
    }
}

impl Wire {
    /// Leads to `port` on 127.0.0.1.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let switch = Arc::new(Switch::default());
        let shared = switch.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if shared.is_over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else {
                    continue;
                };
                join(near, far, &shared);
            }
        });
        Self { port: own, switch }
    }

    /// The near end.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing arrives, and nobody is told; or all that was held back does.
    pub fn silence(&self, is_silent: bool) {
        *self.switch.is_silent.lock().expect("the switch") = is_silent;
        self.switch.changed.notify_all();
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.switch.is_over.store(true, Ordering::Relaxed);
        self.silence(false);
        // Wakes the one that listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn join(near: TcpStream, far: TcpStream, switch: &Arc<Switch>) {
    let ends = [(&near, &far), (&far, &near)]
        .map(|(from, to)| Ok::<_, io::Error>((from.try_clone()?, to.try_clone()?)));
    for end in ends {
        let Ok((mut from, mut to)) = end else { return };
        let switch = switch.clone();
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length) = from.read(&mut buffer) {
                switch.pass();
                if length == 0 || to.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
            // Whoever sits at the other end hears that this one has gone.
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
