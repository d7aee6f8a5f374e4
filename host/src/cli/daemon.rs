//! `orchestrator daemon`: follows the schedules until it is told to stop.

mod token;

use clap::{Args, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::globals::{self, Globals};
use super::output::{LogFormat, Output};
use crate::config::Config;
use crate::daemon::{Daemon, Loader, Signals};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::Project;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct DaemonCommand {
    /// How the log on stderr is written
    #[arg(long, value_enum, default_value_t = LogFormat::Human, value_name = "FORMAT")]
    pub log: LogFormat,
    #[command(subcommand)]
    other: Option<Other>,
}

#[derive(Debug, Subcommand)]
enum Other {
    /// Make a token for the HTTP API, and print it once with its lines of the configuration
    Token(token::TokenCommand),
}

pub(super) async fn execute(
    command: DaemonCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    if let Some(Other::Token(command)) = command.other {
        return token::execute(command, output);
    }
    let signals = listen()?;
    Daemon::run(Box::new(FromGlobals(globals.clone())), signals).await?;
    Ok(exit::DONE)
}

/// The configuration that the flags of the command lead to.
struct FromGlobals(Globals);

impl Loader for FromGlobals {
    fn config(&self) -> Result<Config, Failure> {
        let mut config = self.0.load_config()?;
        self.0.identify(&mut config)?;
        Ok(config)
    }

    fn project(&self, config: Config) -> Result<Project, Failure> {
        globals::project(config)
    }
}

/// SIGTERM and Ctrl-C stop in good order, a second one cancels what runs, a third one ends the process. SIGHUP reads the configuration again.
fn listen() -> Result<Signals, Failure> {
    let on = |kind| {
        signal(kind).map_err(|error| Failure::internal(format!("listening for signals: {error}")))
    };
    let (mut interrupt, mut terminate, mut hangup) = (
        on(SignalKind::interrupt())?,
        on(SignalKind::terminate())?,
        on(SignalKind::hangup())?,
    );
    let signals = Signals::default();
    let told = signals.clone();
    tokio::spawn(async move {
        let mut count = 0;
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {
                    info!("SIGHUP: the configuration is read again");
                    told.reload.notify_one();
                    continue;
                }
            }
            count += 1;
            match count {
                1 => {
                    info!("stopping: nothing new begins");
                    told.stop.cancel();
                }
                2 => {
                    warn!(
                        "stopping at once: what runs is cancelled; a third signal leaves the cleaning up to the next start"
                    );
                    told.kill.cancel();
                }
                _ => std::process::exit(exit::CANCELLED.into()),
            }
        }
    });
    Ok(signals)
}
