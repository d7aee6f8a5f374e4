//! Whether those that would be the last good ones are what their names say, as far as their manifests tell.

use std::cmp::Reverse;

use orchestrator_sdk::storage::Store;
use orchestrator_sdk::{Error, ErrorKind, run};
use retention::{Backup, Quality};

/// What a manifest says of its backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// All of a database is in it.
    Whole,
    /// A part of one.
    Part,
    /// It cannot be used, and why.
    Damaged(String),
    /// Nothing that this machine can read: it is encrypted for others, or a later program's.
    Unknown(String),
}

/// Reads the manifest below a prefix.
pub fn read(store: &Store, prefix: &str) -> Result<Said, Error> {
    match backups::read_manifest(store, prefix) {
        Ok(Some(manifest)) if manifest.filters.is_whole() => Ok(Said::Whole),
        Ok(Some(_)) => Ok(Said::Part),
        Ok(None) => Ok(Said::Damaged("it was deleted meanwhile".to_owned())),
        Err(error) => match error.kind {
            ErrorKind::Corrupt | ErrorKind::NotFound => Ok(Said::Damaged(error.message)),
            ErrorKind::InvalidInput | ErrorKind::Unsupported | ErrorKind::LimitExceeded => {
                Ok(Said::Unknown(error.message))
            }
            _ => Err(error.while_doing(format_args!("looking at the backup {prefix}"))),
        },
    }
}

/// Reads of each database and kind, and of what each database has been proven by, the newest first, until one is good; notes what the others are. A few manifests
/// say which are the last good ones; of the rest the names are enough.
pub fn look_into(
    backups: &mut [Backup],
    read: impl Fn(&str) -> Result<Said, Error>,
) -> Result<(), Error> {
    let mut order: Vec<usize> = (0..backups.len()).collect();
    let group = |backup: &Backup| (backup.database.clone(), backup.kind.clone());
    order.sort_by_key(|at| {
        let backup = &backups[*at];
        (group(backup), Reverse((backup.taken, backup.key.clone())))
    });
    let same = |one: &usize, other: &usize| group(&backups[*one]) == group(&backups[*other]);
    let mut series: Vec<Vec<usize>> = order.chunk_by(same).map(<[usize]>::to_vec).collect();
    let mut proven: Vec<usize> = order;
    proven.retain(|at| backups[*at].quality == Quality::Proven);
    proven.sort_by_key(|at| {
        let backup = &backups[*at];
        (
            backup.database.clone(),
            Reverse((backup.taken, backup.key.clone())),
        )
    });
    let same = |one: &usize, other: &usize| backups[*one].database == backups[*other].database;
    series.extend(proven.chunk_by(same).map(<[usize]>::to_vec));
    for newest_first in series {
        until_good(backups, &newest_first, &read)?;
    }
    Ok(())
}

fn until_good(
    backups: &mut [Backup],
    newest_first: &[usize],
    read: impl Fn(&str) -> Result<Said, Error>,
) -> Result<(), Error> {
    for at in newest_first {
        run::check_cancelled()?;
        let backup = &mut backups[*at];
        if backup.quality == Quality::Damaged {
            run::warn(&damaged(backup, "it was damaged when it was last verified"));
            continue;
        }
        match read(&backup.key)? {
            Said::Whole => return Ok(()),
            Said::Unknown(why) => {
                run::debug(&format!("nothing is known of {}: {why}", backup.key));
                return Ok(());
            }
            // Of its kind there are no whole ones.
            Said::Part if backup.is_partial => return Ok(()),
            Said::Part => backup.is_partial = true,
            Said::Damaged(why) => {
                run::warn(&damaged(backup, &why));
                backup.quality = Quality::Damaged;
            }
        }
    }
    Ok(())
}

fn damaged(backup: &Backup, why: &str) -> String {
    format!(
        "the backup {} does not count as a good one: {why}",
        backup.key
    )
}
