//! `orchestrator snapshot`: create, list, pin, unpin, delete, prune, restore.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::backup::prune::{PolicyFlags, ask};
use super::globals::Globals;
use super::output::Output;
use super::restore::parse_time;
use super::run::{run_and_report, single};
use super::{agreement, signals, table};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{Project, RunRequest};
use crate::snapshots::Snapshot;
use crate::text::indented;

#[derive(Debug, Subcommand)]
pub(super) enum SnapshotCommand {
    /// Have a snapshot taken now, and wait until it is whole
    Create(CreateCommand),
    /// List the snapshots of a database's server, newest first
    List(ListCommand),
    /// Keep a snapshot, whatever a policy says, until it is unpinned
    Pin(PinCommand),
    /// Take the pin off a snapshot
    Unpin(UnpinCommand),
    /// Delete snapshots
    Delete(DeleteCommand),
    /// Delete the snapshots of this program that a policy does not keep
    Prune(PruneCommand),
    /// Make a new server of a snapshot, or as the server was at a moment
    Restore(RestoreCommand),
}

#[derive(Debug, Args)]
pub(super) struct CreateCommand {
    /// The database whose server it is of; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// What to call it [default: the server's name, the kind, the time and a part of the run's id]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Why it is taken; stands in the snapshot's name [default: manual]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Look at the server, show what the snapshot would be called, and take none
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// How long to wait for the provider.
#[derive(Debug, Args)]
struct Waiting {
    /// Return as soon as the provider has begun
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for the end [default: 7200]
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct ListCommand {
    /// The database whose server it is; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct PinCommand {
    /// Its name
    snapshot: String,
    /// Who needs it, and until when: up to 256 letters, digits, spaces and _.:/=+-@, which AWS keeps in a tag
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The database whose server it is of; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct UnpinCommand {
    /// Its name
    snapshot: String,
    /// The database whose server it is of; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct DeleteCommand {
    /// Their names
    #[arg(required = true, value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
    /// The database whose server they are of; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// Delete without asking
    #[arg(long, short)]
    yes: bool,
    /// Show what would be deleted
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct PruneCommand {
    #[command(flatten)]
    policy: PolicyFlags,
    /// Only snapshots of this kind [default: of all, each by itself]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// The database whose server they are of; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// Delete without asking
    #[arg(long, short)]
    yes: bool,
    /// Show what would be kept and deleted, and why
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreCommand {
    /// Its name, or latest
    #[arg(default_value = LATEST)]
    snapshot: String,
    /// What to call the new server: the old one stays as it is
    #[arg(long, value_name = "SERVER")]
    to: String,
    /// The database whose server it is; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// The moment to go back to in place of a snapshot, as 2026-01-17T02:00:00Z, or latest
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    at: Option<String>,
    /// How large a machine, as db.r6g.large [default: as the old one]
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// The network that it is in [default: as the old one]
    #[arg(long, value_name = "GROUP")]
    subnet_group: Option<String>,
    /// Who reaches it, as sg-1234; may be repeated [default: as the old one]
    #[arg(long, value_name = "GROUP")]
    security_group: Vec<String>,
    /// PostgreSQL's settings [default: as the old one]
    #[arg(long, value_name = "GROUP")]
    parameter_group: Option<String>,
    /// Show what would be restored, and make no server
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    waiting: Waiting,
}

const LATEST: &str = "latest";

/// In the form that plugins read: UTC, to the second.
fn parse_moment(text: &str) -> Result<String, String> {
    if text == LATEST {
        return Ok(text.to_owned());
    }
    let time = parse_time(text)?;
    Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(super) async fn execute(
    command: SnapshotCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let project = globals.open_project().await?;
    match command {
        SnapshotCommand::Create(command) => {
            let given = [
                ("snapshot", command.name.map(Value::from)),
                ("kind", command.kind.map(Value::from)),
            ];
            let mut request = request("create", command.database, given);
            command.waiting.ask(&mut request);
            request.dry_run = command.dry_run;
            run_and_report(&project, request, output).await
        }
        SnapshotCommand::List(command) => list(&project, command, output).await,
        SnapshotCommand::Pin(command) => {
            let given = [
                ("snapshot", Some(command.snapshot.into())),
                ("reason", Some(command.reason.into())),
            ];
            let request = request("pin", command.database, given);
            run_and_report(&project, request, output).await
        }
        SnapshotCommand::Unpin(command) => {
            let given = [("snapshot", Some(command.snapshot.into()))];
            let request = request("unpin", command.database, given);
            run_and_report(&project, request, output).await
        }
        SnapshotCommand::Delete(command) => {
            let (database, _) = project.config.database(command.database.as_deref())?;
            if !command.dry_run && !command.yes {
                let server = project.server(database.as_str()).await?;
                agreement::delete(
                    &format!("the snapshots of {}", server.name()),
                    &command.snapshots,
                )?;
            }
            let given = [("snapshots", Some(command.snapshots.into()))];
            let mut request = request("delete", Some(database.to_string()), given);
            request.dry_run = command.dry_run;
            run_and_report(&project, request, output).await
        }
        SnapshotCommand::Prune(command) => prune(&project, command, output).await,
        SnapshotCommand::Restore(command) => restore(&project, command, output).await,
    }
}

async fn restore(
    project: &Project,
    command: RestoreCommand,
    output: &Output,
) -> Result<u8, Failure> {
    let named = (command.snapshot != LATEST).then_some(command.snapshot);
    if named.is_some() && command.at.is_some() {
        return Err(
            Failure::invalid_input("both a snapshot and a moment are given")
                .hint("leave the snapshot out, or --at"),
        );
    }
    let text = |value: Option<String>| value.map(Value::from);
    let given = [
        ("snapshot", text(named)),
        ("at", text(command.at)),
        ("server", Some(command.to.into())),
        ("class", text(command.class)),
        ("subnet_group", text(command.subnet_group)),
        ("security_groups", Some(command.security_group.into())),
        ("parameter_group", text(command.parameter_group)),
    ];
    let mut request = request("restore", command.database, given);
    command.waiting.ask(&mut request);
    request.dry_run = command.dry_run;
    run_and_report(project, request, output).await
}

async fn prune(project: &Project, command: PruneCommand, output: &Output) -> Result<u8, Failure> {
    let (database, _) = project.config.database(command.database.as_deref())?;
    let given = [("kind", command.kind.map(Value::from))];
    let mut request = request("prune", Some(database.to_string()), given);
    let parameters: Vec<_> = command.policy.parameters().collect();
    for step in &mut request.steps {
        step.parameters.extend(parameters.clone());
    }
    request.dry_run = command.dry_run;
    if !command.dry_run && !command.yes {
        let server = project.server(database.as_str()).await?;
        let place = format!("the snapshots of {}", server.name());
        ask(&place, "snapshot", &mut request, project).await?;
    }
    run_and_report(project, request, output).await
}

/// A run of the plugin with what was given.
fn request<const N: usize>(
    command: &str,
    database: Option<String>,
    given: [(&str, Option<Value>); N],
) -> RunRequest {
    let database = database.map(Value::from);
    let parameters: Map<String, Value> =
        [("command", Some(command.into())), ("database", database)]
            .into_iter()
            .chain(given)
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect();
    single(&format!("snapshot {command}"), "snapshot", parameters)
}

impl Waiting {
    fn ask(&self, request: &mut RunRequest) {
        for step in &mut request.steps {
            step.parameters
                .insert("wait".to_owned(), (!self.no_wait).into());
            if let Some(seconds) = self.timeout {
                step.parameters.insert("timeout".to_owned(), seconds.into());
            }
        }
    }
}

async fn list(project: &Project, command: ListCommand, output: &Output) -> Result<u8, Failure> {
    let (database, _) = project.config.database(command.database.as_deref())?;
    let server = project.server(database.as_str()).await?;
    let cancel = signals::cancellation()?;
    let found = cancel.run_until_cancelled(server.list()).await;
    let snapshots = found.ok_or_else(Failure::cancelled)??;
    let document = json!({
        "database": database.as_str(),
        "server": server.name(),
        "snapshots": snapshots.iter().map(listed).collect::<Vec<_>>(),
    });
    output.result(&document, || {
        if snapshots.is_empty() {
            return format!("no snapshots of {}", server.name());
        }
        let mut heads = vec!["SNAPSHOT", "STATUS", "TIME", "ENGINE", "DISK", "BY", "RUN"];
        let mut rows: Vec<_> = snapshots.iter().map(row).collect();
        if snapshots.iter().any(|snapshot| snapshot.pin().is_some()) {
            heads.push("PINNED");
            for (snapshot, row) in snapshots.iter().zip(&mut rows) {
                row.push(pinned(snapshot));
            }
        }
        table::table(&heads, &["DISK"], rows)
    })?;
    Ok(exit::DONE)
}

/// The run that a snapshot is of, by its tag.
fn run_of(snapshot: &Snapshot) -> Option<&str> {
    snapshot.tag("orchestrator:run-id")
}

fn pinned(snapshot: &Snapshot) -> String {
    match snapshot.pin() {
        Some("") => "yes".to_owned(),
        Some(reason) => indented(reason),
        None => String::new(),
    }
}

fn row(snapshot: &Snapshot) -> Vec<String> {
    let status = match snapshot.percent {
        Some(percent) if percent < 100 => format!("{} {percent} %", snapshot.status),
        _ => snapshot.status.clone(),
    };
    vec![
        snapshot.name.clone(),
        status,
        snapshot
            .created
            .map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .unwrap_or_default(),
        format!("{} {}", snapshot.engine, snapshot.version),
        table::bytes(u64::from(snapshot.gibibytes) << 30),
        match snapshot.automatic {
            true => "the provider".to_owned(),
            false => "hand".to_owned(),
        },
        run_of(snapshot).unwrap_or_default().to_owned(),
    ]
}

fn listed(snapshot: &Snapshot) -> Value {
    let tags: Map<String, Value> = snapshot
        .tags
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    json!({
        "id": snapshot.name,
        "server": snapshot.server,
        "status": snapshot.status,
        "percent": snapshot.percent,
        "created": snapshot.created.map(|time| time.to_string()),
        "engine": snapshot.engine,
        "version": snapshot.version,
        "gibibytes": snapshot.gibibytes,
        "automatic": snapshot.automatic,
        "encrypted": snapshot.encrypted,
        "pinned": snapshot.pin(),
        "run_id": run_of(snapshot),
        "tags": tags,
    })
}
