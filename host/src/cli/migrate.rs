//! `orchestrator migrate`: new, status, deploy, resolve, reset, baseline, down.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use migrations::folder;
use serde_json::{Map, Value, json};

use super::globals::Globals;
use super::output::Output;
use super::run::{ConsentFlags, run_and_report, single};
use super::{signals, table};
use crate::exit;
use crate::failure::Failure;
use crate::jobs::{self, Project, RunRequest, Silent, StepRequest};

#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    /// Write the folder of a new migration
    New(NewCommand),
    /// Tell where the migrations stand; exit code 6 when some are pending
    Status(StatusCommand),
    /// Apply what is pending
    Deploy(DeployCommand),
    /// Settle a migration that failed
    Resolve(ResolveCommand),
    /// Drop everything in a local database, apply all migrations, and write the seeds
    Reset(ResetCommand),
    /// Declare migrations as applied to a database that has them already
    Baseline(BaselineCommand),
    /// Take back the newest migrations by their down.sql
    Down(DownCommand),
}

/// What is migrated, and from where.
#[derive(Clone, Debug, Args)]
pub(super) struct WhereFlags {
    /// The database; not needed where there is one
    #[arg(long, short, value_name = "DATABASE")]
    database: Option<String>,
    /// The folder of migrations, in Prisma's layout [default: `folder` under [migrations]]
    #[arg(long, value_name = "FOLDER")]
    migrations: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct StatusCommand {
    #[command(flatten)]
    place: WhereFlags,
    /// Also list what is applied, as --output json does
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct NewCommand {
    /// What it does, in a few words
    name: String,
    /// The folder of migrations, in Prisma's layout [default: `folder` under [migrations]]
    #[arg(long, value_name = "FOLDER")]
    migrations: Option<PathBuf>,
    /// Also a down.sql, which takes it back
    #[arg(long)]
    with_down: bool,
}

#[derive(Debug, Args)]
pub(super) struct DeployCommand {
    #[command(flatten)]
    place: WhereFlags,
    /// The last migration to apply [default: all]
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// What to do with migrations whose names come before those of applied ones
    #[arg(long, value_enum, default_value_t = OutOfOrder::Refuse)]
    out_of_order: OutOfOrder,
    /// An applied migration whose file may be another by now; may be repeated
    #[arg(long, value_name = "NAME")]
    allow_edited: Vec<String>,
    /// Applied migrations may have other comments by now
    #[arg(long)]
    allow_comment_edits: bool,
    /// How long a statement waits for a table before it lets others pass and tries again [default: 2s]
    #[arg(long, value_name = "TIME")]
    lock_timeout: Option<String>,
    /// How often it tries [default: 10]
    #[arg(long, value_name = "N")]
    lock_attempts: Option<u32>,
    /// How long a statement may take [default: as long as it takes]
    #[arg(long, value_name = "TIME")]
    statement_timeout: Option<String>,
    /// Seconds to wait for another deployment to end [default: 10]
    #[arg(long, value_name = "SECONDS")]
    lock_wait: Option<u32>,
    /// Apply them in a transaction that is rolled back, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    after: AfterBackup,
}

/// What production asks for before its schema is changed.
#[derive(Clone, Debug, Args)]
pub(super) struct AfterBackup {
    /// A backup of this database that is verified first: what production asks for
    #[arg(long, value_name = "ID")]
    after_backup: Option<String>,
    /// Where that backup is; not needed where there is one storage
    #[arg(long, short, value_name = "STORAGE", requires = "after_backup")]
    storage: Option<String>,
    /// In its place, a snapshot by AWS RDS that is looked at first
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "after_backup")]
    after_snapshot: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ResetCommand {
    #[command(flatten)]
    place: WhereFlags,
    /// Do not write the seeds afterwards
    #[arg(long)]
    skip_seed: bool,
    /// Show what would be dropped
    #[arg(long)]
    dry_run: bool,
    /// Agree to it, without being asked
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct BaselineCommand {
    #[command(flatten)]
    place: WhereFlags,
    /// The last migration that is in the database [default: all]
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Show what would be declared
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct DownCommand {
    #[command(flatten)]
    place: WhereFlags,
    /// The last migration to keep [default: all but the newest]
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Take them back in a transaction that is rolled back
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    after: AfterBackup,
    #[command(flatten)]
    consent: ConsentFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OutOfOrder {
    Refuse,
    Warn,
    Allow,
}

impl OutOfOrder {
    fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Warn => "warn",
            Self::Allow => "allow",
        }
    }
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false, id = "resolution")]
pub(super) struct ResolveCommand {
    /// It is in the database all the same
    #[arg(long, value_name = "NAME", group = "resolution")]
    applied: Option<String>,
    /// Its changes were taken back: the next deployment applies it again
    #[arg(long, value_name = "NAME", group = "resolution")]
    rolled_back: Option<String>,
    #[command(flatten)]
    place: WhereFlags,
}

pub(super) async fn execute(
    command: MigrateCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    match command {
        MigrateCommand::New(command) => new(&command, globals, output),
        MigrateCommand::Status(command) => {
            let project = open(globals, &command.place).await?;
            status(&project, &command, output).await
        }
        MigrateCommand::Deploy(command) => {
            let project = open(globals, &command.place).await?;
            let text = |value: Option<String>| value.map(Value::from);
            let number = |value: Option<u32>| value.map(Value::from);
            let mut request = request(
                "deploy",
                &command.place,
                [
                    ("out_of_order", Some(command.out_of_order.name().into())),
                    ("allow_edited", Some(command.allow_edited.into())),
                    (
                        "allow_comment_edits",
                        Some(command.allow_comment_edits.into()),
                    ),
                    ("to", text(command.to)),
                    ("lock_timeout", text(command.lock_timeout)),
                    ("lock_attempts", number(command.lock_attempts)),
                    ("statement_timeout", text(command.statement_timeout)),
                    ("lock_wait", number(command.lock_wait)),
                ],
            );
            request.dry_run = command.dry_run;
            verify_first(&project, &mut request, &command.place, &command.after)?;
            run_and_report(&project, request, output).await
        }
        MigrateCommand::Reset(command) => {
            let project = open(globals, &command.place).await?;
            if !command.yes && !command.dry_run {
                return Err(Failure::invalid_input(
                    "this drops everything in the database: nothing was done",
                )
                .hint("look at --dry-run, then agree with --yes"));
            }
            let mut request = request("reset", &command.place, []);
            request.dry_run = command.dry_run;
            // A dry run has dropped nothing that seeds could be written into.
            if !command.skip_seed && !command.dry_run && project.config.seeds.is_dir() {
                request.steps.push(StepRequest {
                    plugin: "seed".to_owned(),
                    parameters: Map::new(),
                });
            }
            run_and_report(&project, request, output).await
        }
        MigrateCommand::Baseline(command) => {
            let project = open(globals, &command.place).await?;
            let to = command.to.map(Value::from);
            let mut request = request("baseline", &command.place, [("to", to)]);
            request.dry_run = command.dry_run;
            run_and_report(&project, request, output).await
        }
        MigrateCommand::Down(command) => {
            let project = open(globals, &command.place).await?;
            let to = command.to.map(Value::from);
            let mut request = request("down", &command.place, [("to", to)]);
            request.dry_run = command.dry_run;
            request.consent = command.consent.into();
            verify_first(&project, &mut request, &command.place, &command.after)?;
            run_and_report(&project, request, output).await
        }
        MigrateCommand::Resolve(command) => {
            let project = open(globals, &command.place).await?;
            let request = request(
                "resolve",
                &command.place,
                [
                    ("applied", command.applied.map(Value::from)),
                    ("rolled_back", command.rolled_back.map(Value::from)),
                ],
            );
            run_and_report(&project, request, output).await
        }
    }
}

/// A run of the plugin with what was given.
fn request<const N: usize>(
    command: &str,
    place: &WhereFlags,
    given: [(&str, Option<Value>); N],
) -> RunRequest {
    let database = place.database.as_deref().map(Value::from);
    let given = [("command", Some(command.into())), ("database", database)]
        .into_iter()
        .chain(given);
    let parameters = given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    single("migrate", "migrate", parameters)
}

/// Puts a step before the migration that reads the named backup back, or looks at the named snapshot.
fn verify_first(
    project: &Project,
    request: &mut RunRequest,
    place: &WhereFlags,
    after: &AfterBackup,
) -> Result<(), Failure> {
    let (name, binding) = match (&after.after_backup, &after.after_snapshot) {
        (None, None) => return Ok(()),
        _ => project.config.database(place.database.as_deref())?,
    };
    let mut parameters = Map::new();
    let mut set = |name: &str, value: &str| parameters.insert(name.to_owned(), value.into());
    let plugin = if let Some(id) = &after.after_backup {
        match id.contains('/') {
            true => set("backup", id),
            false => set("backup", &format!("{}/{id}", binding.settings.database)),
        };
        if let Some(storage) = &after.storage {
            set("storage", storage);
        }
        "verify"
    } else {
        set("command", "verify");
        set("database", name.as_str());
        set(
            "snapshot",
            after.after_snapshot.as_deref().unwrap_or_default(),
        );
        "snapshot"
    };
    if plugin == "verify" {
        parameters.insert("whole".to_owned(), true.into());
    }
    request.steps.insert(
        0,
        StepRequest {
            plugin: plugin.to_owned(),
            parameters,
        },
    );
    Ok(())
}

async fn open(globals: &Globals, place: &WhereFlags) -> Result<Project, Failure> {
    let mut config = globals.load_config()?;
    if let Some(folder) = &place.migrations {
        config.migrations.folder = absolute(folder)?;
    }
    globals.open(config).await
}

fn absolute(folder: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(folder)
        .map_err(|error| Failure::invalid_input(format!("{}: {error}", folder.display())))
}

/// Looked at, and not recorded: nothing is changed.
async fn status(
    project: &Project,
    command: &StatusCommand,
    output: &Output,
) -> Result<u8, Failure> {
    let all = command.all || output.is_json();
    let mut request = request("status", &command.place, [("all", Some(all.into()))]);
    request.dry_run = true;
    let outcome = jobs::run(project, request, &signals::cancellation()?, &Silent)
        .await?
        .closed()?;
    if let Some(failure) = outcome.failure {
        return Err(failure);
    }
    let result = outcome
        .record
        .steps
        .first()
        .and_then(|step| step.result.clone());
    let result = result.unwrap_or_default();
    if output.is_json() || !output.is_quiet() {
        output.result(&result, || described(&result))?;
    }
    let any = |key: &str| {
        result[key]
            .as_array()
            .is_some_and(|names| !names.is_empty())
    };
    Ok(match (any("failed"), any("pending")) {
        (true, _) => exit::FAILED,
        (_, true) => exit::BEHIND,
        _ => exit::DONE,
    })
}

fn described(result: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let migrations = result["migrations"].as_array();
    let rows: Vec<Vec<String>> = migrations
        .into_iter()
        .flatten()
        .map(|migration| {
            vec![
                text(&migration["name"]),
                text(&migration["standing"]),
                text(&migration["finished_at"]),
                text(&migration["note"]),
            ]
        })
        .collect();
    let count = |key: &str| result[key].as_array().map_or(0, Vec::len);
    let applied = result["applied"].as_u64().unwrap_or_default();
    let mut shown = match rows.is_empty() {
        true => String::new(),
        false => table::table(&["MIGRATION", "STANDS", "SINCE", ""], &[], rows),
    };
    if let Some(newest) = result["newest_applied"].as_str() {
        shown.push_str(&format!(
            "{} applied, {newest} the last of them\n",
            table::count(applied)
        ));
    }
    shown.push_str(&match (count("failed"), count("pending")) {
        (0, 0) => "the database is up to date\n".to_owned(),
        (0, pending) => {
            format!("{pending} to apply: `orchestrator migrate deploy`\n")
        }
        (failed, _) => {
            format!("{failed} failed: `orchestrator migrate resolve --rolled-back NAME` or `--applied NAME`\n")
        }
    });
    shown
}

fn new(command: &NewCommand, globals: &Globals, output: &Output) -> Result<u8, Failure> {
    let root = match &command.migrations {
        Some(folder) => absolute(folder)?,
        None => globals.load_config()?.migrations.folder,
    };
    let time = Timestamp::now().strftime("%Y%m%d%H%M%S").to_string();
    let name = folder::new_name(&time, &command.name);
    if name.ends_with('_') {
        return Err(Failure::invalid_input(format!(
            "{:?} has no letter or digit to name a migration by",
            command.name
        )));
    }
    let path = root.join(&name);
    let failed = |error: std::io::Error| {
        Failure::invalid_input(format!("writing {}: {error}", path.display()))
    };
    fs::create_dir_all(&root).map_err(failed)?;
    let lock = root.join("migration_lock.toml");
    if !lock.exists() {
        fs::write(&lock, folder::LOCK).map_err(failed)?;
    }
    fs::create_dir(&path).map_err(failed)?;
    let notes = "-- change: \n-- rollback: \n-- verify: \n\n";
    fs::write(path.join("migration.sql"), notes).map_err(failed)?;
    if command.with_down {
        fs::write(path.join("down.sql"), "").map_err(failed)?;
    }
    let script = path.join("migration.sql");
    let document = json!({ "name": name, "script": script });
    output.result(&document, || format!("{}\n", script.display()))?;
    Ok(exit::DONE)
}
