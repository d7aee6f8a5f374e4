//! Runs whose process ended without closing them: found at the next start, cleaned up after, closed as `interrupted`.
//!
//! A running process holds an OS lock on `<state>/runs/<run>.lock`, which goes with the process however it ends. So a dead
//! run is one that the journal shows running and whose lock can be had; no process id is guessed at.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::error::LogError;
use super::history::{Draft, Event, History, LoginRole, Run, Scratch};
use super::record::{ErrorRecord, RunRecord, Status};
use super::{DeploymentLog, Written};

/// A dead run. While it is held, no other process finds it.
#[derive(Debug)]
pub struct Interrupted {
    /// As the journal last knew it.
    pub record: RunRecord,
    /// What it had begun to write. One whose last object is there was published in its last moment, and is whole.
    pub drafts: Vec<Draft>,
    /// The names of databases that it had taken.
    pub scratches: Vec<Scratch>,
    /// Roles of servers that it had made.
    pub roles: Vec<LoginRole>,
    /// When it was last heard of.
    pub last_sign: Timestamp,
    claim: Claim,
}

impl DeploymentLog {
    /// The dead runs of this machine. Clean up after them, say so with `draft_closed`, `scratch_closed` and
    /// `role_closed`, then `close_interrupted`.
    pub fn interrupted(&self) -> Result<Vec<Interrupted>, LogError> {
        let open = |history: &History| -> Vec<Uuid> {
            let open = history
                .runs()
                .filter(|run| !run.imported && !run.record.status().is_closed());
            open.map(|run| run.record.run_id()).collect()
        };
        let mut claims = Vec::new();
        for run in open(&*self.journal.read()?) {
            claims.extend(Claim::take(&self.paths.state, run)?);
        }
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        // A run closes before it lets its lock go, so of those whose lock was free only the ones still open now are dead.
        let history = self.journal.read()?;
        let mut dead = Vec::new();
        for claim in claims {
            match history.run(claim.run) {
                Some(run) if !run.record.status().is_closed() => {
                    dead.push(Interrupted {
                        record: run.record.whole().into_owned(),
                        drafts: run.drafts.clone(),
                        scratches: run.scratches.clone(),
                        roles: run.roles.clone(),
                        last_sign: run.last_sign,
                        claim,
                    });
                }
                _ => claim.release()?,
            }
        }
        Ok(dead)
    }

    /// Closes a dead run at its last sign of life. `notes` join its warnings: what was cleaned up, or could not be.
    pub fn close_interrupted(
        &self,
        interrupted: Interrupted,
        notes: Vec<String>,
    ) -> Result<Written, LogError> {
        let Interrupted {
            mut record,
            last_sign,
            claim,
            ..
        } = interrupted;
        let error = ErrorRecord {
            kind: "interrupted".into(),
            message: "the process ended without closing the run".into(),
            hint: Some("look for a kill, a crash or a reboot at the time it finished, then run the job again".into()),
            ..Default::default()
        };
        let finished = last_sign.max(record.started);
        record.status = Status::Interrupted;
        record.finished = Some(finished);
        record.warnings.extend(notes);
        for step in record
            .steps
            .iter_mut()
            .filter(|step| !step.status.is_closed())
        {
            step.status = Status::Interrupted;
            step.finished = Some(finished.max(step.started));
        }
        record.error = Some(error);
        let written = self.write_closed(record)?;
        claim.release()?;
        Ok(written)
    }

    /// Drafts of closed runs that nobody has cleaned up for good, and when their writers ended: the storage was away when
    /// somebody tried, or that was right after.
    pub fn leftover_drafts(&self) -> Result<Vec<(Draft, Timestamp)>, LogError> {
        self.leftovers(|run| {
            let with_end = |draft: &Draft| {
                let ended = run.record.whole().finished.unwrap_or(run.last_sign);
                (draft.clone(), ended)
            };
            run.drafts.iter().map(with_end).collect()
        })
    }

    /// Scratch databases of closed runs that nobody has dropped yet: the server was away when somebody tried.
    pub fn leftover_scratches(&self) -> Result<Vec<Scratch>, LogError> {
        self.leftovers(|run| run.scratches.clone())
    }

    /// Roles of closed runs that nobody has dropped yet.
    pub fn leftover_roles(&self) -> Result<Vec<LoginRole>, LogError> {
        self.leftovers(|run| run.roles.clone())
    }

    fn leftovers<T>(&self, of: impl Fn(&Run) -> Vec<T>) -> Result<Vec<T>, LogError> {
        let history = self.journal.read()?;
        let closed = history.runs().filter(|run| run.record.status().is_closed());
        Ok(closed.flat_map(of).collect())
    }

    /// Says that a draft was published or removed.
    pub fn draft_closed(&self, run: Uuid, prefix: &str) -> Result<(), LogError> {
        self.journal.append(vec![Event::DraftClosed {
            run,
            prefix: prefix.to_owned(),
        }])
    }

    /// Says that a draft was removed, and has to be looked at again later.
    pub fn draft_removed(&self, run: Uuid, prefix: &str) -> Result<(), LogError> {
        self.journal.append(vec![Event::DraftRemoved {
            run,
            prefix: prefix.to_owned(),
        }])
    }

    /// Says that no database has the name of a scratch any more.
    pub fn scratch_closed(&self, run: Uuid, name: &str) -> Result<(), LogError> {
        self.journal.append(vec![Event::ScratchClosed {
            run,
            name: name.to_owned(),
        }])
    }

    /// Says that no role has the name any more.
    pub fn role_closed(&self, run: Uuid, name: &str) -> Result<(), LogError> {
        self.journal.append(vec![Event::RoleClosed {
            run,
            name: name.to_owned(),
        }])
    }

    /// Removes lock files that were left by processes killed between closing a run and removing its lock.
    pub(super) fn sweep_locks(&self, history: &History) -> Result<(), LogError> {
        let folder = self.paths.state.join("runs");
        let files = match fs::read_dir(&folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LogError::file("list the locks in", &folder)(error)),
        };
        for file in files.flatten() {
            let name = file.file_name();
            let run = name
                .to_str()
                .and_then(|name| name.strip_suffix(".lock"))
                .and_then(|run| run.parse().ok());
            let Some(run) = run else { continue };
            // A run that the journal does not know may be about to start, unless its lock has lain here for long.
            let old = || {
                file.metadata()
                    .and_then(|data| data.modified())
                    .is_ok_and(|time| {
                        time.elapsed()
                            .is_ok_and(|age| age > Duration::from_secs(3_600))
                    })
            };
            if history
                .run(run)
                .map_or_else(old, |run| run.record.status().is_closed())
                && let Some(claim) = Claim::take(&self.paths.state, run)?
            {
                claim.release()?;
            }
        }
        Ok(())
    }
}

/// The lock of a run: held by its process while it runs, and by whoever closes it after its death.
#[derive(Debug)]
pub(super) struct Claim {
    pub run: Uuid,
    path: PathBuf,
    _lock: File,
}

impl Claim {
    /// `None` when a living process holds it.
    pub fn take(state: &Path, run: Uuid) -> Result<Option<Self>, LogError> {
        let path = state.join("runs").join(format!("{run}.lock"));
        let locked = || {
            fs::create_dir_all(state.join("runs"))?;
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(&path)?;
            match lock.try_lock() {
                Ok(()) => Ok(Some(lock)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            }
        };
        let lock = locked().map_err(LogError::file("lock", &path))?;
        Ok(lock.map(|lock| Self {
            run,
            path,
            _lock: lock,
        }))
    }

    /// Removes the file, then lets the lock go. Only for a run that is closed.
    pub fn release(self) -> Result<(), LogError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(LogError::file("remove", &self.path)(error))
            }
            _ => Ok(()),
        }
    }
}
