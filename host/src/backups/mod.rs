//! The backups that lie in a storage: listed, chosen by what people type, described by their manifests.

mod backup;
mod pins;
mod script;

use archive::layout::{BackupFolder, BackupId, MANIFESTS, TOC, escape_database, unescape_database};
use archive::manifest::Manifest;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::capabilities::BoundStorage;
use crate::failure::{Failure, FailureKind};
use crate::storage::{Key, Storage};

pub use backup::{Backup, manifest};
pub use pins::{Pin, pin, pins, unpin};
pub use script::{ScriptError, write_script};

/// Manifests that are read or looked for at once.
const AT_ONCE: usize = 16;

/// All whole backups, by database, the newest first. Folders without a manifest are no backups.
pub async fn list(
    storage: &dyn Storage,
    database: Option<&str>,
) -> Result<Vec<BackupFolder>, Failure> {
    let databases = match database {
        Some(database) => vec![escape_database(database)],
        None => storage.folders("").await?,
    };
    let mut candidates = Vec::new();
    for escaped in databases {
        candidates.extend(folders(storage, &escaped).await?);
    }
    let mut whole: Vec<BackupFolder> = stream::iter(candidates)
        .map(|folder| async move {
            let key = manifest_key(storage, &folder.prefix()).await?;
            Ok::<_, Failure>(key.map(|_| folder))
        })
        .buffer_unordered(AT_ONCE)
        .try_filter_map(|folder| async move { Ok(folder) })
        .try_collect()
        .await?;
    whole.sort();
    Ok(whole)
}

/// The newest whole backup of each database: two questions to the storage for each, and one more for each unfinished backup that is newer.
pub async fn newest(storage: &dyn Storage) -> Result<Vec<BackupFolder>, Failure> {
    let mut found = Vec::new();
    for escaped in storage.folders("").await? {
        let mut candidates = folders(storage, &escaped).await?;
        candidates.sort();
        for folder in candidates {
            if manifest_key(storage, &folder.prefix()).await?.is_some() {
                found.push(folder);
                break;
            }
        }
    }
    Ok(found)
}

/// What looks like a backup below the folder of a database. A folder that is none of ours is not our business.
async fn folders(storage: &dyn Storage, escaped: &str) -> Result<Vec<BackupFolder>, Failure> {
    let Ok(database) = unescape_database(escaped) else {
        return Ok(Vec::new());
    };
    let names = storage.folders(&format!("{escaped}/")).await?;
    let folder = |name: String| {
        let id = name.parse::<BackupId>().ok()?;
        Some(BackupFolder {
            database: database.clone(),
            id,
        })
    };
    Ok(names.into_iter().filter_map(folder).collect())
}

/// When a backup was begun.
pub fn begun(folder: &BackupFolder) -> Result<Timestamp, Failure> {
    time_of(&folder.id.created().to_string())
}

/// The manifest that makes the backup below a prefix exist; encrypted when its name ends in `.age`.
pub async fn manifest_key(storage: &dyn Storage, prefix: &str) -> Result<Option<Key>, Failure> {
    for name in MANIFESTS {
        let key = Key::parse(&format!("{}/{name}", prefix.trim_end_matches('/')))?;
        if storage.head(&key).await?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

/// The manifests of many backups, in their order; a damaged one is an error of its own.
pub async fn manifests(
    storage: &BoundStorage,
    folders: Vec<BackupFolder>,
) -> Vec<(BackupFolder, Result<Manifest, Failure>)> {
    stream::iter(folders)
        .map(|folder| async move {
            let manifest = manifest(storage, &folder).await;
            (folder, manifest)
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

/// Finds one backup by `latest`, an id, the last part of an id, or any of these behind `DATABASE/`.
pub async fn find(storage: &dyn Storage, selector: &str) -> Result<BackupFolder, Failure> {
    let selector = selector.trim_matches('/');
    let (database, wanted) = match selector.rsplit_once('/') {
        Some((database, wanted)) => (
            Some(unescape_database(database).unwrap_or_else(|_| database.to_owned())),
            wanted,
        ),
        None => (None, selector),
    };
    let found = list(storage, database.as_deref()).await?;
    let mut fitting = found.iter().filter(|folder| {
        wanted == "latest" || folder.id.to_string() == wanted || folder.id.short_id() == wanted
    });
    let Some(first) = fitting.next() else {
        return Err(none_found(storage, &found, database.as_deref(), wanted));
    };
    // Of one database the newest comes first; of several, "latest" says too little.
    if let Some(other) = fitting.find(|folder| folder.database != first.database) {
        return Err(several_databases(storage, first, other, wanted));
    }
    Ok(first.clone())
}

fn none_found(
    storage: &dyn Storage,
    found: &[BackupFolder],
    database: Option<&str>,
    wanted: &str,
) -> Failure {
    let of = database
        .map(|database| format!(" of {database}"))
        .unwrap_or_default();
    let failure = if found.is_empty() {
        Failure::new(
            FailureKind::NotFound,
            format!("there is no backup{of} in {}", storage.location()),
        )
    } else {
        Failure::new(
            FailureKind::NotFound,
            format!(
                "none of the {} backups{of} in {} is {wanted}",
                found.len(),
                storage.location()
            ),
        )
    };
    failure.hint("`orchestrator backup list` shows what there is")
}

/// `DATABASE/ID` of the newest backup whose data is not newer than this. Of one database: of several, the name says which.
pub async fn newest_before(
    storage: &BoundStorage,
    database: Option<&str>,
    at: Timestamp,
) -> Result<String, Failure> {
    let objects = storage.objects.as_ref();
    // A name may be escaped, as the address of a backup is.
    let database = database.map(|name| unescape_database(name).unwrap_or_else(|_| name.to_owned()));
    let found = list(objects, database.as_deref()).await?;
    let mut chosen: Option<&BackupFolder> = None;
    for folder in &found {
        match chosen {
            Some(first) if first.database == folder.database => {}
            // The id's time is that of the beginning, shortly before the snapshot: it spares reading most manifests.
            None if time_of(&folder.id.created().to_string())? <= at => {
                let manifest = manifest(storage, folder).await?;
                if time_of(&manifest.snapshot.time)? <= at {
                    chosen = Some(folder);
                }
            }
            None => {}
            Some(first) => return Err(several_databases(objects, first, folder, "latest")),
        }
    }
    match chosen {
        Some(folder) => Ok(format!(
            "{}/{}",
            escape_database(&folder.database),
            folder.id
        )),
        None => Err(none_found(
            objects,
            &found,
            database.as_deref(),
            &format!("from before {at}"),
        )),
    }
}

fn time_of(text: &str) -> Result<Timestamp, Failure> {
    text.parse()
        .map_err(|error| Failure::corrupt(format!("the time {text:?} of a backup: {error}")))
}

fn several_databases(
    storage: &dyn Storage,
    one: &BackupFolder,
    other: &BackupFolder,
    wanted: &str,
) -> Failure {
    Failure::conflict(format!(
        "{} holds backups of several databases: {}, {} ...",
        storage.location(),
        one.database,
        other.database
    ))
    .hint(format!(
        "say which one: {}/{wanted}",
        escape_database(&one.database)
    ))
}

/// What a selector names: the prefix of a backup of this program, or of a directory that stock pg_dump wrote (`-Fd`), or the key
/// of a file that it wrote (`-Fc`).
pub async fn prefix(storage: &dyn Storage, selector: &str) -> Result<String, Failure> {
    let selector = selector.trim_matches('/');
    if is_stock_archive(storage, selector).await? {
        return Ok(selector.to_owned());
    }
    let folder = find(storage, selector).await?;
    Ok(folder.prefix().trim_end_matches('/').to_owned())
}

async fn is_stock_archive(storage: &dyn Storage, prefix: &str) -> Result<bool, Failure> {
    let Ok(toc) = Key::parse(&format!("{prefix}/{TOC}")) else {
        return Ok(false);
    };
    if manifest_key(storage, prefix).await?.is_some() {
        return Ok(false);
    }
    if storage.head(&toc).await?.is_some() {
        return Ok(true);
    }
    // Listed, because some storages answer a question after a folder with an error. A key comes before those it begins.
    let first = storage.list(prefix, None).await?.into_iter().next();
    Ok(first.is_some_and(|object| object.key.to_string() == prefix))
}

/// Splits the address of an archive that stock pg_dump wrote into its parent and its name; `None` for other addresses.
pub async fn split_stock_location(
    location: &str,
    open: impl AsyncFn(&str) -> Result<BoundStorage, Failure>,
) -> Result<Option<(String, String)>, Failure> {
    let trimmed = location.trim_end_matches('/');
    let Some((parent, name)) = trimmed.rsplit_once('/') else {
        return Ok(None);
    };
    // A bucket has no parent.
    if parent.is_empty() || name.is_empty() || parent.ends_with('/') || parent.ends_with(':') {
        return Ok(None);
    }
    let storage = open(parent).await?;
    let found = is_stock_archive(storage.objects.as_ref(), name).await?;
    Ok(found.then(|| (parent.to_owned(), name.to_owned())))
}

/// Splits the address of a backup (`s3://bucket/prefix/app/<id>`, a folder) into its storage and what to look for there; an
/// address that does not end in a backup is a storage of its own.
pub fn split_location(location: &str) -> (String, String) {
    let trimmed = location.trim_end_matches('/');
    if let Some((rest, id)) = trimmed.rsplit_once('/')
        && id.parse::<BackupId>().is_ok()
        && let Some((root, database)) = rest.rsplit_once('/')
        && unescape_database(database).is_ok()
    {
        return (root.to_owned(), format!("{database}/{id}"));
    }
    (trimmed.to_owned(), "latest".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_a_backup_or_a_storage() {
        assert_eq!(
            split_location("s3://b/p/app/2026-01-17T02-00-00Z-full-0a1b2c3d/"),
            (
                "s3://b/p".to_owned(),
                "app/2026-01-17T02-00-00Z-full-0a1b2c3d".to_owned()
            )
        );
        assert_eq!(
            split_location("s3://b/p"),
            ("s3://b/p".to_owned(), "latest".to_owned())
        );
        assert_eq!(
            split_location("backups/"),
            ("backups".to_owned(), "latest".to_owned())
        );
    }
}
