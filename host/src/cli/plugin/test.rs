//! `orchestrator plugin test`: an author's own tests, each with a database of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::build;
use crate::authoring::Trial;
use crate::cli::globals::{self, Globals};
use crate::cli::output::Output;
use crate::cli::run::single;
use crate::cli::signals;
use crate::exit;
use crate::failure::{Failure, FailureKind};
use crate::jobs::{self, Silent};

#[derive(Debug, Args)]
pub(in crate::cli) struct TestCommand {
    /// The plugin's crate
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// A database on the server to test on, in place of a private one; others are made there, and dropped
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// What `cargo test` is given
    #[arg(last = true, value_name = "ARGUMENTS")]
    cargo: Vec<String>,
}

pub(super) async fn execute(
    command: TestCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let plugin = build::compile(&command.folder, output).await?;
    let name = &plugin.manifest.name;
    let migrations =
        build::glance(name, &command.folder, globals)?.and_then(|glance| glance.migrations);
    // From here on there is something to clean up.
    let cancel = signals::cancellation()?;
    let url = command.database_url.clone();
    if url.is_none() && !output.is_quiet() {
        eprintln!("starting a private PostgreSQL server");
    }
    let trial = tokio::task::spawn_blocking(move || Trial::start(url.as_deref()))
        .await
        .map_err(|error| Failure::internal(format!("starting a server: {error}")))??;
    let bench = Bench {
        trial: &trial,
        cancel: &cancel,
        output,
    };
    let tested = bench.test(&command, &plugin, migrations.as_deref()).await;
    let ended = trial.end().await;
    let passed = tested?;
    ended?;
    let document = json!({
        "name": name,
        "sha256": plugin.sha256,
        "migrations": migrations,
        "passed": passed,
    });
    output.result(&document, || {
        let word = if passed { "passed" } else { "failed" };
        format!("the tests of {name} {word}")
    })?;
    Ok(if passed { exit::DONE } else { exit::FAILED })
}

/// What the steps of it share.
struct Bench<'a> {
    trial: &'a Trial,
    cancel: &'a CancellationToken,
    output: &'a Output,
}

impl Bench<'_> {
    /// Whether the tests passed.
    async fn test(
        &self,
        command: &TestCommand,
        plugin: &builder::Plugin,
        migrations: Option<&Path>,
    ) -> Result<bool, Failure> {
        let folder = command.folder.canonicalize().map_err(|error| {
            Failure::invalid_input(format!("{}: {error}", command.folder.display()))
        })?;
        self.trial.install(&plugin.component, &folder, migrations)?;
        self.trial.create_template().await?;
        if let Some(folder) = migrations {
            if !self.output.is_quiet() {
                eprintln!("applying the migrations of {}", folder.display());
            }
            self.migrate().await?;
        }
        self.cargo_test(command).await
    }

    /// As `migrate deploy` does it.
    async fn migrate(&self) -> Result<(), Failure> {
        let project = globals::open(self.trial.config()?).await?;
        let parameters = Map::from_iter([("command".to_owned(), Value::from("deploy"))]);
        let request = single("migrate", "migrate", parameters);
        let outcome = jobs::run(&project, request, self.cancel, &Silent)
            .await?
            .closed()?;
        match outcome.failure {
            Some(failure) => Err(failure.context("applying the project's migrations")),
            None => Ok(()),
        }
    }

    async fn cargo_test(&self, command: &TestCommand) -> Result<bool, Failure> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = tokio::process::Command::new(&program);
        cargo
            .arg("test")
            .args(&command.cargo)
            .current_dir(&command.folder)
            .envs(self.trial.variables()?)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if self.output.is_json() {
            // stdout is for one document.
            cargo.stdout(std::io::stderr());
        }
        let broken = |error: std::io::Error| {
            Failure::not_found(format!("running {}: {error}", program.to_string_lossy()))
                .hint("install Rust, as https://rustup.rs says")
        };
        let mut child = cargo.spawn().map_err(broken)?;
        tokio::select! {
            status = child.wait() => Ok(status.map_err(broken)?.success()),
            () = self.cancel.cancelled() => {
                // Ctrl-C has reached it already; SIGTERM has not.
                child.kill().await.map_err(broken)?;
                Err(Failure::new(FailureKind::Cancelled, "the tests were cancelled"))
            }
        }
    }
}
