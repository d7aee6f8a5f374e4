//! Runs that were killed: their half backups removed, their half databases named, their records closed.

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::created_databases;
use super::project::Project;
use crate::backups;
use crate::deployment_log::Draft;
use crate::failure::Failure;
use crate::storage;

/// What the start of a command has found and closed.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Runs closed as interrupted.
    pub runs: Vec<uuid::Uuid>,
    /// Prefixes of half backups that were removed.
    pub removed: Vec<String>,
    /// What is known of databases that these runs were working on, each in one sentence.
    pub databases: Vec<String>,
}

/// How long a request of a dead process may still be on its way, or be worked on by the server that it has reached.
const LATE: SignedDuration = SignedDuration::from_mins(15);

/// Closes dead runs of this machine. What cannot be cleaned up now stays known, and is tried again at the next start.
pub async fn recover(project: &Project) -> Result<Recovered, Failure> {
    let mut recovered = Recovered::default();
    for interrupted in project.log.interrupted()? {
        let mut notes = Vec::new();
        for draft in &interrupted.drafts {
            let cleaned = clean_up(project, draft, interrupted.last_sign).await;
            notes.push(told(draft, &cleaned));
            if matches!(cleaned, Ok(Cleaned::Removed)) {
                recovered.removed.push(draft.prefix.clone());
            }
        }
        let databases = created_databases::left_by(project, &interrupted.record).await;
        notes.extend(databases.iter().cloned());
        recovered.databases.extend(databases);
        recovered.runs.push(interrupted.record.run_id);
        project.log.close_interrupted(interrupted, notes)?;
    }
    for (draft, ended) in project.log.leftovers()? {
        // Those of the runs above are among them, and were told of.
        match clean_up(project, &draft, ended).await {
            Ok(Cleaned::Nothing) => {}
            cleaned => warn!("{}", told(&draft, &cleaned)),
        }
    }
    Ok(recovered)
}

/// What became of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cleaned {
    /// It was half, and is gone.
    Removed,
    /// It was published after all.
    Whole,
    /// It was removed before, and nothing has come after it.
    Nothing,
}

fn told(draft: &Draft, cleaned: &Result<Cleaned, Failure>) -> String {
    let Draft {
        prefix, location, ..
    } = draft;
    match cleaned {
        Ok(Cleaned::Removed) => format!("removed the unfinished backup {prefix} from {location}"),
        Ok(Cleaned::Nothing) => {
            format!("nothing is left of the unfinished backup {prefix} in {location}")
        }
        Ok(Cleaned::Whole) => format!(
            "the backup {prefix} in {location} is whole: it was published in the last moment"
        ),
        Err(failure) => format!(
            "the unfinished backup {prefix} in {location} could not be removed: {failure}; the next start tries again"
        ),
    }
}

/// Removes a half backup, or finds that it is whole. Its writer ended at `ended`: what it had sent by then may still arrive,
/// also the manifest, and would make a backup of what was removed. So for some time every start looks again.
async fn clean_up(project: &Project, draft: &Draft, ended: Timestamp) -> Result<Cleaned, Failure> {
    // A binding from the command line (a URL) is known by its location alone.
    let storage = match project
        .storage(&draft.storage)
        .await
        .map(|storage| storage.objects)
    {
        Ok(storage) if storage.location() == draft.location => storage,
        _ => storage::open(&draft.location, storage::StorageOptions::default()).await?,
    };
    let storage = storage.as_ref();
    if !draft.removed
        && backups::manifest_key(storage, &draft.prefix)
            .await?
            .is_some()
    {
        project.log.draft_closed(draft.run, &draft.prefix)?;
        return Ok(Cleaned::Whole);
    }
    let there = !storage
        .list(&format!("{}/", draft.prefix), None)
        .await?
        .is_empty();
    // First: a removal that ends in the middle is gone on with, whatever has come since.
    if !draft.removed {
        project.log.draft_removed(draft.run, &draft.prefix)?;
    }
    storage::remove_all(storage, &draft.prefix).await?;
    if Timestamp::now().duration_since(ended) > LATE {
        project.log.draft_closed(draft.run, &draft.prefix)?;
    }
    Ok(match there || !draft.removed {
        true => Cleaned::Removed,
        false => Cleaned::Nothing,
    })
}
