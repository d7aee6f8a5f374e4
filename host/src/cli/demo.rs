//! `orchestrator demo`: the worst day, rehearsed with the example application.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::globals;
use super::output::Output;
use super::progress::Display;
use super::run::single;
use super::signals;
use crate::config::{Config, Sources};
use crate::database::{self, Connection, ConnectionSettings, ProcessEnvironment};
use crate::demo::{MIGRATION_LOCK, MIGRATIONS, SEEDS};
use crate::deployment_log::Status;
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{self, Project, RunOutcome};
use crate::private_server::PrivateServer;

#[derive(Debug, Args)]
pub(super) struct DemoCommand {
    /// Where the demo's backups, log and reports stay
    #[arg(long, default_value = "demo", value_name = "DIR")]
    folder: PathBuf,
}

const DATABASE: &str = "qconnect";
/// Marks a folder that an earlier demo made, and this one may replace.
const MARK: &str = ".orchestrator-demo";
const CONFIG: &str = "environment = \"local\"\n\n[databases.app]\nurl = \"${DEMO_DATABASE_URL}\"\n\n\
                      [storage.main]\nurl = \"file:backups\"\n\n[log]\ndatabase = \"app\"\n";
const TABLES: [&str; 6] = [
    "User",
    "Doctor",
    "Queue",
    "Appointment",
    "File",
    "RefreshToken",
];

pub(super) async fn execute(command: DemoCommand, output: &Output) -> Result<u8, Failure> {
    prepare(&command.folder)?;
    say(output, "starting a private PostgreSQL server");
    let server = tokio::task::spawn_blocking(PrivateServer::start)
        .await
        .map_err(|error| Failure::internal(format!("starting a server: {error}")))??;
    let result = rehearse(&server, &command.folder, output).await;
    // Stopping it blocks for a moment.
    let stopped = tokio::task::spawn_blocking(move || drop(server)).await;
    stopped.map_err(|error| Failure::internal(format!("stopping the server: {error}")))?;
    result
}

async fn rehearse(server: &PrivateServer, folder: &Path, output: &Output) -> Result<u8, Failure> {
    connect(server, "postgres")
        .await?
        .client
        .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
        .await?;
    let project = open(server, folder).await?;
    say(output, "applying the migrations");
    let deploy = Map::from_iter([("command".to_owned(), Value::from("deploy"))]);
    let migrate = step(&project, "migrate", deploy, output).await?;
    say(output, "writing the seeds");
    let seed = step(&project, "seed", Map::new(), output).await?;
    let before = counts(&connect(server, DATABASE).await?.client).await?;

    say(output, "backing up");
    let backup = step(&project, "backup", Map::new(), output).await?;
    say(output, "dropping the database");
    connect(server, "postgres")
        .await?
        .client
        .batch_execute(&format!("DROP DATABASE {DATABASE} WITH (FORCE)"))
        .await?;
    say(output, "restoring it");
    let parameters = Map::from_iter([("mode".to_owned(), Value::from("create"))]);
    let restore = step(&project, "restore", parameters, output).await?;
    say(output, "verifying the backup");
    let verify = step(&project, "verify", Map::new(), output).await?;

    let after = counts(&connect(server, DATABASE).await?.client).await?;
    if before != after {
        return Err(Failure::corrupt(format!(
            "before {before:?}, after {after:?}"
        )));
    }
    let connection = project.log_connection().await.transpose()?;
    let runs = project
        .log
        .list(10, connection.as_ref().map(|connection| &connection.client))
        .await?;
    let reports = [&migrate, &seed, &backup, &restore, &verify]
        .map(|outcome| project.log.report_path(outcome.record.run_id));
    let document = json!({
        "folder": folder,
        "rows": after,
        "runs": runs.iter().map(|run| json!({"run_id": run.run_id, "job": run.job, "status": run.status})).collect::<Vec<_>>(),
        "reports": reports,
    });
    let log = std::fs::read_to_string(&project.config.log.markdown)
        .map_err(|error| Failure::internal(format!("reading the deployment log: {error}")))?;
    output.result(&document, || {
        format!(
            "{}\n--- DEPLOYMENT_LOG.md\n{log}\nrows before and after: {}\neverything is in {}; the server is gone\n",
            crate::deployment_log::report_text(&restore.record),
            after.iter().map(|(table, rows)| format!("{table} {rows}")).collect::<Vec<_>>().join(", "),
            folder.display(),
        )
    })?;
    Ok(exit::DONE)
}

/// An empty folder: a new one, or that of an earlier demo.
fn prepare(folder: &Path) -> Result<(), Failure> {
    let broken = |error: std::io::Error| {
        Failure::invalid_input(format!("making the folder {}: {error}", folder.display()))
    };
    if folder.exists() {
        if !folder.join(MARK).exists() {
            return Err(Failure::refused(format!(
                "{} is there already, and is no earlier demo's",
                folder.display()
            ))
            .hint("choose another folder: --folder DIR"));
        }
        std::fs::remove_dir_all(folder).map_err(broken)?;
    }
    std::fs::create_dir_all(folder).map_err(broken)?;
    std::fs::write(folder.join(MARK), "").map_err(broken)?;
    std::fs::write(folder.join("orchestrator.toml"), CONFIG).map_err(broken)?;
    let migrations = folder.join("migrations");
    for (name, sql) in MIGRATIONS {
        std::fs::create_dir_all(migrations.join(name)).map_err(broken)?;
        std::fs::write(migrations.join(name).join("migration.sql"), sql).map_err(broken)?;
    }
    std::fs::write(migrations.join("migration_lock.toml"), MIGRATION_LOCK).map_err(broken)?;
    std::fs::create_dir_all(folder.join("seeds")).map_err(broken)?;
    std::fs::write(folder.join("seeds/qconnect.toml"), SEEDS).map_err(broken)
}

async fn open(server: &PrivateServer, folder: &Path) -> Result<Project, Failure> {
    let mut process = ProcessEnvironment::from_process();
    process
        .variables
        .insert("DEMO_DATABASE_URL".to_owned(), server.url(DATABASE));
    let working_folder = std::env::current_dir()
        .map_err(|error| Failure::invalid_input(format!("finding the working folder: {error}")))?;
    let file = folder.join("orchestrator.toml");
    let config = Config::load(&Sources {
        file: Some(&file),
        environment: None,
        working_folder: &working_folder,
        process: &process,
    })?;
    globals::open(config).await
}

async fn connect(server: &PrivateServer, database: &str) -> Result<Connection, Failure> {
    let settings =
        ConnectionSettings::parse(&server.url(database), &ProcessEnvironment::default())?;
    Ok(database::connect(&settings, "orchestrator demo").await?)
}

async fn counts(client: &Client) -> Result<Vec<(&'static str, i64)>, Failure> {
    let mut counts = Vec::new();
    for table in TABLES {
        let row = client
            .query_one(&format!("SELECT count(*) FROM public.\"{table}\""), &[])
            .await?;
        counts.push((table, row.try_get(0)?));
    }
    Ok(counts)
}

async fn step(
    project: &Project,
    plugin: &str,
    parameters: Map<String, Value>,
    output: &Output,
) -> Result<RunOutcome, Failure> {
    let cancel = signals::cancellation()?;
    let outcome = jobs::run(
        project,
        single(plugin, plugin, parameters),
        &cancel,
        &Display::new(output),
    )
    .await?
    .closed()?;
    match (&outcome.failure, outcome.record.status) {
        (None, Status::Succeeded) => Ok(outcome),
        (Some(failure), _) => Err(failure.clone().context(plugin)),
        (None, status) => Err(Failure::internal(format!(
            "the run of {plugin} is {status}"
        ))),
    }
}

fn say(output: &Output, what: &str) {
    if !output.is_quiet() {
        eprintln!("{what}");
    }
}
