//! `[daemon]`: how many jobs at a time, and how long what may take.

use super::error::{ConfigError, Problem};
use super::reader::Section;
use super::reference::{DAEMON_GRACE, DAEMON_LEASE, DAEMON_MAX_CONCURRENT_JOBS};
use std::time::Duration;

/// How the daemon works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSettings {
    /// Runs at a time; others wait for their turn.
    pub max_concurrent_jobs: u32,
    /// What is under way when the daemon is stopped may go on for so long.
    pub grace: Duration,
    /// So long after the last sign of life of a daemon, others take over what it had begun.
    pub lease: Duration,
}

/// Renewals are a third of it apart, and the server is asked with each.
const LEASE_MIN: Duration = Duration::from_secs(3);

pub(super) fn read(root: &Section<'_>) -> Result<DaemonSettings, ConfigError> {
    let section = root.section("daemon", "daemon")?;
    let jobs = section
        .required::<u32>(&DAEMON_MAX_CONCURRENT_JOBS)?
        .try_map(|jobs| match jobs {
            1..=1000 => Ok(jobs),
            _ => Err(Problem::new(
                "no number of jobs that can run at a time",
                "write a number from 1 to 1000",
            )),
        })?;
    let lease = section
        .required::<Duration>(&DAEMON_LEASE)?
        .try_map(|lease| match lease >= LEASE_MIN {
            true => Ok(lease),
            false => Err(Problem::new(
                "shorter than a slow answer of the server",
                "write at least \"3s\"",
            )),
        })?;
    Ok(DaemonSettings {
        max_concurrent_jobs: jobs,
        grace: section.required::<Duration>(&DAEMON_GRACE)?.value,
        lease,
    })
}
