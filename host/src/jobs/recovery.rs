//! Runs that were killed: their half backups removed, their scratch databases dropped, their records closed.

use tracing::warn;

use super::project::Project;
use crate::backups;
use crate::database::{self, ConnectionSettings, MAINTENANCE_DATABASE, ProcessEnvironment};
use crate::deployment_log::{Draft, Scratch};
use crate::failure::Failure;
use crate::storage;

/// What the start of a command has found and closed.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Runs closed as interrupted.
    pub runs: Vec<uuid::Uuid>,
    /// Prefixes of half backups that were removed, and names of scratch databases that were dropped.
    pub removed: Vec<String>,
}

/// Closes dead runs of this machine. What cannot be cleaned up now stays known, and is tried again at the next start.
pub async fn recover(project: &Project) -> Result<Recovered, Failure> {
    let mut recovered = Recovered::default();
    for interrupted in project.log.interrupted()? {
        let mut notes = Vec::new();
        for draft in &interrupted.drafts {
            notes.push(clean_up(project, draft, &mut recovered).await);
        }
        for scratch in &interrupted.scratches {
            notes.extend(clear_away(project, scratch, &mut recovered).await);
        }
        recovered.runs.push(interrupted.record.run_id);
        project.log.close_interrupted(interrupted, notes)?;
    }
    for draft in project.log.leftover_drafts()? {
        let note = clean_up(project, &draft, &mut recovered).await;
        warn!("{note}");
    }
    for scratch in project.log.leftover_scratches()? {
        if let Some(note) = clear_away(project, &scratch, &mut recovered).await {
            warn!("{note}");
        }
    }
    Ok(recovered)
}

/// Removes a half backup, or finds that it is whole; says which.
async fn clean_up(project: &Project, draft: &Draft, recovered: &mut Recovered) -> String {
    match try_clean_up(project, draft).await {
        Ok(true) => {
            recovered.removed.push(draft.prefix.clone());
            format!(
                "removed the unfinished backup {} from {}",
                draft.prefix, draft.location
            )
        }
        Ok(false) => format!(
            "the backup {} in {} is whole: it was published in the last moment",
            draft.prefix, draft.location
        ),
        Err(failure) => format!(
            "the unfinished backup {} in {} could not be removed: {failure}; the next start tries again",
            draft.prefix, draft.location
        ),
    }
}

async fn try_clean_up(project: &Project, draft: &Draft) -> Result<bool, Failure> {
    // A binding from the command line (a URL) is known by its location alone.
    let storage = match project
        .storage(&draft.storage)
        .await
        .map(|storage| storage.objects)
    {
        Ok(storage) if storage.location() == draft.location => storage,
        _ => storage::open(&draft.location, storage::StorageOptions::default()).await?,
    };
    let whole = backups::manifest_key(storage.as_ref(), &draft.prefix)
        .await?
        .is_some();
    if !whole {
        storage::remove_all(storage.as_ref(), &draft.prefix).await?;
    }
    project.log.draft_closed(draft.run, &draft.prefix)?;
    Ok(!whole)
}

/// Drops a scratch database where there still is one; says what became of it.
async fn clear_away(
    project: &Project,
    scratch: &Scratch,
    recovered: &mut Recovered,
) -> Option<String> {
    let Scratch { name, server, .. } = scratch;
    match try_clear_away(project, scratch).await {
        Ok(true) => {
            recovered.removed.push(name.clone());
            Some(format!("dropped the scratch database {name} ({server})"))
        }
        Ok(false) => None,
        Err(failure) => Some(format!(
            "the scratch database {name} ({server}) could not be dropped: {failure}; the next start tries again"
        )),
    }
}

async fn try_clear_away(project: &Project, scratch: &Scratch) -> Result<bool, Failure> {
    let bound = project
        .database(&scratch.database)
        .map(|binding| binding.direct().with_database(MAINTENANCE_DATABASE));
    // A binding from the command line (a URL) is known by its location alone: passwords are in no journal.
    let settings = match bound {
        Ok(settings) if settings.redacted() == scratch.server => settings,
        _ => ConnectionSettings::parse(&scratch.server, &ProcessEnvironment::from_process())?,
    };
    let dropped = database::drop_scratch(&settings, &scratch.name).await?;
    project.log.scratch_closed(scratch.run, &scratch.name)?;
    Ok(dropped)
}
