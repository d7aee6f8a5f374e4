//! What a service manager hears, by the protocol of systemd.

use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use end_to_end::wait_for;

use super::{Running, project, server};

/// Waits for a message that holds `state`; the messages before it come back.
fn heard(socket: &UnixDatagram, state: &str) -> Vec<String> {
    let mut before = Vec::new();
    let begun = Instant::now();
    let mut buffer = [0; 4096];
    while begun.elapsed() < Duration::from_secs(30) {
        if let Ok(length) = socket.recv(&mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if message.lines().any(|line| line.starts_with(state)) {
                return before;
            }
            before.push(message);
        }
    }
    panic!("{state} was not told, but {before:?}");
}

#[test]
fn a_service_manager_is_told_of_everything() {
    let server = server();
    let mut project = project(&server);
    project.write("schedules/tick.toml", "cron = \"@daily\"\njob = \"tick\"\n");
    let path = project.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a timeout");
    project.set("NOTIFY_SOCKET", &path.display().to_string());
    project.set("WATCHDOG_USEC", "12000000");
    let daemon = Running::begin(&project);
    heard(&socket, "READY=1");
    // As often as a third of the time that systemd would wait.
    for _ in 0..3 {
        let begun = Instant::now();
        heard(&socket, "WATCHDOG=1");
        assert!(
            begun.elapsed() < Duration::from_secs(12),
            "{:?}",
            begun.elapsed()
        );
    }
    daemon.signal("HUP");
    heard(&socket, "RELOADING=1");
    heard(&socket, "READY=1");
    daemon.signal("TERM");
    heard(&socket, "STOPPING=1");
    wait_for("the end of the daemon", || {
        std::fs::read_to_string(format!("/proc/{}/stat", daemon.0.id()))
            .is_ok_and(|stat| stat.contains(") Z"))
    });
}
