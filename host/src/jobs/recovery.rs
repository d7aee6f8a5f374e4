//! Runs that were killed: their half backups removed, their scratch databases and roles dropped, their records closed.

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use super::project::Project;
use super::rollback::RESTORE;
use crate::backups;
use crate::database::{self, ConnectionSettings, MAINTENANCE_DATABASE, ProcessEnvironment};
use crate::deployment_log::{Draft, LoginRole, RunRecord, Scratch, Status};
use crate::failure::Failure;
use crate::storage;

/// What the start of a command has found and closed.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Runs closed as interrupted.
    pub runs: Vec<uuid::Uuid>,
    /// Prefixes of half backups that were removed, and names of scratch databases and roles that were dropped.
    pub removed: Vec<String>,
    /// Databases that these runs were restoring into, each in one sentence.
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
        for scratch in &interrupted.scratches {
            notes.extend(clear_away(project, scratch, &mut recovered).await);
        }
        for role in &interrupted.roles {
            notes.extend(drop_role(project, role, &mut recovered).await);
        }
        if let Some(note) = cut_restore(&interrupted.record) {
            notes.push(note.clone());
            recovered.databases.push(note);
        }
        recovered.runs.push(interrupted.record.run_id);
        project.log.close_interrupted(interrupted, notes)?;
    }
    for (draft, ended) in project.log.leftover_drafts()? {
        // Those of the runs above are among them, and were told of.
        match clean_up(project, &draft, ended).await {
            Ok(Cleaned::Nothing) => {}
            cleaned => warn!("{}", told(&draft, &cleaned)),
        }
    }
    for scratch in project.log.leftover_scratches()? {
        if let Some(note) = clear_away(project, &scratch, &mut recovered).await {
            warn!("{note}");
        }
    }
    for role in project.log.leftover_roles()? {
        if let Some(note) = drop_role(project, &role, &mut recovered).await {
            warn!("{note}");
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
    // What has come long after was put there by somebody.
    let is_put_back = |info: storage::ObjectInfo| {
        let stored = i64::try_from(info.modified).unwrap_or(i64::MAX);
        let stored = Timestamp::from_millisecond(stored).unwrap_or(Timestamp::MAX);
        stored.duration_since(ended) > LATE
    };
    let is_whole = match backups::manifest_key(storage, &draft.prefix).await? {
        Some(_) if !draft.removed => true,
        Some(key) => storage.head(&key).await?.is_some_and(is_put_back),
        None => false,
    };
    if is_whole {
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

/// What to do about the target of a restore that was killed. It tells by itself how far it has come, so that nobody has to drop it.
fn cut_restore(record: &RunRecord) -> Option<String> {
    let step = record
        .steps
        .iter()
        .find(|step| step.plugin == RESTORE && step.status == Status::Running)?;
    let parameter = |name: &str| step.parameters.get(name)?.as_str();
    let anew = match parameter("mode") {
        Some("swap" | "check") => return None,
        Some("create") => "--create",
        _ => "--clean",
    };
    let target = parameter("database")?;
    Some(format!(
        "a restore into {target} was cut: continue it with --resume, or begin it anew with {anew}"
    ))
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
    let settings = settings_of(bound.ok(), &scratch.server)?;
    let dropped = database::drop_scratch(&settings, &scratch.name).await?;
    project.log.scratch_closed(scratch.run, &scratch.name)?;
    Ok(dropped)
}

/// A binding from the command line (a URL) is known by its location alone: passwords are in no journal.
fn settings_of(
    bound: Option<ConnectionSettings>,
    server: &str,
) -> Result<ConnectionSettings, Failure> {
    match bound.filter(|settings| settings.redacted() == server) {
        Some(settings) => Ok(settings),
        None => Ok(ConnectionSettings::parse(
            server,
            &ProcessEnvironment::from_process(),
        )?),
    }
}

/// Drops a role that a plugin was to connect as, where there still is one; says what became of it.
async fn drop_role(
    project: &Project,
    role: &LoginRole,
    recovered: &mut Recovered,
) -> Option<String> {
    let LoginRole { name, server, .. } = role;
    match try_drop_role(project, role).await {
        Ok(true) => {
            recovered.removed.push(name.clone());
            Some(format!("dropped the role {name} ({server})"))
        }
        Ok(false) => None,
        Err(failure) => Some(format!(
            "the role {name} ({server}) could not be dropped: {failure}; the next start tries again"
        )),
    }
}

async fn try_drop_role(project: &Project, role: &LoginRole) -> Result<bool, Failure> {
    let bound = project.database(&role.database);
    let bound = bound.map(|binding| binding.direct().clone());
    let settings = settings_of(bound.ok(), &role.server)?;
    let dropped = database::drop_run_role(&settings, &role.name).await?;
    project.log.role_closed(role.run, &role.name)?;
    Ok(dropped)
}
