//! Server processes that end with the test that started them, also when it panics or is killed.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Starts "$@" and signals it once standard input ends. The test holds the other end of that pipe, and the kernel closes
/// it with the test's process, whatever that process dies of. (PR_SET_PDEATHSIG would follow the thread instead.)
const GUARD: &str = r#"
trap '' HUP INT TERM
signal=$1; shift
"$@" </dev/null &
server=$!
cat >/dev/null
kill -s "$signal" "$server" 2>/dev/null
wait "$server"
"#;

/// How long a server may take to answer: CI machines are slow and busy.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
}

/// Whom a server runs as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Guarded {
    /// Starts a program with its arguments; its output goes to `log`. `signal` ends it: `TERM`, `QUIT`.
    pub(crate) fn start(command: &Command, signal: &str, user: Option<User>, log: &Path) -> Self {
        let output = File::create(log).expect("a log file in the server's folder");
        let errors = output.try_clone().expect("a second handle of the log file");
        let mut guard = Command::new("/bin/sh");
        guard
            .args(["-c", GUARD, "guard", signal])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors);
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guard.current_dir(folder);
        }
        become_user(&mut guard, user);
        Self {
            guard: guard.spawn().expect("/bin/sh starts"),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nothing can be done about a guard that cannot be waited for, least of all while a panic unwinds.
        let _ = self.guard.wait();
    }
}

/// Runs a command as another user, without the groups of this one.
pub(crate) fn become_user(command: &mut Command, user: Option<User>) {
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
}

/// A TCP port of the loopback interface that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .expect("a free port on the loopback interface")
        .port()
}

/// Waits until something has happened. `what` is said when it does not.
#[track_caller]
pub fn wait_for(what: &str, happened: impl FnMut() -> bool) {
    assert!(wait_until(happened), "waited in vain: {what}");
}

/// Asks again and again until the answer is yes. `false` when patience ends.
pub(crate) fn wait_until(mut ready: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if ready() {
            return true;
        }
        thread::sleep(Duration::from_millis(5));
    }
    false
}
