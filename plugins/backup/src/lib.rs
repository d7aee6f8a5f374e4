//! Writes one backup of a database into a storage: the catalog becomes a table of contents, each table one object, and the
//! manifest, written last, makes the backup exist.

mod compression;
mod copied_rows;
mod description;
mod guard;
mod large_objects;
mod objects;
mod pages;
mod readers;
mod reuse;
mod table_data;

use archive::layout::{self, BackupFolder, BackupId, BackupKind};
use archive::manifest::{self, Manifest, StoredObject, Totals};
use archive::toc::{Created, Format, Header, Toc};
use catalog::{Dump, Filters, Pattern};
use orchestrator_sdk::{Error, ErrorKind, Operation, run};
use serde::Deserialize;
use serde_json::json;

use compression::Method;
use objects::Objects;
use readers::Readers;

struct Backup;

#[derive(Deserialize)]
struct Parameters {
    database: String,
    storage: String,
    kind: Option<String>,
    jobs: Option<u32>,
    compress: String,
    table: Vec<String>,
    exclude_table: Vec<String>,
    exclude_table_data: Vec<String>,
    schema_only: bool,
    statistics: bool,
    lock_wait_timeout: Option<String>,
    reuse: bool,
}

/// More readers than this help no server, and each holds a connection.
const JOBS_MAX: u32 = 64;

impl Parameters {
    fn filters(&self) -> Result<Filters, Error> {
        let patterns = |texts: &[String]| {
            let patterns = texts.iter().map(|text| Pattern::parse(text));
            patterns
                .collect::<Result<Vec<_>, _>>()
                .map_err(Error::invalid_input)
        };
        Ok(Filters {
            tables: patterns(&self.table)?,
            exclude_tables: patterns(&self.exclude_table)?,
            exclude_table_data: patterns(&self.exclude_table_data)?,
            schema_only: self.schema_only,
            statistics: self.statistics,
        })
    }

    /// As the manifest tells them.
    fn told_filters(&self) -> manifest::Filters {
        manifest::Filters {
            tables: self.table.clone(),
            exclude_tables: self.exclude_table.clone(),
            exclude_table_data: self.exclude_table_data.clone(),
            schema_only: self.schema_only,
            ..manifest::Filters::default()
        }
    }
}

/// What the backup is called. Retention takes the newest of a kind for as good as any other, so none of a part goes by the name of a whole.
fn kind(given: Option<&str>, filters: &manifest::Filters) -> Result<BackupKind, Error> {
    let Some(given) = given else {
        return Ok(match filters.is_whole() {
            true => BackupKind::FULL,
            false => BackupKind::PARTIAL,
        });
    };
    let kind: BackupKind = given
        .parse()
        .map_err(|error| Error::invalid_input(format!("the parameter kind: {error}")))?;
    if kind == BackupKind::FULL && !filters.is_whole() {
        return Err(Error::invalid_input(
            "a backup that leaves something out is not of the kind full",
        )
        .hint("leave out the kind, and it is `partial`; or give it another name, as `schema`; or leave out the filters"));
    }
    Ok(kind)
}

impl Operation for Backup {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<serde_json::Value, Error> {
        let kind = kind(parameters.kind.as_deref(), &parameters.told_filters())?;
        let method: Method = parameters.compress.parse()?;
        if parameters.schema_only && parameters.statistics {
            return Err(Error::invalid_input(
                "schema_only leaves out the rows that statistics are about",
            ));
        }
        let filters = parameters.filters()?;
        if parameters.reuse {
            if filters != Filters::default() {
                return Err(Error::invalid_input(
                    "only plain backups of whole databases are used again: leave filters and statistics out, or reuse",
                ));
            }
            if let Some((folder, manifest)) =
                reuse::usable(&parameters.database, &parameters.storage)?
            {
                run::info(&format!(
                    "nothing was written since the backup {}",
                    folder.id
                ));
                return told(&folder, &manifest, &parameters.storage, true);
            }
        }
        let jobs = parameters.jobs.unwrap_or(1).clamp(1, JOBS_MAX) as usize;
        let begun = run::now();
        let lock_wait = parameters.lock_wait_timeout.as_deref();
        let (readers, dump) = Readers::open(&parameters.database, &filters, lock_wait)?;
        for warning in &dump.warnings {
            run::warn(warning);
        }
        let server = readers.server();
        let folder = BackupFolder {
            database: server.database.clone(),
            id: BackupId::new(begun, kind, run::random()),
        };
        let description = description::read(readers.leader())?;
        let globals = readers.read_globals()?;
        let expected: u64 = dump.tables.iter().map(table_data::expected_bytes).sum();
        run::expect(
            expected,
            (dump.tables.len() + dump.large_objects.len()) as u64,
        );
        if dry_run {
            return Ok(json!({
                "database": server.database,
                "entries": dump.entries.len(),
                "tables": dump.tables.len(),
                "large_objects": dump.large_objects.len(),
                "expected_bytes": expected,
            }));
        }

        let stored = Objects::create(&parameters.storage, &folder.prefix())?;
        run::phase("copying tables");
        let mut objects = copy(readers, jobs, &stored, &dump, method)
            .map_err(|error| on_standby(error, server.in_recovery))?;

        run::phase("writing the table of contents");
        let toc = Toc {
            header: header(method, begun, &server.database, &server.version_text),
            entries: dump.entries,
            data_offsets: Default::default(),
        };
        objects.push(stored.put_bytes(layout::TOC, &toc.write())?);
        objects.push(stored.put_bytes(layout::GLOBALS, globals.as_bytes())?);
        objects.sort_by(|one, other| one.name.cmp(&other.name));
        let totals = Totals::of(&objects)
            .ok_or_else(|| Error::internal("the sizes of the objects are past 64 bits"))?;
        let manifest = Manifest {
            format_version: manifest::FORMAT_VERSION,
            kind: folder.id.kind().clone(),
            backup: folder.id.clone(),
            database: server.database.clone(),
            tool: tool(),
            plugin: manifest::Plugin {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                sha256: None,
            },
            server: manifest::Server {
                version_number: server.version,
                version: server.version_text.clone(),
            },
            snapshot: description.snapshot,
            encoding: description.encoding,
            locale: description.locale,
            extensions: description.extensions,
            roles: dump.roles.into_iter().collect(),
            archive: manifest::ArchiveFormat {
                version: method.archive_version().to_string(),
                compression: method.name().to_owned(),
                level: method.level(),
                encryption: stored.encryption(),
            },
            filters: parameters.told_filters(),
            totals,
            objects,
        };
        stored.publish(&manifest)?;

        told(&folder, &manifest, &parameters.storage, false)
    }
}

/// The result, which is a fact of the run too.
fn told(
    folder: &BackupFolder,
    manifest: &Manifest,
    storage: &str,
    reused: bool,
) -> Result<serde_json::Value, Error> {
    let mut result = json!({
        "id": folder.id.to_string(),
        "prefix": folder.prefix().trim_end_matches('/'),
        "storage": storage,
        "database": manifest.database,
        "tables": manifest.totals.tables,
        "rows": manifest.totals.rows,
        "bytes": manifest.totals.bytes,
        "plain_bytes": manifest.totals.plain_bytes,
        "lsn": manifest.snapshot.lsn,
        "snapshot_time": manifest.snapshot.time,
    });
    if reused {
        result["reused"] = true.into();
    }
    run::fact("backup", &result)?;
    Ok(result)
}

/// Stores the rows and the large objects.
fn copy(
    mut readers: Readers,
    jobs: usize,
    stored: &Objects,
    dump: &Dump,
    method: Method,
) -> Result<Vec<StoredObject>, Error> {
    readers.add(jobs)?;
    let mut objects = table_data::store(&readers, stored, &dump.tables, method)?;
    let large_objects = large_objects::store(&readers, stored, &dump.large_objects, method)?;
    objects.extend(large_objects);
    readers.end()?;
    Ok(objects)
}

/// A standby ends sessions that read what its primary has removed since, and those that hold a lock in its way.
fn on_standby(error: Error, in_recovery: bool) -> Error {
    let conflict = error.sqlstate.as_deref() == Some("40001");
    if !in_recovery || !(conflict || error.kind == ErrorKind::Unavailable) {
        return error;
    }
    error.hint(
        "a standby ends a backup that is in the way of what its primary sends: raise max_standby_streaming_delay (of an archive: \
         max_standby_archive_delay) there, set hot_standby_feedback = on, or back up the primary",
    )
}

fn header(method: Method, begun: u64, database: &str, server_version: &str) -> Header {
    let time = archive::civil_time::CivilTime::from_unix_ms(begun);
    let (year, month, day) = time.date();
    let (hour, minute, second) = time.time();
    Header {
        version: method.archive_version(),
        format: Format::Directory,
        compression: method.of_archive(),
        created: Created {
            sec: second.into(),
            min: minute.into(),
            hour: hour.into(),
            mday: day.into(),
            mon: i32::from(month) - 1,
            year: i32::from(year) - 1900,
            isdst: 0,
        },
        database: Some(database.to_owned()),
        server_version: Some(server_version.to_owned()),
        dumper_version: Some(run::host()),
    }
}

fn tool() -> manifest::Tool {
    let host = run::host();
    let (name, version) = host.split_once(' ').unwrap_or((&host, ""));
    manifest::Tool {
        name: name.to_owned(),
        version: version.to_owned(),
    }
}

orchestrator_sdk::export!(Backup);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_not_called_full() {
        let whole = manifest::Filters::default();
        let part = manifest::Filters {
            exclude_table_data: vec!["logs".to_owned()],
            ..whole.clone()
        };
        for (given, filters, expected) in [
            (None, &whole, Some("full")),
            (None, &part, Some("partial")),
            (Some("full"), &whole, Some("full")),
            (Some("full"), &part, None),
            (Some("pre-migrate"), &part, Some("pre-migrate")),
            (Some("Full"), &whole, None),
        ] {
            let kind = kind(given, filters).ok();
            assert_eq!(kind.as_ref().map(BackupKind::as_str), expected, "{given:?}");
        }
    }
}
