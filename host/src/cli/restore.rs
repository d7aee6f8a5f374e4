//! `orchestrator restore`: from a configured storage, or from any address with nothing but its credentials.

use clap::Args;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::backup::storage_name;
use super::globals::{Globals, bind_database};
use super::output::Output;
use super::run::{ConsentFlags, run_and_report, single};
use crate::backups;
use crate::config::{Config, Name, StorageBinding, StorageLocation};
use crate::failure::Failure;
use crate::jobs::{Project, open_storage};

#[derive(Debug, Args)]
pub(super) struct RestoreCommand {
    /// latest, an id, DATABASE/ and one of these, or the address of a backup, of a storage or of an archive that pg_dump -Fc or -Fd
    /// wrote: s3://bucket/prefix, a folder, a file
    #[arg(value_name = "BACKUP")]
    backup: String,
    /// The database to restore into: a binding, or a URL
    #[arg(long, value_name = "DATABASE|URL")]
    to: String,
    /// The storage that holds the backup; not needed where there is one
    #[arg(long, short, value_name = "STORAGE")]
    storage: Option<String>,
    /// The newest backup whose data is not newer than this, as 2026-01-17T02:00:00Z or 2026-01-17 04:00+02
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    at: Option<Timestamp>,
    /// Connections that write at the same time [default: one for each core]
    #[arg(long, short, value_name = "N")]
    jobs: Option<u32>,
    /// Create the database first
    #[arg(long, short = 'C', conflicts_with_all = ["clean", "swap"])]
    create: bool,
    /// Drop what the backup holds from the database first
    #[arg(long, short, conflicts_with = "swap")]
    clean: bool,
    /// Restore beside the database, compare with the backup, and put it in the database's place, which is kept under another name
    #[arg(long, conflicts_with_all = ["table", "schema_only", "data_only", "keep_going", "resume"])]
    swap: bool,
    /// Continue a restore of the same backup that was cut, without touching what is done
    #[arg(long, conflicts_with = "data_only")]
    resume: bool,
    /// Restore what can be, name what could not, and fail at the end
    #[arg(long)]
    keep_going: bool,
    /// First create the roles of the backup that the server lacks, without passwords
    #[arg(long)]
    globals: bool,
    /// Only definitions
    #[arg(long, conflicts_with = "data_only")]
    schema_only: bool,
    /// Only data
    #[arg(long, short = 'a')]
    data_only: bool,
    /// Only tables that match; may be repeated
    #[arg(long, short, value_name = "PATTERN")]
    table: Vec<String>,
    /// Whoever restores owns everything
    #[arg(long, short = 'O')]
    no_owner: bool,
    /// No GRANT and no REVOKE
    #[arg(long, short = 'x', visible_alias = "no-acl")]
    no_privileges: bool,
    /// No SECURITY LABEL: for a server that has not loaded the provider of the labels
    #[arg(long)]
    no_security_labels: bool,
    /// Everything goes to the database's default tablespace
    #[arg(long)]
    no_tablespaces: bool,
    /// Gather the planner's statistics of the restored tables at the end
    #[arg(long)]
    analyze: bool,
    /// Don't read the whole backup before anything is changed; each byte is still checked as it is loaded
    #[arg(long)]
    skip_verify: bool,
    /// Show the plan and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    consent: ConsentFlags,
}

/// What the binding made from an address is called.
const SOURCE: &str = "source";

pub(super) async fn execute(
    command: RestoreCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let located = is_location(&command.backup);
    let mut config = globals.load_config()?;
    let database = bind_database(&mut config, &command.to)?;
    let (storage, selector) = if located {
        let (storage, selector) = split(&command.backup).await?;
        (add_source(&mut config, &storage)?, selector)
    } else {
        (String::new(), command.backup.clone())
    };
    let project = globals.open(config).await?;
    let storage = match storage.is_empty() {
        true => storage_name(&project, command.storage.as_deref())?,
        false => storage,
    };

    let selector = match command.at {
        Some(at) => newest_before(&project, &storage, &selector, at).await?,
        None => selector,
    };

    let mut parameters = Map::new();
    let mode = match (command.create, command.clean, command.swap) {
        (true, _, _) => "create",
        (_, true, _) => "clean",
        (_, _, true) => "swap",
        _ => "into-empty",
    };
    for (name, value) in [
        ("database", database),
        ("storage", storage),
        ("backup", selector),
        ("mode", mode.to_owned()),
    ] {
        parameters.insert(name.to_owned(), value.into());
    }
    let flags = [
        ("schema_only", command.schema_only),
        ("data_only", command.data_only),
        ("no_owner", command.no_owner),
        ("no_privileges", command.no_privileges),
        ("no_security_labels", command.no_security_labels),
        ("no_tablespaces", command.no_tablespaces),
        ("analyze", command.analyze),
        ("skip_verify", command.skip_verify),
        ("resume", command.resume),
        ("keep_going", command.keep_going),
        ("globals", command.globals),
    ];
    for (name, value) in flags {
        parameters.insert(name.to_owned(), Value::from(value));
    }
    parameters.insert("table".to_owned(), command.table.into());
    if let Some(jobs) = command.jobs {
        parameters.insert("jobs".to_owned(), jobs.into());
    }
    let mut request = single("restore", "restore", parameters);
    request.dry_run = command.dry_run;
    request.consent = command.consent.into();
    run_and_report(&project, request, output).await
}

/// A time with its zone, or in UTC.
pub(super) fn parse_time(text: &str) -> Result<Timestamp, String> {
    let zoned = text.parse::<Timestamp>();
    let utc = || text.parse::<DateTime>()?.to_zoned(TimeZone::UTC);
    zoned
        .or_else(|_| utc().map(|time| time.timestamp()))
        .map_err(|error| error.to_string())
}

/// `latest`, or `DATABASE/latest`, as it was at a time.
async fn newest_before(
    project: &Project,
    storage: &str,
    selector: &str,
    at: Timestamp,
) -> Result<String, Failure> {
    let database = match selector {
        "latest" => None,
        other => Some(other.strip_suffix("/latest").ok_or_else(|| {
            Failure::invalid_input("--at chooses a backup, and another one is named")
                .hint("write latest, or DATABASE/latest, or leave --at out")
        })?),
    };
    let storage = project.storage(storage).await?;
    backups::newest_before(&storage, database, at).await
}

/// An address, rather than the id of a backup: a URL, or a folder or a file that is there.
fn is_location(text: &str) -> bool {
    text.contains("://") || text.starts_with("file:") || std::path::Path::new(text).exists()
}

/// The storage behind an address, and what to look for there.
async fn split(address: &str) -> Result<(String, String), Failure> {
    let absolute = match address.contains("://") || address.starts_with("file:") {
        true => address.to_owned(),
        false => std::path::absolute(address)
            .map_err(|error| Failure::invalid_input(format!("{address}: {error}")))?
            .to_string_lossy()
            .into_owned(),
    };
    let open = async |location: &str| open_storage(&storage_at(location)?).await;
    match backups::split_stock_location(&absolute, open).await? {
        Some(stock) => Ok(stock),
        None => Ok(backups::split_location(&absolute)),
    }
}

fn storage_at(location: &str) -> Result<StorageBinding, Failure> {
    let folder = std::env::current_dir()
        .map_err(|error| Failure::invalid_input(format!("finding the working folder: {error}")))?;
    Ok(StorageBinding::at(StorageLocation::parse(
        location, &folder,
    )?))
}

fn add_source(config: &mut Config, location: &str) -> Result<String, Failure> {
    config
        .storage
        .insert(SOURCE.parse::<Name>()?, storage_at(location)?);
    Ok(SOURCE.to_owned())
}
