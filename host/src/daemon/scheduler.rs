//! The loop: what is due, who has it, off it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::{debug, warn};

use super::claims::{Claim, Claimed};
use super::decision::{self, Due, Known};
use super::fires::Firing;
use super::loaded::{Loaded, Loader};
use super::service_manager::ServiceManager;
use super::{Daemon, Signals, recover};
use crate::config::Name;
use crate::failure::{Failure, FailureKind};
use crate::schedules::Schedule;

/// How long the loop sleeps at most: a clock that was set is noticed, and files that have changed.
const NAP: Duration = Duration::from_secs(2);
/// How soon what could not be done is tried again.
const SOON: Duration = Duration::from_secs(1);
/// How often what dead runs left is looked for, besides at the start and after each takeover.
const SWEEP: Duration = Duration::from_secs(600);
/// How long a daemon without a free turn leaves a fire to others.
const COURTESY: Duration = Duration::from_millis(300);
/// How long notices may take that were queued before a reload.
const QUEUED: Duration = Duration::from_secs(60);
/// Fires taken over in one go.
const AT_ONCE: usize = 50;

/// Turns until the daemon is to stop.
pub(super) async fn turn(
    daemon: &Arc<Daemon>,
    loader: &dyn Loader,
    signals: &Signals,
    manager: &ServiceManager,
) {
    let mut state = State::default();
    recover(&daemon.loaded()).await;
    manager.ready("following its schedules");
    let mut stale_since: Option<Instant> = None;
    while !daemon.stop.is_cancelled() {
        let loaded = daemon.loaded();
        let trouble = state.look(daemon, &loaded).await.err();
        if let Some(failure) = &trouble {
            warn!("the schedules wait: {failure}");
        }
        daemon
            .is_scheduling
            .store(trouble.is_none(), Ordering::Relaxed);
        daemon.turned();
        manager.alive();
        let nap = match trouble {
            Some(_) => SOON,
            None => state.until_next(Timestamp::now()),
        };
        let nap = manager.patience().map_or(nap, |patience| nap.min(patience));
        let is_asked = tokio::select! {
            () = tokio::time::sleep(nap) => false,
            () = signals.reload.notified() => true,
            () = daemon.stop.cancelled() => break,
        };
        // A file that is being written has changed twice: it is read when it has come to rest.
        let has_changed = match (loaded.is_stale(), stale_since) {
            (false, _) => {
                stale_since = None;
                false
            }
            (true, None) => {
                stale_since = Some(Instant::now());
                false
            }
            (true, Some(since)) => since.elapsed() >= SOON,
        };
        if is_asked || has_changed {
            stale_since = None;
            manager.reloading();
            reload(daemon, &loaded, loader).await;
            state.known.clear();
            manager.ready("following its schedules");
        }
    }
}

async fn reload(daemon: &Daemon, before: &Loaded, loader: &dyn Loader) {
    let loaded = Arc::new(before.again(loader));
    for problem in &loaded.problems {
        warn!("{problem}");
    }
    if !Arc::ptr_eq(&loaded.project, &before.project) {
        daemon.claims.move_to(loaded.project.clone()).await;
    }
    let notifications = loaded.notifications();
    let before = std::mem::replace(
        &mut *daemon
            .notifications
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner),
        notifications,
    );
    // What is queued there is sent, and nobody waits for it.
    daemon.tasks.spawn(before.finish(QUEUED));
    *daemon
        .loaded
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = loaded;
}

/// What the loop remembers.
#[derive(Default)]
struct State {
    known: BTreeMap<Name, Known>,
    next: Option<Timestamp>,
    taken_over: Option<Instant>,
    swept: Option<Instant>,
    /// Fires that could not be claimed, and of which somebody was told.
    alarmed: BTreeMap<Name, Timestamp>,
}

impl State {
    /// Claims what is due, and what others have left.
    async fn look(&mut self, daemon: &Arc<Daemon>, loaded: &Arc<Loaded>) -> Result<(), Failure> {
        let enabled: Vec<&Arc<Schedule>> = loaded
            .schedules
            .values()
            .filter(|schedule| schedule.enabled)
            .collect();
        let now = Timestamp::now();
        if self.known.len() != loaded.schedules.len()
            || loaded
                .schedules
                .keys()
                .any(|name| !self.known.contains_key(name))
        {
            let all: Vec<&Schedule> = loaded.schedules.values().map(AsRef::as_ref).collect();
            let known = daemon.claims.known(&all, loaded.at).await?;
            self.known = loaded.schedules.keys().cloned().zip(known).collect();
        }
        self.next = None;
        let mut trouble = None;
        for schedule in enabled {
            let Some(known) = self.known.get_mut(&schedule.name) else {
                continue;
            };
            let decision = decision::decide(schedule, *known, now);
            self.next = self.next.into_iter().chain(decision.next).min();
            for due in decision.due {
                let claimed = match &trouble {
                    None => claim(daemon, schedule, due).await,
                    Some(failure) => Err(Failure::clone(failure)),
                };
                match claimed {
                    Ok(claimed) => {
                        known.last = known.last.max(Some(due.fire));
                        self.alarmed.remove(&schedule.name);
                        if let Claimed::Ours(claim) = claimed {
                            begin(daemon, loaded, schedule, claim, Some((due, now)));
                        }
                    }
                    Err(failure) => {
                        let late = now.duration_since(due.fire) > decision::ON_TIME;
                        if late && !self.alarmed.contains_key(&schedule.name) {
                            self.alarmed.insert(schedule.name.clone(), due.fire);
                            firing(daemon, loaded, schedule, true).alarm(due.fire, &failure);
                        }
                        trouble = Some(failure);
                        break;
                    }
                }
            }
        }
        if let Some(failure) = trouble {
            return Err(failure);
        }
        self.take_over(daemon, loaded).await
    }

    /// Looks for fires whose daemons are gone, and for what dead runs of this machine have left.
    async fn take_over(
        &mut self,
        daemon: &Arc<Daemon>,
        loaded: &Arc<Loaded>,
    ) -> Result<(), Failure> {
        let every = daemon.claims.lease() / 2;
        if self.taken_over.is_none_or(|at| at.elapsed() >= every) {
            let enabled = loaded
                .schedules
                .values()
                .filter(|schedule| schedule.enabled);
            let names: Vec<String> = enabled.map(|schedule| schedule.name.to_string()).collect();
            let taken = daemon.claims.take_over(&names, AT_ONCE).await?;
            self.taken_over = Some(Instant::now());
            if !taken.is_empty() {
                self.swept = None;
            }
            for claim in taken {
                warn!(schedule = claim.schedule, fire = %claim.fire, "taken over from a daemon that is gone");
                match loaded.schedules.get(claim.schedule.as_str()) {
                    Some(schedule) => begin(daemon, loaded, schedule, claim, None),
                    None => debug!("the schedule {} is gone", claim.schedule),
                }
            }
        }
        if self.swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            recover(loaded).await;
            daemon.claims.forget().await?;
            self.swept = Some(Instant::now());
        }
        Ok(())
    }

    fn until_next(&self, now: Timestamp) -> Duration {
        let wait = self.next.map(|next| next.duration_since(now));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok());
        wait.unwrap_or(if self.next.is_some() {
            Duration::ZERO
        } else {
            NAP
        })
        .min(NAP)
    }
}

async fn claim(daemon: &Daemon, schedule: &Schedule, due: Due) -> Result<Claimed, Failure> {
    if daemon.runs.is_full() {
        tokio::time::sleep(COURTESY).await;
    }
    let claimed = daemon
        .claims
        .claim(schedule.name.as_str(), due.fire, due.passed_over)
        .await;
    claimed.map_err(|failure| match failure.kind {
        FailureKind::Unavailable => failure,
        _ => failure.context("claiming a fire"),
    })
}

fn firing<'a>(
    daemon: &'a Daemon,
    loaded: &'a Loaded,
    schedule: &'a Schedule,
    is_late: bool,
) -> Firing<'a> {
    Firing {
        daemon,
        loaded,
        schedule,
        is_late,
    }
}

/// Off it goes, in a task of its own. Without `due` it is taken over, and runs.
fn begin(
    daemon: &Arc<Daemon>,
    loaded: &Arc<Loaded>,
    schedule: &Arc<Schedule>,
    claim: Claim,
    due: Option<(Due, Timestamp)>,
) {
    let (daemon, loaded, schedule) = (daemon.clone(), loaded.clone(), schedule.clone());
    let tasks = daemon.tasks.clone();
    tasks.spawn(async move {
        let is_late = due.is_none_or(|(due, _)| due.is_late);
        let firing = firing(&daemon, &loaded, &schedule, is_late);
        match due {
            Some((due, now)) if !due.runs => firing.miss(claim, now).await,
            _ => firing.answer(claim).await,
        }
    });
}
