//! The daemon: runs what schedules say, when they say it, once.
//!
//! ```text
//! loaded       configuration and schedules as they are now; read again on SIGHUP and on change
//! scheduler    the loop: what is due (decision, a pure function), who has it (claims), off it goes (fires)
//! claims       a row a fire in PostgreSQL, with a lease: several daemons never run one twice
//! held         the leases of this daemon, renewed together
//! fires        one fire, from its claim to its end: jitter, overlap, turn, run, retry; lateness: what is said when it is late
//! running      the runs under way: turns, progress, cancellation
//! control      what HTTP and metrics ask
//! standing     what the log's database says of schedules and jobs, for whoever shows it
//! http         health, metrics, the API
//! metrics      read when they are asked for
//! latest       what one reads for many who ask
//! service_manager   readiness and watchdog of systemd
//! ```

mod claims;
mod control;
mod decision;
mod fires;
mod handle;
mod held;
pub(crate) mod http;
mod latest;
mod loaded;
mod metrics;
mod running;
mod scheduler;
mod service_manager;
#[cfg(test)]
mod simulation_tests;
mod standing;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::config::DaemonSettings;
use crate::failure::Failure;
use crate::jobs;
use crate::notifications::Notifications;

use claims::Claims;
pub use handle::Handle;
use held::Held;
pub use loaded::{Loaded, Loader};
use running::{Patience, Runs};
use service_manager::ServiceManager;
use standing::Observatory;

/// After the grace time: how long cancelled runs may take to undo what they had begun.
const UNDOING: Duration = Duration::from_secs(60);

/// How often what dead runs left is looked for, besides at the start and after each takeover, and how long that may take.
const SWEEP: Duration = Duration::from_secs(600);
const SWEEP_LIMIT: Duration = Duration::from_secs(3600);

/// How often it tells that it lives while it waits for its end.
const BEAT: Duration = Duration::from_secs(1);

/// Records of fires that are not run, at a time.
const SKIPS: usize = 2;

/// At the end: how long notices may take that are on their way, and answers.
const LAST_NOTICES: Duration = Duration::from_secs(10);
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// What a daemon shares with its tasks.
pub struct Daemon {
    loaded: RwLock<Arc<Loaded>>,
    settings: DaemonSettings,
    claims: Claims,
    held: Held,
    observatory: Observatory,
    runs: Runs,
    tasks: TaskTracker,
    notifications: Notifications,
    /// Nothing new begins.
    stop: CancellationToken,
    /// What runs is cancelled.
    kill: CancellationToken,
    /// When the loop turned last, in milliseconds of the process's own clock.
    turned: AtomicI64,
    begun: std::time::Instant,
    is_scheduling: AtomicBool,
    /// Somebody has died: look for what was left.
    sweep: tokio::sync::Notify,
    /// How many fires that are not run are recorded at a time: each writes to the log's table, too.
    skips: tokio::sync::Semaphore,
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
        loaded.warn_of_problems();
        if loaded.project.config.log.database.is_none() {
            return Err(Failure::invalid_input(
                "the daemon needs a database for its claims: no database is configured",
            )
            .hint("set DATABASE_URL, or name one in [log] database"));
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
            claims: Claims::new(&loaded.project, name, settings.lease),
            loaded: RwLock::new(loaded),
            held: Held::default(),
            observatory: Observatory::default(),
            runs: Runs::new(
                settings.max_concurrent_jobs as usize,
                Patience::new(signals.stop.clone(), signals.kill.clone()),
            ),
            tasks: TaskTracker::new(),
            notifications,
            stop: signals.stop.clone(),
            kill: signals.kill.clone(),
            settings,
            turned: AtomicI64::new(0),
            begun: std::time::Instant::now(),
            is_scheduling: AtomicBool::new(false),
            sweep: tokio::sync::Notify::new(),
            skips: tokio::sync::Semaphore::new(SKIPS),
        });
        let manager = ServiceManager::from_environment();
        let background = CancellationToken::new();
        let leases = tokio::spawn(renew(daemon.clone(), background.clone()));
        let progress = tokio::spawn(tell_progress(daemon.clone(), background.clone()));
        let sweeping = tokio::spawn(sweep(daemon.clone(), background.clone()));
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
        daemon.notifications.clone().finish(LAST_NOTICES).await;
        if let Some(server) = server {
            server.stop(LAST_ANSWERS).await;
        }
        background.cancel();
        for task in [leases, progress, sweeping] {
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
            () = self.beat(manager) => false,
        };
        if over {
            return;
        }
        for run in self.runs.list() {
            warn!(run = %run.run, "{} is cancelled, for the daemon is stopping", run.job);
        }
        self.kill.cancel();
        let over = tokio::select! {
            over = tokio::time::timeout(UNDOING, self.tasks.wait()) => over.is_ok(),
            () = self.beat(manager) => false,
        };
        if !over {
            warn!(
                "runs are still under way after {UNDOING:?}; the next start closes their records"
            );
        }
    }

    /// Tells that the daemon lives while it waits for its end. Never ends.
    async fn beat(&self, manager: &ServiceManager) {
        let mut often = tokio::time::interval(BEAT);
        loop {
            often.tick().await;
            self.turned();
            manager.alive();
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

/// Renews the leases of this daemon, by a connection that nothing else waits for.
async fn renew(daemon: Arc<Daemon>, end: CancellationToken) {
    let lease = daemon.claims.lease();
    let keep = async {
        loop {
            let is_answered = daemon.held.renew(&daemon.claims).await;
            tokio::time::sleep(if is_answered { lease / 3 } else { lease / 12 }).await;
        }
    };
    let watch = async {
        loop {
            tokio::time::sleep(lease / 30).await;
            daemon.held.give_up(lease);
        }
    };
    tokio::select! {
        () = keep => {}
        () = watch => {}
        () = end.cancelled() => {}
    }
}

/// Closes what dead runs of this machine have left: at the start, after each takeover, and now and then. What has to be cleaned up may be
/// where nobody answers, and no schedule waits for that.
async fn sweep(daemon: Arc<Daemon>, end: CancellationToken) {
    let work = async {
        loop {
            let loaded = daemon.loaded();
            if tokio::time::timeout(SWEEP_LIMIT, recover(&loaded))
                .await
                .is_err()
            {
                warn!(
                    "cleaning up after dead runs took longer than {SWEEP_LIMIT:?}; it is tried again"
                );
            }
            // Where the database is away, the loop says so.
            for warning in jobs::share_log(&loaded.project).await {
                debug!("{warning}");
            }
            // After a reload nobody else has it, with a history of its own.
            drop(loaded);
            tokio::select! {
                () = tokio::time::sleep(SWEEP) => {}
                () = daemon.sweep.notified() => {}
            }
        }
    };
    end.run_until_cancelled(work).await;
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
