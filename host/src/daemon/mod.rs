//! The daemon: runs what schedules say, when they say it, once.
//!
//! ```text
//! loaded       configuration and schedules as they are now; read again on SIGHUP and on change
//! scheduler    the loop: what is due (decision, a pure function), who has it (claims), off it goes (fires)
//! claims       a row a fire in PostgreSQL, with a lease: several daemons never run one twice
//! held         the leases of this daemon, renewed together
//! fires        one fire, from its claim to its end: jitter, overlap, turn, run, retry
//! running      the runs under way: turns, progress, cancellation
//! control      what HTTP and metrics ask
//! http         health, metrics, the API
//! metrics      read when they are asked for
//! notifications    who is told of what, outside the failing path
//! service_manager   readiness and watchdog of systemd
//! ```

mod claims;
pub mod control;
mod decision;
mod fires;
mod handle;
mod held;
pub mod http;
mod loaded;
pub mod metrics;
pub mod notifications;
mod running;
mod scheduler;
mod service_manager;
#[cfg(test)]
mod simulation_tests;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::DaemonSettings;
use crate::failure::Failure;
use crate::jobs;

use claims::{Claims, Server};
pub use handle::Handle;
use held::Held;
pub use loaded::{Loaded, Loader};
use notifications::Notifications;
use running::Runs;
use service_manager::ServiceManager;

/// After the grace time: how long cancelled runs may take to undo what they had begun.
const UNDOING: Duration = Duration::from_secs(60);

/// At the end: how long notices may take that are on their way, and answers.
const LAST_NOTICES: Duration = Duration::from_secs(10);
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What a daemon shares with its tasks.
pub struct Daemon {
    loaded: RwLock<Arc<Loaded>>,
    settings: DaemonSettings,
    claims: Claims,
    held: Held,
    runs: Runs,
    tasks: TaskTracker,
    notifications: RwLock<Notifications>,
    /// Nothing new begins.
    stop: CancellationToken,
    /// What runs is cancelled.
    kill: CancellationToken,
    /// When the loop turned last, in milliseconds of the process's own clock.
    turned: AtomicI64,
    begun: std::time::Instant,
    is_scheduling: AtomicBool,
}

/// What a process tells its daemon.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// End: once in good order, a second time at once.
    pub stop: CancellationToken,
    /// Cancel what runs.
    pub kill: CancellationToken,
    /// Read the configuration again.
    pub reload: Arc<tokio::sync::Notify>,
}

impl Daemon {
    /// Runs until it is told to stop, and everything that it had begun is over.
    pub async fn run(loader: Box<dyn Loader>, signals: Signals) -> Result<(), Failure> {
        let loaded = Arc::new(Loaded::first(loader.as_ref())?);
        for problem in &loaded.problems {
            warn!("{problem}");
        }
        let settings = loaded.project.config.daemon.clone();
        let http = match loaded.project.config.http.listen {
            Some(address) => Some(http::bind(address).await?),
            None => None,
        };
        let notifications = loaded.notifications();
        let name = format!(
            "{} {} {}",
            gethostname::gethostname().to_string_lossy(),
            std::process::id(),
            Uuid::now_v7()
        );
        info!(
            "the daemon {name} begins with {} schedules",
            loaded.schedules.len()
        );
        let daemon = Arc::new(Self {
            claims: Claims::new(Server::new(loaded.project.clone()), name, settings.lease),
            loaded: RwLock::new(loaded),
            held: Held::default(),
            runs: Runs::new(settings.max_concurrent_jobs as usize),
            tasks: TaskTracker::new(),
            notifications: RwLock::new(notifications),
            stop: signals.stop.clone(),
            kill: signals.kill.clone(),
            settings,
            turned: AtomicI64::new(0),
            begun: std::time::Instant::now(),
            is_scheduling: AtomicBool::new(false),
        });
        let manager = ServiceManager::from_environment();
        let background = CancellationToken::new();
        let leases = tokio::spawn(renew(daemon.clone(), background.clone()));
        let progress = tokio::spawn(tell_progress(daemon.clone(), background.clone()));
        let server = match http {
            Some(listener) => Some(http::Server::start(
                listener,
                Arc::new(Handle(daemon.clone())),
            )?),
            None => None,
        };
        if let Some(server) = &server {
            info!("HTTP at {}", server.address());
        }
        scheduler::turn(&daemon, loader.as_ref(), &signals, &manager).await;
        daemon.finish(&manager).await;
        daemon.notifications().finish(LAST_NOTICES).await;
        if let Some(server) = server {
            server.stop(LAST_ANSWERS).await;
        }
        background.cancel();
        for task in [leases, progress] {
            if let Err(error) = task.await {
                warn!("a task of the daemon has ended badly: {error}");
            }
        }
        info!("the daemon has ended");
        Ok(())
    }

    fn loaded(&self) -> Arc<Loaded> {
        self.loaded
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    fn notifications(&self) -> Notifications {
        self.notifications
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// What runs may end by itself for the grace time; then it is cancelled, recorded, and its fire let go.
    async fn finish(&self, manager: &ServiceManager) {
        manager.stopping();
        self.tasks.close();
        let under_way = self.runs.list().len();
        if under_way > 0 {
            info!(
                "waiting for {under_way} runs, {:?} at most",
                self.settings.grace
            );
        }
        let over = tokio::select! {
            over = tokio::time::timeout(self.settings.grace, self.tasks.wait()) => over.is_ok(),
            () = self.kill.cancelled() => false,
        };
        if over {
            return;
        }
        for run in self.runs.list() {
            warn!(run = %run.run, "{} is cancelled, for the daemon is stopping", run.job);
        }
        self.kill.cancel();
        if tokio::time::timeout(UNDOING, self.tasks.wait())
            .await
            .is_err()
        {
            warn!(
                "runs are still under way after {UNDOING:?}; the next start closes their records"
            );
        }
    }

    /// Marks the loop as alive.
    fn turned(&self) {
        let now = i64::try_from(self.begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.turned.store(now, Ordering::Relaxed);
    }

    /// How long ago the loop has turned.
    fn since_turned(&self) -> Duration {
        let last = Duration::from_millis(self.turned.load(Ordering::Relaxed).unsigned_abs());
        self.begun.elapsed().saturating_sub(last)
    }
}

/// Keeps the leases of this daemon, and nothing else waits on it.
async fn renew(daemon: Arc<Daemon>, end: CancellationToken) {
    let mut often = tokio::time::interval(daemon.claims.lease() / 3);
    often.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(often.tick()).await.is_some() {
        daemon.held.renew(&daemon.claims).await;
    }
}

async fn tell_progress(daemon: Arc<Daemon>, end: CancellationToken) {
    let mut often = tokio::time::interval(running::TOLD);
    while end.run_until_cancelled(often.tick()).await.is_some() {
        daemon.runs.tell_progress();
    }
}

/// Closes what dead runs of this machine have left.
async fn recover(loaded: &Loaded) {
    match jobs::recover(&loaded.project).await {
        Ok(recovered) => {
            for run in recovered.runs {
                warn!(run = %run, "the run was interrupted; it is closed now");
            }
            for name in recovered.removed {
                warn!("the unfinished {name} was removed");
            }
            for database in recovered.databases {
                warn!("{database}");
            }
        }
        Err(failure) => warn!("looking for interrupted runs: {failure}"),
    }
}
