//! Telling people and dead man's switches of runs, outside the path of the run.
//!
//! ```text
//! send, ping  ->  lanes: a bounded queue for each target, one task each  ->  delivery: attempts with backoff  ->  recording: log line, Recorder
//! ```
//!
//! A caller never waits and never fails. A target that hangs holds up nobody but itself. Queues end when they have been idle.

mod audience;
mod delivery;
mod email;
mod http;
mod lanes;
mod notice;
mod recording;
mod slack;
mod table;
#[cfg(test)]
mod tests;
mod webhook;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::warn;
use uuid::Uuid;

pub use crate::config::NoticeKind;
pub use audience::{Audience, how_it_failed};
pub use notice::{Notice, Phase};
pub use recording::{DeliveryOutcome, DeliveryRecord, Recorder};
pub use table::TableRecorder;

use crate::config::{Config, Name, NotifyTarget};
use crate::deployment_log::Redactor;
use crate::jobs::register_url;
use crate::schedules::Ping;
use delivery::{Delivery, PING, Pace};
use lanes::Lanes;
use recording::Outcomes;

/// What the last answer may take to come in, when a target's time is over.
const LAST_ANSWER: Duration = Duration::from_secs(5);

/// Sends notices and pings. Clones are the same.
#[derive(Clone)]
pub struct Notifications(Arc<Shared>);

struct Shared {
    settings: Mutex<Settings>,
    lanes: Arc<Lanes>,
}

/// What a configuration says.
struct Settings {
    targets: BTreeMap<Name, NotifyTarget>,
    redactor: Redactor,
}

impl Notifications {
    /// For the targets of a configuration. Must be called in a runtime of tokio's.
    pub fn start(config: &Config, redactor: Redactor, recorder: Arc<dyn Recorder>) -> Self {
        Self::start_at(config.notify.clone(), redactor, recorder, Pace::default())
    }

    fn start_at(
        targets: BTreeMap<Name, NotifyTarget>,
        redactor: Redactor,
        recorder: Arc<dyn Recorder>,
        pace: Pace,
    ) -> Self {
        warn_of_exposed(&targets);
        Self(Arc::new(Shared {
            settings: Mutex::new(Settings { targets, redactor }),
            lanes: Arc::new(Lanes::new(pace, Outcomes::start(recorder))),
        }))
    }

    /// From now on as another configuration says. Nothing that waits is lost or cut short: it goes to whom it was meant for, in its
    /// time. A target that is told in another way, or no longer, keeps nobody waiting who is new. `finish` waits for all of them.
    pub fn reload(&self, config: &Config, redactor: Redactor, recorder: Arc<dyn Recorder>) {
        self.reload_with(config.notify.clone(), redactor, recorder);
    }

    fn reload_with(
        &self,
        targets: BTreeMap<Name, NotifyTarget>,
        redactor: Redactor,
        recorder: Arc<dyn Recorder>,
    ) {
        warn_of_exposed(&targets);
        self.0.lanes.outcomes.record_by(recorder);
        let mut settings = guard(&self.0.settings);
        for (name, before) in &settings.targets {
            let now = targets.get(name);
            if now.is_none_or(|now| now.channel != before.channel) {
                self.0.lanes.part_with(name.as_str());
            }
        }
        *settings = Settings { targets, redactor };
    }

    /// Tells those of the targets that want to hear of it. Never blocks, never fails; what does not fit is counted and logged.
    pub fn send(&self, targets: &[Name], notice: Notice) {
        let settings = guard(&self.0.settings);
        let notice = notice.redacted(&settings.redactor);
        for name in targets {
            let Some(target) = settings.targets.get(name) else {
                warn!(
                    "there is no notify target named {name}, so it hears nothing of: {}",
                    notice.message
                );
                continue;
            };
            if notice.kind == NoticeKind::Test || target.on.contains(&notice.kind) {
                let delivery = Delivery::notice(name, target, &notice, &settings.redactor);
                self.0.lanes.enqueue(name.to_string(), delivery);
            }
        }
    }

    /// Tells a dead man's switch. Never blocks, never fails.
    pub fn ping(&self, ping: &Ping, phase: Phase, run: Option<Uuid>) {
        let redactor = guard(&self.0.settings).redactor.clone();
        register_url(&redactor, ping.url());
        // Names hold no blank, so that no target has the key of an address.
        let key = ping.url().secrets().swap_remove(0);
        let delivery = Delivery::ping(ping, phase, run, &redactor);
        self.0.lanes.enqueue(format!("ping {key}"), delivery);
    }

    /// How long to wait for these: by then each has given up by itself on what it was told last.
    pub fn patience(&self, targets: &[Name], is_pinged: bool) -> Duration {
        let settings = guard(&self.0.settings);
        let targets = targets.iter().filter_map(|name| settings.targets.get(name));
        let limits = targets.map(|target| target.timeout);
        let limits = limits.chain(is_pinged.then_some(PING));
        limits.max().unwrap_or_default().saturating_add(LAST_ANSWER)
    }

    /// How many notices found their queue full.
    pub fn dropped(&self) -> u64 {
        self.0.lanes.dropped()
    }

    /// Sends what is queued; what is not sent within the grace is recorded as such. Later notices are not sent.
    pub async fn finish(self, grace: Duration) {
        self.0.lanes.finish(grace).await;
        self.0.lanes.outcomes.finish().await;
    }
}

/// The same is refused of a password for SMTP; here a proxy of one's own may stand in between, which is not ours to know.
fn warn_of_exposed(targets: &BTreeMap<Name, NotifyTarget>) {
    for (name, target) in targets {
        if target.channel.exposes_headers() {
            warn!(
                "notify.{name}: its headers travel unencrypted to {}: write https://",
                target.channel.shown()
            );
        }
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
