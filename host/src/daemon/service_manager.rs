//! What systemd is told (`Type=notify`): ready, reloading, stopping, and that the loop still turns.

use std::time::Duration;

use sd_notify::NotifyState;
use tracing::debug;

/// Whoever started this process, if it wants to hear.
#[derive(Debug)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// By `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub fn from_environment() -> Self {
        Self {
            watchdog: sd_notify::watchdog_enabled(),
        }
    }

    /// How often the loop has to turn at least.
    pub fn patience(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 3)
    }

    /// Schedules are being followed.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The configuration is being read again; `ready` ends it.
    pub fn reloading(&self) {
        let mut states = vec![NotifyState::Reloading];
        states.extend(NotifyState::monotonic_usec_now().ok());
        tell(&states);
    }

    /// Nothing new begins.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The loop has turned.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        debug!("telling the service manager: {error}");
    }
}
