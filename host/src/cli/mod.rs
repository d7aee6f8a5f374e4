//! The command line: one file per command; the only place that prints or exits.

mod agreement;
mod backup;
mod check;
mod completions;
mod daemon;
mod demo;
mod drill;
mod globals;
mod init;
mod log;
mod mark;
mod migrate;
mod notify;
mod output;
mod plugin;
mod progress;
pub mod reference;
mod restore;
mod run;
mod schedule;
mod seed;
mod signals;
mod snapshot;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::exit;
use globals::Globals;
use output::Output;

/// PostgreSQL backups, restores, migrations and seeds; every operation a sandboxed WASM plugin.
#[derive(Debug, Parser)]
#[command(name = "orchestrator", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done with warnings, \
4 refused by a grant or an environment rule, 5 another run holds the lock, 6 behind, 130 cancelled";

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an orchestrator.toml to begin with
    Init(init::InitCommand),
    /// Test connections, storages and plugins, and say what to do
    Check,
    /// Run a job: built in are backup, verify, drill, prune, migrate, seed, pre-migrate and deploy
    Run(run::RunCommand),
    /// Create, list, show, verify, prune, pin and delete backups
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Restore a backup into a database
    Restore(restore::RestoreCommand),
    /// Prove that a backup comes back: restore it into a scratch database, ask and compare what is there, and drop it
    Drill(drill::DrillCommand),
    /// Write, apply and settle migrations
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// Write the seeds that are meant for the environment
    Seed(seed::SeedCommand),
    /// Have AWS RDS take snapshots of a database's server, list them, restore them
    #[command(subcommand)]
    Snapshot(snapshot::SnapshotCommand),
    /// List, check and export what runs by itself
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Write into a database which environment it belongs to
    Mark(mark::MarkCommand),
    /// Show what was run
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Show who is told of runs, and test whether notices arrive
    #[command(subcommand)]
    Notify(notify::NotifyCommand),
    /// Make, test, list and inspect plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Rehearse the worst day with an example application on a private server
    Demo(demo::DemoCommand),
    /// Run jobs by the clock, and answer HTTP, until it is told to stop
    Daemon(daemon::DaemonCommand),
    /// Print the completion script of a shell
    Completions(completions::CompletionsCommand),
}

/// Runs the program; the caller exits with what it returns.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and clap knows where each goes.
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            };
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::from(exit::FAILED),
            };
        }
    };
    let format = match &cli.command {
        Command::Daemon(command) => Some(command.log),
        _ => None,
    };
    output::start_log(&cli.globals, format);
    let output = Output::new(&cli.globals);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.failure(
                &crate::failure::Failure::internal(format!("starting the runtime: {error}")),
                exit::FAILED,
            );
        }
    };
    let code = runtime.block_on(dispatch(cli, &output));
    // A blocking call that hangs (a name server, a file system) must not hold up the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    code
}

async fn dispatch(cli: Cli, output: &Output) -> ExitCode {
    let globals = cli.globals;
    let result = match cli.command {
        Command::Init(command) => init::execute(command, &globals, output),
        Command::Check => check::execute(&globals, output).await,
        Command::Run(command) => run::execute(command, &globals, output).await,
        Command::Backup(command) => backup::execute(command, &globals, output).await,
        Command::Restore(command) => restore::execute(command, &globals, output).await,
        Command::Drill(command) => drill::execute(command, &globals, output).await,
        Command::Migrate(command) => migrate::execute(command, &globals, output).await,
        Command::Seed(command) => seed::execute(command, &globals, output).await,
        Command::Snapshot(command) => snapshot::execute(command, &globals, output).await,
        Command::Schedule(command) => schedule::execute(command, &globals, output),
        Command::Mark(command) => mark::execute(command, &globals, output).await,
        Command::Log(command) => log::execute(command, &globals, output).await,
        Command::Notify(command) => notify::execute(command, &globals, output).await,
        Command::Plugin(command) => plugin::execute(command, &globals, output).await,
        Command::Demo(command) => demo::execute(command, output).await,
        Command::Daemon(command) => daemon::execute(command, &globals, output).await,
        Command::Completions(command) => completions::execute(command),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => output.failure(&failure, exit::code(Some(&failure), true, false)),
    }
}
