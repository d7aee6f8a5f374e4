//! `orchestrator backup show`: what a backup holds, or all of it as SQL.

use std::collections::BTreeMap;
use std::io::{BufWriter, ErrorKind};

use archive::Toc;
use archive::manifest::Manifest;
use archive::script::Contents;
use clap::Args;
use rustls::crypto::aws_lc_rs;
use serde::Serialize;

use super::{OneBackup, storage_name};
use crate::backups::{self, Backup, ScriptError};
use crate::cli::output::Output;
use crate::cli::table;
use crate::exit;
use crate::failure::Failure;
use crate::jobs::Project;

#[derive(Debug, Args)]
pub(in crate::cli) struct ShowCommand {
    #[command(flatten)]
    which: OneBackup,
    /// Print all of it as a script for psql, as pg_restore -f - does
    #[arg(long)]
    sql: bool,
    /// Of the script, the definitions without the data
    #[arg(long, requires = "sql", conflicts_with = "data_only")]
    schema_only: bool,
    /// Of the script, the data without the definitions
    #[arg(long, requires = "sql")]
    data_only: bool,
}

/// How much there is of one class of objects.
#[derive(Debug, Default, Serialize)]
struct Class {
    class: String,
    count: u64,
    /// Of rows before compression, of anything else the length of its SQL; nobody counted what large objects hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    plain_bytes: Option<u64>,
    /// Of data, as it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

pub(super) async fn execute(
    command: ShowCommand,
    project: &Project,
    output: &Output,
) -> Result<u8, Failure> {
    if command.sql && output.is_json() {
        return Err(
            Failure::invalid_input("--sql prints SQL, which is no JSON document")
                .hint("leave out --output json, or --sql"),
        );
    }
    let storage = project
        .storage(&storage_name(project, command.which.storage.as_deref())?)
        .await?;
    let folder = backups::find(storage.objects.as_ref(), &command.which.backup).await?;
    let backup = Backup::open(storage, folder).await?;
    let toc = backup.toc().await?;
    if command.sql {
        let contents = match (command.schema_only, command.data_only) {
            (true, _) => Contents::Schema,
            (_, true) => Contents::Data,
            _ => Contents::All,
        };
        print_script(&backup, &toc, contents).await?;
        return Ok(exit::DONE);
    }
    let manifest = &backup.manifest;
    let classes = classes(&toc, manifest);
    let internal = |error| Failure::internal(format!("writing JSON: {error}"));
    let mut document = serde_json::to_value(manifest).map_err(internal)?;
    document["contents"] = serde_json::to_value(&classes).map_err(internal)?;
    output.result(&document, || describe(manifest, &classes))?;
    Ok(exit::DONE)
}

async fn print_script(backup: &Backup, toc: &Toc, contents: Contents) -> Result<(), Failure> {
    let mut random = [0; 32];
    aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut random)
        .map_err(|_| Failure::internal("this machine gives no random numbers"))?;
    let mut stdout = BufWriter::with_capacity(256 * 1024, std::io::stdout().lock());
    let key = hex::encode(random);
    match backups::write_script(backup, toc, contents, &key, &mut stdout).await {
        Ok(()) => Ok(()),
        // Whoever read it has had enough: `| head`.
        Err(ScriptError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(ScriptError::Backup(failure)) => Err(failure),
        Err(error @ ScriptError::Output(_)) => Err(Failure::internal(error.to_string())),
    }
}

/// The classes of the archive's entries (`TABLE`, `INDEX`, `TABLE DATA`), in the order of their names.
fn classes(toc: &Toc, manifest: &Manifest) -> Vec<Class> {
    let tables: BTreeMap<u32, (u64, u64)> = manifest
        .objects
        .iter()
        .filter_map(|object| {
            let data = object.table.as_ref()?;
            Some((data.dump_id, (data.plain_bytes, object.bytes)))
        })
        .collect();
    // Large objects are files of their own that only the list of them tells of.
    let stored_large_objects: u64 = manifest
        .objects
        .iter()
        .filter(|object| object.name.starts_with("blob_"))
        .map(|object| object.bytes)
        .sum();
    let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
    for entry in &toc.entries {
        let class = classes.entry(&entry.desc).or_default();
        class.count += 1;
        if let Some((plain_bytes, bytes)) = tables.get(&entry.dump_id) {
            *class.plain_bytes.get_or_insert(0) += plain_bytes;
            *class.bytes.get_or_insert(0) += bytes;
        } else if entry.desc == "BLOBS" {
            class.bytes = Some(stored_large_objects);
        } else {
            let sql = entry.definition.as_ref().map_or(0, String::len);
            *class.plain_bytes.get_or_insert(0) += sql as u64;
        }
    }
    classes
        .into_iter()
        .map(|(name, class)| Class {
            class: name.to_owned(),
            ..class
        })
        .collect()
}

fn describe(manifest: &Manifest, classes: &[Class]) -> String {
    let lines = [
        ("id", manifest.backup.to_string()),
        ("database", manifest.database.clone()),
        ("snapshot", manifest.snapshot.time.clone()),
        (
            "WAL position",
            manifest.snapshot.lsn.clone().unwrap_or_default(),
        ),
        ("server", format!("PostgreSQL {}", manifest.server.version)),
        (
            "made by",
            format!("{} {}", manifest.tool.name, manifest.tool.version),
        ),
        (
            "archive",
            format!(
                "{} {}",
                manifest.archive.version, manifest.archive.compression
            ),
        ),
        (
            "encryption",
            manifest.archive.encryption.map_or("", |_| "age").to_owned(),
        ),
        ("encoding", manifest.encoding.clone()),
        (
            "extensions",
            manifest
                .extensions
                .iter()
                .map(|extension| extension.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("roles", manifest.roles.join(", ")),
        ("stored", table::bytes(manifest.totals.bytes)),
        (
            "before compression",
            table::bytes(manifest.totals.plain_bytes),
        ),
    ];
    let mut text: String = lines
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name:18}  {value}\n"))
        .collect();
    text.push('\n');
    text.push_str(&table::table(
        &["CLASS", "COUNT", "PLAIN", "STORED"],
        &["COUNT", "PLAIN", "STORED"],
        classes
            .iter()
            .map(|class| {
                vec![
                    class.class.clone(),
                    table::count(class.count),
                    class.plain_bytes.map(table::bytes).unwrap_or_default(),
                    class.bytes.map(table::bytes).unwrap_or_default(),
                ]
            })
            .collect(),
    ));
    let rows = manifest
        .objects
        .iter()
        .filter_map(|object| {
            let data = object.table.as_ref()?;
            Some(vec![
                format!("{}.{}", data.schema, data.name),
                table::count(data.rows),
                table::bytes(data.plain_bytes),
                table::bytes(object.bytes),
            ])
        })
        .collect::<Vec<_>>();
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&table::table(
            &["TABLE", "ROWS", "PLAIN", "STORED"],
            &["ROWS", "PLAIN", "STORED"],
            rows,
        ));
    }
    text
}
