//! Who hears of a run that cron or a person has started: outside its path, as those hear that a schedule names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::cli::notify;
use crate::config::Name;
use crate::deployment_log::{RunRecord, Status};
use crate::failure::Failure;
use crate::jobs::{Project, RunOutcome, register_url};
use crate::notifications::{Audience, Notifications, Phase, TableRecorder};
use crate::schedules::Ping;

#[derive(Debug, Default, Args)]
pub(super) struct NoticeFlags {
    /// Tell these of the run: names under [notify], between commas; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    notify: Vec<String>,
    /// Tell the dead man's switch of this schedule of the start and the end
    #[arg(long, value_name = "SCHEDULE", conflicts_with = "ping_file")]
    ping: Option<String>,
    /// Tell the dead man's switch whose URL is in this file, or else in the variable ORCHESTRATOR_PING
    #[arg(long, value_name = "FILE")]
    ping_file: Option<PathBuf>,
}

/// Holds the URL of a dead man's switch: an argument would show it to everybody who lists processes.
const PING_VARIABLE: &str = "ORCHESTRATOR_PING";

/// Those who hear of it.
pub(super) struct Listeners {
    notifications: Notifications,
    targets: Vec<Name>,
    ping: Option<Ping>,
}

impl Listeners {
    /// Those whom the flags name; none where they name nobody.
    pub fn of(flags: &NoticeFlags, project: &Project) -> Result<Option<Self>, Failure> {
        let mut targets = notify::targets(project, &flags.notify)?;
        targets.sort();
        targets.dedup();
        let ping = ping(flags, project)?;
        if targets.is_empty() && ping.is_none() {
            return Ok(None);
        }
        let redactor = project.log.redactor();
        if let Some(ping) = &ping {
            register_url(redactor, ping.url());
        }
        let recorder = Arc::new(TableRecorder::new(&project.config));
        Ok(Some(Self {
            notifications: Notifications::start(&project.config, redactor.clone(), recorder),
            targets,
            ping,
        }))
    }

    /// The run has begun.
    pub fn began(&self, record: &RunRecord) {
        self.audience().began(record);
    }

    /// The run is over, or could not be begun. Never fails.
    pub async fn ended(&self, project: &Project, outcome: &Result<RunOutcome, Failure>) {
        let audience = self.audience();
        match outcome {
            Ok(RunOutcome { record, .. }) if record.status == Status::Succeeded => {
                audience.ping(Phase::Success, Some(record.run_id));
                // Only targets hear that all is well again.
                let before = match self.targets.is_empty() {
                    true => None,
                    false => project.outcome_before(record).await,
                };
                audience.succeeded(record, before);
            }
            Ok(RunOutcome { record, .. }) => audience.failed(record),
            // Nothing was begun, so that there is no run to tell of: that, the switch is for.
            Err(_) => audience.ping(Phase::Fail, None),
        }
    }

    /// Waits until everybody has heard of it or has been given up on; after a signal no longer.
    pub async fn finish(self, cancel: &CancellationToken) {
        let patience = self
            .notifications
            .patience(&self.targets, self.ping.is_some());
        // A run that was cancelled is told of as any other; who is in a hurry sends a second signal.
        let is_hurried = async {
            match cancel.is_cancelled() {
                true => std::future::pending().await,
                false => cancel.cancelled().await,
            }
        };
        tokio::select! {
            () = self.notifications.finish(patience) => {}
            () = is_hurried => warn!("it is not known whether all notices of the run have arrived"),
        }
    }

    fn audience(&self) -> Audience<'_> {
        Audience {
            notifications: self.notifications.clone(),
            targets: &self.targets,
            ping: self.ping.as_ref(),
            schedule: None,
            fire: None,
        }
    }
}

fn ping(flags: &NoticeFlags, project: &Project) -> Result<Option<Ping>, Failure> {
    if let Some(schedule) = &flags.ping {
        let found = notify::pings(&project.config, std::slice::from_ref(schedule))?;
        return Ok(found.into_iter().next());
    }
    if let Some(file) = &flags.ping_file {
        return of_file(file).map(Some);
    }
    match std::env::var(PING_VARIABLE) {
        Ok(url) if !url.trim().is_empty() => parsed(&url, PING_VARIABLE).map(Some),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::invalid_input(format!(
            "{PING_VARIABLE}: it is no text"
        ))),
    }
}

fn of_file(file: &Path) -> Result<Ping, Failure> {
    let place = format!("--ping-file {}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::invalid_input(format!("{place}: {error}"))
            .hint("check the path, and that this user may read it")
    })?;
    parsed(&text, &place)
}

/// Never quoted: whoever knows the address can keep the switch quiet.
fn parsed(text: &str, place: &str) -> Result<Ping, Failure> {
    Ping::parse(text).map_err(|problem| {
        Failure::invalid_input(format!("{place}: {problem}"))
            .hint("write the address that the service gave you: https://…")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_file_is_never_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ping");
        let refused = || of_file(&file).unwrap_err().to_string();
        assert!(refused().contains("--ping-file"), "{}", refused());
        std::fs::write(&file, "ftp://hunter2\n").unwrap();
        assert!(refused().ends_with("it is neither an http nor an https URL"));
        std::fs::write(&file, "https://hc.example/hunter2\n").unwrap();
        let ping = of_file(&file).unwrap();
        assert_eq!(ping, Ping::parse("https://hc.example/hunter2").unwrap());
    }
}
