//! `orchestrator backup`: create, list, show, verify, prune, pin, unpin, delete.

pub(super) mod prune;
mod show;

use std::collections::BTreeMap;

use archive::layout::BackupFolder;
use archive::manifest::Manifest;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::globals::{Globals, bind_database};
use super::output::Output;
use super::run::{run_and_report, single};
use super::{agreement, table};
use crate::backups::{self, Pin};
use crate::exit;
use crate::failure::{Failure, FailureKind};
use crate::jobs::{Project, StepRequest};
use crate::text::indented;

#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
    /// Back up a database now
    Create(CreateCommand),
    /// List the backups in a storage, newest first
    List(ListCommand),
    /// Show what a backup holds, or print it as SQL
    Show(show::ShowCommand),
    /// Check every byte of a backup against its manifest
    Verify(VerifyCommand),
    /// Delete the backups that a policy does not keep
    Prune(prune::PruneCommand),
    /// Keep a backup, whatever a policy says
    Pin(prune::PinCommand),
    /// Take the pin off a backup
    Unpin(prune::UnpinCommand),
    /// Delete backups
    Delete(DeleteCommand),
}

#[derive(Debug, Args)]
pub(super) struct CreateCommand {
    /// The database to back up; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// Where the backup goes; not needed where there is one storage
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
    /// Connections that read at the same time [default: one for each core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<u32>,
    /// gzip, zstd or none, or with a level: gzip:9, zstd:3 [default: gzip]
    #[arg(long, short = 'Z', value_name = "METHOD[:LEVEL]")]
    compress: Option<String>,
    /// Only tables, views and sequences that match, with nothing but what belongs to them; may be repeated
    #[arg(long, short, value_name = "PATTERN")]
    table: Vec<String>,
    /// All but tables, views and sequences that match; may be repeated
    #[arg(long, short = 'T', value_name = "PATTERN")]
    exclude_table: Vec<String>,
    /// Of tables that match the definition alone; may be repeated
    #[arg(long, value_name = "PATTERN")]
    exclude_table_data: Vec<String>,
    /// Definitions alone: no rows, no positions of sequences, no large objects
    #[arg(long)]
    schema_only: bool,
    /// What the planner knows of the rows, too: a restore into 18 or later needs no ANALYZE
    #[arg(long, conflicts_with = "schema_only")]
    statistics: bool,
    /// Fail when a table stays locked for longer, as 30s [default: wait until it is free]
    #[arg(long, value_name = "TIMEOUT")]
    lock_wait_timeout: Option<String>,
    /// Why it is taken; stands in the backup's name [default: full, or partial where something is left out]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Take the newest backup in its place, when nothing was written since
    #[arg(long, conflicts_with_all = ["table", "exclude_table", "exclude_table_data", "schema_only", "statistics"])]
    reuse: bool,
    /// Read the catalog, show what would be stored, and store nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListCommand {
    /// Only backups of this database, by its name on the server or its binding
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// The storage; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct OneBackup {
    /// latest, an id, the last part of an id, or DATABASE/ and one of these
    #[arg(default_value = "latest")]
    backup: String,
    /// The storage; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct VerifyCommand {
    #[command(flatten)]
    which: OneBackup,
    /// Objects that are read at the same time [default: one for each core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<u32>,
    /// Then restore it into a scratch database, compare all rows with the backup, and drop that database
    #[arg(long, requires = "on")]
    deep: bool,
    /// The server to do that on: a binding, or a URL
    #[arg(long, value_name = "DATABASE|URL", requires = "deep")]
    on: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DeleteCommand {
    /// Ids, or last parts of ids
    #[arg(required = true)]
    backups: Vec<String>,
    /// The storage; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
    /// Delete without asking
    #[arg(long, short)]
    yes: bool,
    /// Show what would be deleted
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn execute(
    command: BackupCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let mut config = globals.load_config()?;
    let scratch_server = match &command {
        BackupCommand::Verify(VerifyCommand { on: Some(on), .. }) => {
            Some(bind_database(&mut config, on)?)
        }
        _ => None,
    };
    let project = globals.open(config).await?;
    match command {
        BackupCommand::Create(command) => create(command, &project, output).await,
        BackupCommand::List(command) => list(command, &project, output).await,
        BackupCommand::Show(command) => show::execute(command, &project, output).await,
        BackupCommand::Verify(command) => verify(command, scratch_server, &project, output).await,
        BackupCommand::Prune(command) => prune::prune(command, &project, output).await,
        BackupCommand::Pin(command) => prune::pin(command, &project, output).await,
        BackupCommand::Unpin(command) => prune::unpin(command, &project, output).await,
        BackupCommand::Delete(command) => delete(command, &project, output).await,
    }
}

async fn create(command: CreateCommand, project: &Project, output: &Output) -> Result<u8, Failure> {
    let mut parameters = Map::new();
    let given = [
        ("database", command.database.map(Value::from)),
        ("storage", command.storage.map(Value::from)),
        ("jobs", command.jobs.map(Value::from)),
        ("compress", command.compress.map(Value::from)),
        ("kind", command.kind.map(Value::from)),
        (
            "lock_wait_timeout",
            command.lock_wait_timeout.map(Value::from),
        ),
    ];
    parameters.extend(
        given
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?))),
    );
    for (name, patterns) in [
        ("table", command.table),
        ("exclude_table", command.exclude_table),
        ("exclude_table_data", command.exclude_table_data),
    ] {
        parameters.insert(name.to_owned(), patterns.into());
    }
    for (name, given) in [
        ("schema_only", command.schema_only),
        ("statistics", command.statistics),
        ("reuse", command.reuse),
    ] {
        parameters.insert(name.to_owned(), given.into());
    }
    let mut request = single("backup", "backup", parameters);
    request.dry_run = command.dry_run;
    run_and_report(project, request, output).await
}

/// The storage that is named, or the only one.
pub(super) fn storage_name(project: &Project, named: Option<&str>) -> Result<String, Failure> {
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    let mut names = project.config.storage.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => Ok(only.to_string()),
        (None, _) => Err(Failure::invalid_input("the configuration names no storage")
            .hint("add [storage.main] with a url, or set DATABASE_URL and let backups/ serve")),
        (Some(_), Some(_)) => Err(Failure::invalid_input(
            "the configuration names several storages",
        )
        .hint("say which one: --storage")),
    }
}

async fn list(command: ListCommand, project: &Project, output: &Output) -> Result<u8, Failure> {
    let storage = project
        .storage(&storage_name(project, command.storage.as_deref())?)
        .await?;
    // A binding's name stands for the database that it leads to.
    let database = command
        .database
        .map(|name| match project.config.databases.get(name.as_str()) {
            Some(binding) => binding.settings.database.clone(),
            None => name,
        });
    let folders = backups::list(storage.objects.as_ref(), database.as_deref()).await?;
    let described = backups::manifests(&storage, folders).await;
    let pins = backups::pins(storage.objects.as_ref()).await?;
    let damaged = described
        .iter()
        .any(|(_, manifest)| matches!(manifest, Err(failure) if !is_locked(failure)));
    let document = json!({
        "storage": storage.objects.location(),
        "backups": described.iter().map(|(folder, manifest)| {
            let mut listed = listed(folder, manifest);
            if let Some(pin) = pins.get(folder) {
                listed["pinned"] = json!(pin);
            }
            listed
        }).collect::<Vec<_>>(),
    });
    output.result(&document, || {
        if described.is_empty() {
            return format!("no backups in {}", storage.objects.location());
        }
        let rows = described
            .iter()
            .map(|(folder, manifest)| row(folder, manifest, &pins))
            .collect();
        let mut heads = vec!["ID", "DATABASE", "SERVER", "TABLES", "ROWS", "SIZE"];
        if !pins.is_empty() {
            heads.push("PINNED");
        }
        table::table(&heads, &["TABLES", "ROWS", "SIZE"], rows)
    })?;
    Ok(if damaged { exit::WARNINGS } else { exit::DONE })
}

fn row(
    folder: &BackupFolder,
    manifest: &Result<Manifest, Failure>,
    pins: &BTreeMap<BackupFolder, Pin>,
) -> Vec<String> {
    let mut row = described(folder, manifest);
    if !pins.is_empty() {
        row.resize(6, String::new());
        row.push(match pins.get(folder) {
            Some(pin) if pin.reason.is_empty() => "yes".to_owned(),
            Some(pin) => indented(&pin.reason),
            None => String::new(),
        });
    }
    row
}

fn described(folder: &BackupFolder, manifest: &Result<Manifest, Failure>) -> Vec<String> {
    let id = folder.id.to_string();
    match manifest {
        Ok(manifest) => vec![
            id,
            folder.database.clone(),
            manifest.server.version.clone(),
            table::count(manifest.totals.tables),
            table::count(manifest.totals.rows),
            table::bytes(manifest.totals.bytes),
        ],
        Err(failure) if is_locked(failure) => {
            vec![id, folder.database.clone(), "encrypted".to_owned()]
        }
        Err(failure) => vec![id, folder.database.clone(), format!("damaged: {failure}")],
    }
}

/// Encrypted, and this machine has no identity that reads it: nothing is wrong with it.
fn is_locked(failure: &Failure) -> bool {
    failure.kind == FailureKind::InvalidInput
}

fn listed(folder: &BackupFolder, manifest: &Result<Manifest, Failure>) -> Value {
    match manifest {
        Ok(manifest) => json!({
            "id": folder.id.to_string(),
            "database": folder.database,
            "kind": manifest.kind,
            "time": manifest.snapshot.time,
            "server_version": manifest.server.version,
            "tables": manifest.totals.tables,
            "rows": manifest.totals.rows,
            "bytes": manifest.totals.bytes,
            "plain_bytes": manifest.totals.plain_bytes,
            "encrypted": manifest.archive.encryption.is_some(),
        }),
        Err(failure) if is_locked(failure) => {
            json!({ "id": folder.id.to_string(), "database": folder.database, "encrypted": true })
        }
        Err(failure) => {
            json!({ "id": folder.id.to_string(), "database": folder.database, "error": failure })
        }
    }
}

async fn verify(
    command: VerifyCommand,
    scratch_server: Option<String>,
    project: &Project,
    output: &Output,
) -> Result<u8, Failure> {
    let name = storage_name(project, command.which.storage.as_deref())?;
    let mut backup = command.which.backup;
    if scratch_server.is_some() {
        // Found once, so that both steps look at the same one. What is not found is for the run to say.
        let storage = project.storage(&name).await?;
        if let Ok(folder) = backups::find(storage.objects.as_ref(), &backup).await {
            backup = folder.prefix().trim_end_matches('/').to_owned();
        }
    }
    let mut parameters = Map::new();
    parameters.insert("storage".to_owned(), name.into());
    parameters.insert("backup".to_owned(), backup.into());
    if let Some(jobs) = command.jobs {
        parameters.insert("jobs".to_owned(), jobs.into());
    }
    let mut request = single("verify", "verify", parameters.clone());
    if let Some(server) = scratch_server {
        parameters.insert("database".to_owned(), server.into());
        parameters.insert("mode".to_owned(), "check".into());
        // Whose it was and who may see it says nothing about the data, and that server need not know those roles.
        for flag in [
            "no_owner",
            "no_privileges",
            "no_security_labels",
            "no_tablespaces",
        ] {
            parameters.insert(flag.to_owned(), true.into());
        }
        request.steps.push(StepRequest {
            plugin: "restore".to_owned(),
            parameters,
        });
    }
    run_and_report(project, request, output).await
}

async fn delete(command: DeleteCommand, project: &Project, output: &Output) -> Result<u8, Failure> {
    let name = storage_name(project, command.storage.as_deref())?;
    let storage = project.storage(&name).await?;
    let mut prefixes = Vec::new();
    for selector in &command.backups {
        let folder = backups::find(storage.objects.as_ref(), selector).await?;
        prefixes.push(folder.prefix().trim_end_matches('/').to_owned());
    }
    if !command.dry_run && !command.yes {
        agreement::delete(&storage.objects.location(), &prefixes)?;
    }
    let mut parameters = Map::new();
    parameters.insert("storage".to_owned(), name.into());
    parameters.insert("backups".to_owned(), prefixes.into());
    let mut request = single("prune", "prune", parameters);
    request.dry_run = command.dry_run;
    run_and_report(project, request, output).await
}
