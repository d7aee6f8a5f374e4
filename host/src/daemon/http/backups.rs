//! `/backups`: what lies in the storages.

use std::time::Duration;

use archive::layout::{BackupFolder, escape_database};
use archive::manifest::Manifest;
use axum::Json;
use axum::extract::State;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Shared;
use super::input::{Asked, Named};
use super::problem::{Problem, Rejection};
use crate::backups;
use crate::failure::{Failure, FailureKind};
use crate::jobs::Project;

/// Backups of one answer: the manifest of each is read.
const MOST: u32 = 1000;
const USUAL: u32 = 50;
/// A storage that takes longer is a problem of the answer; the others are in it.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// Manifests that are read at once of a storage.
const AT_ONCE: usize = 4;
/// The longest name of a folder or of a part of a key that storages take.
const LONGEST_FOLDER: usize = 255;

/// Which backups to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those in this storage; all when left out.
    #[param(pattern = "^[A-Za-z][A-Za-z0-9_-]{0,62}$", nullable = false)]
    storage: Option<String>,
    /// Only those of this database, by its name on the server or its binding.
    #[param(min_length = 1, max_length = 63, nullable = false)]
    database: Option<String>,
    /// At most this many of each storage, the newest; 50 when left out.
    #[param(minimum = 1, maximum = 1000, nullable = false)]
    limit: Option<u32>,
}

/// A backup, as its manifest describes it.
#[derive(Serialize, ToSchema)]
pub(super) struct Backup {
    /// Its name; the time in it is that of its beginning.
    id: String,
    /// The database's name on the server.
    database: String,
    /// The binding of the storage.
    storage: String,
    /// Why it was taken; null where its manifest cannot be read.
    kind: Option<String>,
    /// When its data was the database's.
    time: Option<String>,
    server_version: Option<String>,
    tables: Option<u64>,
    rows: Option<u64>,
    /// As stored.
    bytes: Option<u64>,
    /// Before compression.
    plain_bytes: Option<u64>,
    encrypted: bool,
    /// Why its manifest cannot be read, where that is a fault.
    error: Option<String>,
}

/// The backups of all storages.
#[derive(Serialize, ToSchema)]
pub(super) struct Backups {
    /// By storage and database, the newest first.
    backups: Vec<Backup>,
    /// Storages that could not be asked, each in one sentence.
    problems: Vec<String>,
}

/// What lies in the storages
#[utoipa::path(
    get,
    operation_id = "list_backups",
    path = "/backups",
    tag = "backups",
    params(Which),
    responses(
        (status = 200, description = "The backups", body = Backups,
            links(("one" = (operation_id = "show_backup", parameters(
                ("storage" = "$response.body#/backups/0/storage"),
                ("database" = "$response.body#/backups/0/database"),
                ("id" = "$response.body#/backups/0/id"),
            ))))),
        (status = 400, description = "The query cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such storage", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Shared>,
    Asked(which): Asked<Which>,
) -> Result<Json<Backups>, Rejection> {
    let limit = which.limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Failure::invalid_input(format!(
            "the limit {limit} is not between 1 and {MOST}"
        ))
        .into());
    }
    if let Some(database) = &which.database
        && (database.is_empty() || database.chars().count() > 63)
    {
        return Err(Failure::invalid_input("the name of a database has 1 to 63 characters").into());
    }
    let project = shared.control.project();
    let storages = match which.storage {
        Some(name) => vec![named(&project, &name)?],
        None => project
            .config
            .storage
            .keys()
            .map(ToString::to_string)
            .collect(),
    };
    let _turn = shared.storage_lookup().await?;
    let ask = |storage: String| {
        let (project, database) = (&project, which.database.as_deref());
        async move {
            let asked = of_storage(project, &storage, database, limit as usize);
            let answer = tokio::time::timeout(STORAGE_TIMEOUT, asked).await;
            let answer = answer.unwrap_or_else(|_| Err(too_slow()));
            answer.map_err(|failure| format!("{storage}: {failure}"))
        }
    };
    let mut found = Backups {
        backups: Vec::new(),
        problems: Vec::new(),
    };
    for answer in join_all(storages.into_iter().map(ask)).await {
        match answer {
            Ok(backups) => found.backups.extend(backups),
            Err(problem) => found.problems.push(problem),
        }
    }
    found.clean(&shared);
    Ok(Json(found))
}

fn too_slow() -> Failure {
    let seconds = STORAGE_TIMEOUT.as_secs();
    Failure::new(
        FailureKind::Timeout,
        format!("the storage did not tell of its backups within {seconds} s"),
    )
    .hint("ask for one database, or for fewer backups")
}

/// One backup
#[utoipa::path(
    get,
    operation_id = "show_backup",
    path = "/backups/{storage}/{database}/{id}",
    tag = "backups",
    params(
        ("storage" = String, Path, description = "The storage", pattern = "^[A-Za-z][A-Za-z0-9_-]{0,62}$"),
        ("database" = String, Path, description = "The database's name on the server", min_length = 1, max_length = 63),
        ("id" = String, Path, description = "The backup's id", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}-[0-9]{2}-[0-9]{2}Z-[a-z0-9-]{1,32}-[0-9a-f]{8}$"),
    ),
    responses(
        (status = 200, description = "The backup", body = Backup),
        (status = 400, description = "That is no name", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such backup", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(shared): State<Shared>,
    Named((storage, database, id)): Named<(String, String, String)>,
) -> Result<Json<Backup>, Rejection> {
    let project = shared.control.project();
    let storage = named(&project, &storage)?;
    let missing = || {
        Failure::not_found(format!(
            "there is no backup {database}/{id} in the storage {storage}"
        ))
        .hint("GET /api/v1/backups lists what there is")
    };
    let id = id.parse().map_err(|_| missing())?;
    if escape_database(&database).len() > LONGEST_FOLDER {
        return Err(missing().into());
    }
    let folder = BackupFolder {
        database: database.clone(),
        id,
    };
    let _turn = shared.storage_lookup().await?;
    let opened = project.storage(&storage).await?;
    match backups::manifest(&opened, &folder).await {
        Err(failure) if failure.kind == FailureKind::NotFound => Err(missing().into()),
        // Whether there is such a backup is not known then.
        Err(failure)
            if matches!(
                failure.kind,
                FailureKind::Unavailable | FailureKind::Timeout | FailureKind::Refused
            ) =>
        {
            Err(failure.into())
        }
        manifest => {
            let mut backup = described(&storage, &folder, manifest);
            backup.error = backup.error.map(|error| shared.clean(&error));
            Ok(Json(backup))
        }
    }
}

fn named(project: &Project, storage: &str) -> Result<String, Failure> {
    match project.config.storage.get_key_value(storage) {
        Some((name, _)) => Ok(name.to_string()),
        None => Err(
            Failure::not_found(format!("there is no storage named {storage:?}"))
                .hint("the configuration names them below [storage]"),
        ),
    }
}

async fn of_storage(
    project: &Project,
    name: &str,
    database: Option<&str>,
    limit: usize,
) -> Result<Vec<Backup>, Failure> {
    // A binding's name stands for the database that it leads to.
    let database = database.map(|name| match project.config.databases.get(name) {
        Some(binding) => binding.settings.database.clone(),
        None => name.to_owned(),
    });
    if database
        .as_deref()
        .is_some_and(|name| escape_database(name).len() > LONGEST_FOLDER)
    {
        return Ok(Vec::new());
    }
    let storage = project.storage(name).await?;
    let mut folders = backups::list(storage.objects.as_ref(), database.as_deref()).await?;
    // The newest of all databases, in the order in which they were listed.
    let mut newest: Vec<_> = folders.iter().map(|folder| folder.id.clone()).collect();
    newest.sort();
    if let Some(first_left_out) = newest.get(limit).cloned() {
        folders.retain(|folder| folder.id < first_left_out);
    }
    // A manifest may have a million lines: of each only what is told is kept.
    let described = stream::iter(folders).map(|folder| {
        let storage = &storage;
        async move {
            let manifest = backups::manifest(storage, &folder).await;
            described(name, &folder, manifest)
        }
    });
    Ok(described.buffered(AT_ONCE).collect().await)
}

fn described(storage: &str, folder: &BackupFolder, manifest: Result<Manifest, Failure>) -> Backup {
    let mut backup = Backup {
        id: folder.id.to_string(),
        database: folder.database.clone(),
        storage: storage.to_owned(),
        kind: None,
        time: None,
        server_version: None,
        tables: None,
        rows: None,
        bytes: None,
        plain_bytes: None,
        encrypted: false,
        error: None,
    };
    match manifest {
        Ok(manifest) => {
            backup.kind = Some(manifest.kind.to_string());
            backup.time = Some(manifest.snapshot.time);
            backup.server_version = Some(manifest.server.version);
            backup.tables = Some(manifest.totals.tables);
            backup.rows = Some(manifest.totals.rows);
            backup.bytes = Some(manifest.totals.bytes);
            backup.plain_bytes = Some(manifest.totals.plain_bytes);
            backup.encrypted = manifest.archive.encryption.is_some();
        }
        // Encrypted, and this machine has no identity that reads it: nothing is wrong with it.
        Err(failure) if failure.kind == FailureKind::InvalidInput => backup.encrypted = true,
        Err(failure) => backup.error = Some(failure.to_string()),
    }
    backup
}

impl Backups {
    fn clean(&mut self, shared: &Shared) {
        let errors = self
            .backups
            .iter_mut()
            .filter_map(|backup| backup.error.as_mut());
        for text in self.problems.iter_mut().chain(errors) {
            *text = shared.clean(text);
        }
    }
}
