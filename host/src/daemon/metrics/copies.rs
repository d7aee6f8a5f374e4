//! What the storages tell of backups, and the log of those that were proven.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use archive::layout::BackupFolder;
use futures_util::future::join_all;
use jiff::Timestamp;
use prometheus_client::encoding::DescriptorEncoder;

use super::jobs::JobStates;
use super::{MOST_LABELS, gauges, seconds};
use crate::backups;
use crate::daemon::latest::{Latest, Told};
use crate::failure::{Failure, FailureKind};
use crate::jobs::Project;

/// Storages are asked again after this time.
const KEPT: Duration = Duration::from_secs(60);
/// No storage holds up a scrape for longer; what it said last is told again.
const PATIENCE: Duration = Duration::from_secs(3);
/// A storage that takes longer counts as away.
const TIMEOUT: Duration = Duration::from_secs(30);

/// By the database's name: when its newest whole backup was begun.
type Newest = BTreeMap<String, Timestamp>;

/// Who asks the storages, each by itself: one that hangs holds up no other.
#[derive(Default)]
pub(super) struct Storages {
    asked: BTreeMap<String, Arc<Latest<Newest>>>,
    /// Storages and databases that had a backup once.
    seen: BTreeSet<(String, String)>,
}

impl Storages {
    /// What each storage of the configuration tells.
    pub async fn newest(&mut self, project: &Arc<Project>) -> Vec<(String, Told<Newest>)> {
        let names = project.config.storage.keys().map(ToString::to_string);
        let names: BTreeSet<String> = names.collect();
        self.asked.retain(|name, _| names.contains(name));
        let ask = |name: String| {
            let latest = self.asked.entry(name.clone());
            let latest = latest.or_insert_with(|| Latest::new(KEPT)).clone();
            async move {
                let (project, storage) = (project.clone(), name.clone());
                let read = |_| async move { newest(&project, &storage).await };
                let told = latest.ask(PATIENCE, read).await;
                (name, told)
            }
        };
        join_all(names.into_iter().map(ask).collect::<Vec<_>>()).await
    }

    /// All that is told of them: also of what was expected and is not there.
    pub fn copies(
        &mut self,
        newest: Vec<(String, Told<Newest>)>,
        expected: BTreeSet<(String, String)>,
        jobs: &JobStates,
    ) -> Copies {
        let mut copies = Copies::default();
        for (storage, told) in newest {
            if told.value.is_some() || told.failure.is_some() {
                copies.answered.insert(storage.clone(), told.is_up());
            }
            let Some(newest) = told.value else { continue };
            let mut others = 0;
            for (database, begun) in newest {
                let pair = (storage.clone(), database);
                if !expected.contains(&pair) {
                    others += 1;
                    if others > MOST_LABELS {
                        continue;
                    }
                }
                if self.seen.len() < MOST_LABELS {
                    self.seen.insert(pair.clone());
                }
                copies.newest.insert(pair, begun);
            }
            let of_storage = expected.iter().chain(&self.seen);
            for pair in of_storage.filter(|(name, _)| *name == storage) {
                let is_there = copies.newest.contains_key(pair);
                copies.exists.insert(pair.clone(), is_there);
            }
        }
        for (database, backup) in jobs.proven().take(MOST_LABELS) {
            let Ok(id) = backup.parse() else { continue };
            let database = database.clone();
            let folder = BackupFolder { database, id };
            if let Ok(begun) = backups::begun(&folder) {
                copies.proven.insert(folder.database, begun);
            }
        }
        copies
    }
}

async fn newest(project: &Project, storage: &str) -> Result<Newest, Failure> {
    let asked = async {
        let opened = project.storage(storage).await?;
        backups::newest(opened.objects.as_ref()).await
    };
    let answer = tokio::time::timeout(TIMEOUT, asked).await;
    let answer = answer.unwrap_or_else(|_| {
        let message = format!("no answer within {} s", TIMEOUT.as_secs());
        Err(Failure::new(FailureKind::Timeout, message))
    });
    let folders = answer.inspect_err(|failure| {
        tracing::debug!("metrics: the storage {storage}: {failure}");
    })?;
    let begun =
        |folder: BackupFolder| Some((folder.database.clone(), backups::begun(&folder).ok()?));
    let newest = folders.into_iter().filter_map(begun);
    Ok(newest.collect())
}

/// What is told of backups.
#[derive(Clone, Debug, Default)]
pub(super) struct Copies {
    /// Whether each storage answered.
    answered: BTreeMap<String, bool>,
    /// By storage and database: whether there is a whole backup.
    exists: BTreeMap<(String, String), bool>,
    /// By storage and database: when the newest backup was begun.
    newest: BTreeMap<(String, String), Timestamp>,
    /// By database: when the newest one was begun that was restored and compared.
    proven: BTreeMap<String, Timestamp>,
}

impl Copies {
    pub fn encode(&self, to: &mut DescriptorEncoder) -> fmt::Result {
        let labels = |(storage, database): &(String, String)| {
            [("storage", storage.clone()), ("database", database.clone())]
        };
        gauges(
            to,
            "orchestrator_storage_up",
            "Whether the storage answered: 1 or 0",
            self.answered
                .iter()
                .map(|(storage, up)| ([("storage", storage.clone())], u64::from(*up))),
        )?;
        gauges(
            to,
            "orchestrator_backup_exists",
            "Whether there is a whole backup where a schedule puts some, or where one was: 1 or 0",
            self.exists
                .iter()
                .map(|(pair, is_there)| (labels(pair), u64::from(*is_there))),
        )?;
        gauges(
            to,
            "orchestrator_newest_backup_timestamp_seconds",
            "When the newest whole backup was begun, as a Unix time",
            self.newest
                .iter()
                .map(|(pair, begun)| (labels(pair), seconds(*begun))),
        )?;
        gauges(
            to,
            "orchestrator_last_proven_backup_timestamp_seconds",
            "When the newest backup was begun that was restored and compared, as a Unix time",
            self.proven
                .iter()
                .map(|(database, begun)| ([("database", database.clone())], seconds(*begun))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[(&str, &str)]) -> BTreeSet<(String, String)> {
        let owned =
            |(storage, database): &(&str, &str)| ((*storage).to_owned(), (*database).to_owned());
        names.iter().map(owned).collect()
    }

    #[tokio::test]
    async fn what_is_gone_or_was_never_there_is_told() {
        let mut storages = Storages::default();
        let expected = names(&[("main", "app"), ("main", "shop"), ("away", "app")]);
        let latest = Latest::new(Duration::ZERO);
        let mut copies = async |newest: Result<Newest, Failure>| {
            let told = latest.ask(Duration::from_secs(60), |_| async move { newest });
            let newest = vec![("main".to_owned(), told.await)];
            storages.copies(newest, expected.clone(), &JobStates::default())
        };
        let begun: Timestamp = "2026-01-17T02:00:00Z".parse().unwrap();
        let full = Newest::from([("app".to_owned(), begun), ("old".to_owned(), begun)]);
        let there = |copies: &Copies| -> BTreeSet<(String, String)> {
            let there = copies.exists.iter().filter(|(_, is_there)| **is_there);
            there.map(|(pair, _)| pair.clone()).collect()
        };
        let first = copies(Ok(full)).await;
        assert_eq!(there(&first), names(&[("main", "app"), ("main", "old")]));
        assert_eq!(first.exists.len(), 3, "and one that was never there");
        // The bucket was emptied.
        let emptied = copies(Ok(Newest::new())).await;
        assert_eq!((there(&emptied), emptied.exists.len()), (names(&[]), 3));
        assert!(emptied.newest.is_empty());
        // A storage that does not answer says nothing new.
        let away = copies(Err(Failure::internal("away"))).await;
        assert_eq!(away.exists, emptied.exists);
        assert!(!away.answered["main"]);
    }
}
