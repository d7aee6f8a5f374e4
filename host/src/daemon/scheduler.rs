//! The loop: what is due, who has it, off it goes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tracing::warn;

use super::claims::{Claim, Claimed, Taken};
use super::decision::{self, Due, Known};
use super::fires::{Firing, given_up, is_left_late, missed, run_late, stale};
use super::loaded::{Loaded, Loader};
use super::service_manager::ServiceManager;
use super::{Daemon, Signals};
use crate::config::Name;
use crate::failure::{Failure, FailureKind};
use crate::schedules::Schedule;

/// How long the loop sleeps at most: a clock that was set is noticed, and files that have changed.
const NAP: Duration = Duration::from_secs(2);
/// How soon what could not be done is tried again.
const SOON: Duration = Duration::from_secs(1);
/// How often rows are looked at that nobody needs any more.
const TIDY: Duration = Duration::from_secs(600);
/// How far the clocks of this machine and of the server may be apart before somebody should hear of it, in seconds.
const APART: f64 = 30.0;
/// How long a daemon without a free turn leaves a fire to others.
const COURTESY: Duration = Duration::from_millis(300);
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
    manager.ready("following its schedules");
    let mut stale_since: Option<Instant> = None;
    while !daemon.stop.is_cancelled() {
        let loaded = daemon.loaded();
        let trouble = state.look(daemon, &loaded, manager).await.err();
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
            state.is_stale = true;
            manager.ready("following its schedules");
        }
    }
}

async fn reload(daemon: &Daemon, before: &Loaded, loader: &dyn Loader) {
    let loaded = Arc::new(before.again(loader));
    loaded.warn_of_problems();
    if !Arc::ptr_eq(&loaded.project, &before.project) {
        daemon.claims.move_to(&loaded.project).await;
    }
    loaded.reload(&daemon.notifications);
    *daemon
        .loaded
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner) = loaded;
}

/// What the loop remembers.
#[derive(Default)]
struct State {
    known: BTreeMap<Name, Known>,
    /// What is known is that of other schedules, or of before a time without the database: it is asked for before anything is claimed.
    is_stale: bool,
    next: Option<Timestamp>,
    taken_over: Option<Instant>,
    tidied: Option<Instant>,
    /// Whether the clocks were apart when they were last compared.
    is_apart: bool,
    /// The overdue fires that could not be claimed, and of which somebody was told.
    alarmed: BTreeMap<Name, Timestamp>,
}

impl State {
    /// Claims what is due, and what others have left.
    async fn look(
        &mut self,
        daemon: &Arc<Daemon>,
        loaded: &Arc<Loaded>,
        manager: &ServiceManager,
    ) -> Result<(), Failure> {
        let now = Timestamp::now();
        // Where nothing can be learnt, nothing is claimed; who waits for a fire in vain is told all the same.
        let mut trouble = self.learn(daemon, loaded).await.err();
        self.next = None;
        let mut was_courteous = false;
        for schedule in enabled(loaded) {
            let Some(known) = self.known.get_mut(&schedule.name) else {
                continue;
            };
            let decision = decision::decide(schedule, *known, now);
            self.next = self.next.into_iter().chain(decision.next).min();
            for due in decision.due {
                if daemon.runs.is_full() && !was_courteous {
                    was_courteous = true;
                    tokio::time::sleep(COURTESY).await;
                }
                // Hundreds may be due at once.
                daemon.turned();
                manager.alive();
                let claimed = match &trouble {
                    None => claim(daemon, schedule, due).await,
                    Some(failure) => Err(Failure::clone(failure)),
                };
                match claimed {
                    Ok(claimed) => {
                        known.last = known.last.max(Some(due.fire));
                        let told = self.alarmed.remove(&schedule.name);
                        if let Claimed::Ours(claim) = claimed {
                            let unheard = due.overdue.filter(|fire| told != Some(*fire));
                            let work = Work::found(schedule, &claim, due, unheard, now);
                            begin(daemon, loaded, schedule, claim, work);
                        }
                    }
                    Err(failure) => {
                        if let Some(overdue) = due.overdue
                            && !self.alarmed.contains_key(&schedule.name)
                        {
                            self.alarmed.insert(schedule.name.clone(), overdue);
                            firing(daemon, loaded, schedule, true).alarm(overdue, &failure);
                        }
                        trouble = Some(failure);
                        // The row may be there, and only the answer lost.
                        self.is_stale = true;
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

    /// What is known of the schedules' fires, if that is not known yet. Until the database has told it, a schedule owes what is due since it
    /// was loaded.
    async fn learn(&mut self, daemon: &Daemon, loaded: &Loaded) -> Result<(), Failure> {
        let all: Vec<&Schedule> = loaded.schedules.values().map(AsRef::as_ref).collect();
        self.known
            .retain(|name, _| loaded.schedules.contains_key(name));
        if !self.is_stale
            && all
                .iter()
                .all(|schedule| self.known.contains_key(&schedule.name))
        {
            return Ok(());
        }
        self.is_stale = true;
        match daemon.claims.known(&all, loaded.at).await {
            Ok(known) => {
                self.known = loaded.schedules.keys().cloned().zip(known).collect();
                self.is_stale = false;
                Ok(())
            }
            Err(failure) => {
                for schedule in all {
                    let unknown = Known {
                        since: loaded.at,
                        last: None,
                    };
                    self.known.entry(schedule.name.clone()).or_insert(unknown);
                }
                Err(failure)
            }
        }
    }

    /// Looks for fires whose daemons are gone.
    async fn take_over(
        &mut self,
        daemon: &Arc<Daemon>,
        loaded: &Arc<Loaded>,
    ) -> Result<(), Failure> {
        let every = daemon.claims.lease() / 2;
        if self.taken_over.is_none_or(|at| at.elapsed() >= every) {
            let names: Vec<String> = enabled(loaded)
                .map(|schedule| schedule.name.to_string())
                .collect();
            let Taken {
                claims,
                given_up: lost,
            } = daemon
                .claims
                .take_over(&names, &daemon.held.claims(), AT_ONCE)
                .await?;
            self.taken_over = Some(Instant::now());
            if claims.len() + lost.len() > 0 {
                daemon.sweep.notify_one();
            }
            for claim in lost {
                if let Some(schedule) = loaded.schedules.get(claim.schedule.as_str()) {
                    firing(daemon, loaded, schedule, true).alarm(claim.fire, &given_up());
                }
            }
            let is_all = claims.len() < AT_ONCE;
            for claim in claims {
                warn!(schedule = claim.schedule, fire = %claim.fire, "taken over from a daemon that is gone");
                let Some(schedule) = loaded.schedules.get(claim.schedule.as_str()) else {
                    continue;
                };
                let since = self
                    .known
                    .get(&schedule.name)
                    .map_or(Timestamp::MIN, |known| known.since);
                let now = Timestamp::now();
                let work = match stale(schedule, &claim, since, now) {
                    Some(reason) => Work::Missed {
                        reason,
                        is_unheard: true,
                    },
                    None => Work::Late {
                        alarm: is_left_late(&claim, now).then_some(claim.fire),
                    },
                };
                begin(daemon, loaded, schedule, claim, work);
            }
            if is_all && self.tidied.is_none_or(|at| at.elapsed() >= TIDY) {
                self.tidy(daemon, &names).await?;
                self.tidied = Some(Instant::now());
            }
        }
        Ok(())
    }

    async fn tidy(&mut self, daemon: &Daemon, followed: &[String]) -> Result<(), Failure> {
        let abandoned = daemon.claims.abandon(followed).await?;
        if abandoned > 0 {
            warn!(
                "{abandoned} fires were left by their daemons, and their schedules are gone or not enabled: they are not run"
            );
        }
        daemon.claims.forget().await?;
        let ahead = daemon.claims.ahead().await?;
        let is_apart = ahead.abs() > APART;
        if is_apart && !self.is_apart {
            warn!(
                "the clock of this machine and that of the log's database are {:.0} s apart: fires are early or late by that",
                ahead.abs()
            );
        }
        self.is_apart = is_apart;
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

fn enabled(loaded: &Loaded) -> impl Iterator<Item = &Arc<Schedule>> {
    let all = loaded.schedules.values();
    all.filter(|schedule| schedule.enabled)
}

async fn claim(daemon: &Daemon, schedule: &Schedule, due: Due) -> Result<Claimed, Failure> {
    let claimed = daemon
        .claims
        .claim(schedule.name.as_str(), due.fire, due.passed_over)
        .await;
    claimed.map_err(|failure| match failure.kind {
        FailureKind::Unavailable | FailureKind::Conflict => failure,
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

/// What is to be done about a fire that is this daemon's.
enum Work {
    /// It is run at its time.
    Punctual { alarm: Option<Timestamp> },
    /// It is run, and later than it should have been.
    Late { alarm: Option<Timestamp> },
    /// It is not run.
    Missed { reason: Failure, is_unheard: bool },
}

impl Work {
    /// `unheard` is an overdue fire of which nobody was told yet.
    fn found(
        schedule: &Schedule,
        claim: &Claim,
        due: Due,
        unheard: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        match (due.runs, due.is_late) {
            (false, _) => Self::Missed {
                reason: missed(schedule, claim, now),
                is_unheard: unheard.is_some(),
            },
            (true, true) => Self::Late { alarm: unheard },
            (true, false) => Self::Punctual { alarm: unheard },
        }
    }
}

/// Off it goes, in a task of its own.
fn begin(
    daemon: &Arc<Daemon>,
    loaded: &Arc<Loaded>,
    schedule: &Arc<Schedule>,
    claim: Claim,
    work: Work,
) {
    let (daemon, loaded, schedule) = (daemon.clone(), loaded.clone(), schedule.clone());
    let tasks = daemon.tasks.clone();
    tasks.spawn(async move {
        let is_late = !matches!(work, Work::Punctual { .. });
        let firing = firing(&daemon, &loaded, &schedule, is_late);
        match work {
            Work::Missed { reason, is_unheard } => firing.miss(claim, reason, is_unheard).await,
            Work::Punctual { alarm } | Work::Late { alarm } => {
                if let Some(overdue) = alarm {
                    firing.alarm(overdue, &run_late(&claim, overdue, Timestamp::now()));
                }
                firing.answer(claim).await;
            }
        }
    });
}
