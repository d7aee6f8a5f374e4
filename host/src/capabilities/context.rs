//! What one step may reach, and what it has told so far: the data of its store.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use archive::layout::MANIFESTS;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wasmtime::component::ResourceTable;

use super::growth::Watcher;
use super::scratch::Scratches;
use crate::database::ConnectionSettings;
use crate::failure::{Failure, FailureKind};
use crate::plugins::grants::Grants;
use crate::plugins::limits::{MemoryLimiter, StepLimits};
use crate::snapshots::ManagedServer;
use crate::storage::{self, Key, Storage, StorageError, StorageErrorKind};
use crate::transfer::{Keys, Progress, Tasks};

/// What the names that a plugin knows stand for.
#[derive(Clone, Default)]
pub struct Bindings {
    /// By the name of the binding.
    pub databases: BTreeMap<String, ConnectionSettings>,
    /// The same as the operator reaches them, where a step has a role of its own.
    pub watched_as: BTreeMap<String, ConnectionSettings>,
    /// By the name of the binding.
    pub storage: BTreeMap<String, BoundStorage>,
    /// By the name of the binding.
    pub folders: BTreeMap<String, PathBuf>,
    /// By the name of the database that is on it.
    pub servers: BTreeMap<String, Arc<dyn ManagedServer>>,
}

/// Where objects lie, and how they are encrypted there.
#[derive(Clone)]
pub struct BoundStorage {
    /// The objects, as stored.
    pub objects: Arc<dyn Storage>,
    /// Recipients and identities.
    pub keys: Keys,
}

/// Hears of what a step begins before there is anything of it, and after it is whole or removed; and of what it tells.
pub trait Unfinished: Send + Sync {
    /// A set of objects. Fails when the record cannot be kept: then nothing is written.
    fn draft_opened(&self, storage: &str, location: &str, prefix: &str) -> Result<(), Failure>;
    /// It was published, or removed.
    fn draft_closed(&self, storage: &str, prefix: &str);
    /// A scratch database. Fails when the record cannot be kept: then it is not created.
    fn scratch_opened(&self, database: &str, server: &str, name: &str) -> Result<(), Failure>;
    /// No database has the name any more.
    fn scratch_closed(&self, name: &str);
    /// A fact of the run, as soon as it is told, so that a run that is cut has it.
    fn told(&self, _key: &str, _value: &serde_json::Value) {}
}

/// Why a step must end. One for each step; cheap to clone.
///
/// A plugin is told once: the host call that is under way, or the next one, fails. Calls after it work again for the grace
/// time, so that the plugin can undo what it had begun; then everything fails, and the component is ended.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    over: CancellationToken,
    told: Arc<AtomicBool>,
    has_exceeded: Arc<AtomicBool>,
    reason: Arc<OnceLock<Failure>>,
}

impl Stop {
    /// Ends with `parent` too.
    pub fn below(parent: &CancellationToken) -> Self {
        Self {
            token: parent.child_token(),
            ..Self::default()
        }
    }

    /// Ends the grace time when it has passed. To be awaited beside the step.
    pub async fn watch(self, grace: Duration) {
        self.token.cancelled().await;
        tokio::time::sleep(grace).await;
        self.over.cancel();
    }

    /// Whether the grace time has passed too.
    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// For new background work: what the plugin begins after it was told belongs to its undoing.
    fn for_new_work(&self) -> CancellationToken {
        let told = self.told.load(Ordering::SeqCst);
        if told {
            self.over.child_token()
        } else {
            self.token.child_token()
        }
    }

    /// Cancelled when the step must end, for whatever reason.
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The deadline of the step has passed.
    pub fn deadline(&self) {
        self.end(
            Failure::new(FailureKind::Timeout, "the step's deadline has passed")
                .hint("raise `deadline` in the limits"),
        );
    }

    /// The step uses up what is not its own: there is no time to go on with that.
    pub fn exceeded(&self, failure: Failure) {
        self.has_exceeded.store(true, Ordering::SeqCst);
        self.end(failure);
        self.over.cancel();
    }

    /// Somebody wants the run to end.
    pub fn cancel(&self) {
        self.end(Failure::cancelled());
    }

    /// The first reason stays.
    fn end(&self, reason: Failure) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Whether the step must end.
    pub fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// What the step used up that is not its own: then it has failed, whatever the plugin says.
    pub fn excess(&self) -> Option<Failure> {
        let has_exceeded = self.has_exceeded.load(Ordering::SeqCst);
        has_exceeded.then(|| self.failure())
    }

    /// The reason, once the step must end.
    pub fn failure(&self) -> Failure {
        self.reason
            .get()
            .cloned()
            .unwrap_or_else(Failure::cancelled)
    }

    /// Waits for `work`, but no longer than until the step must end (or, once the plugin was told, until its grace is over).
    pub async fn race<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let told = self.told.load(Ordering::SeqCst);
        let token = if told { &self.over } else { &self.token };
        match token.run_until_cancelled(work).await {
            Some(Err(failure)) if failure.kind == FailureKind::Cancelled && self.is_stopped() => {
                self.told.store(true, Ordering::SeqCst);
                Err(self.failure())
            }
            Some(result) => result,
            None => {
                self.told.store(true, Ordering::SeqCst);
                Err(self.failure())
            }
        }
    }
}

/// What a step told about itself.
#[derive(Clone, Debug, Default)]
pub struct StepReport {
    /// Each in one sentence.
    pub warnings: Vec<String>,
    /// For the report and the deployment log.
    pub facts: BTreeMap<String, serde_json::Value>,
}

/// The data of one step's store.
pub struct StepContext {
    pub(super) table: ResourceTable,
    pub(crate) limiter: MemoryLimiter,
    pub(super) bindings: Bindings,
    pub(super) grants: Grants,
    pub(super) tasks: Arc<Tasks>,
    pub(super) progress: Progress,
    pub(super) stop: Stop,
    pub(super) unfinished: Arc<dyn Unfinished>,
    pub(super) unpublished: Unpublished,
    pub(super) scratches: Scratches,
    pub(super) run: Uuid,
    pub(super) random: u64,
    pub(super) log_bytes_left: usize,
    pub(super) report: StepReport,
    pub(super) report_bytes_left: usize,
    /// More warnings came than are kept, and that was said.
    pub(super) warnings_cut: bool,
    pub(super) connections: Arc<AtomicUsize>,
    /// Bytes that the plugin handed over and that nobody has read yet.
    pub(super) handed_over: Arc<AtomicUsize>,
    /// The name of a plugin that is not built in.
    pub(super) configured: Option<String>,
    /// Databases that were connected to, by the names of their bindings.
    pub(super) reached: BTreeSet<String>,
    /// By the names of the databases, of a plugin that is not built in.
    pub(super) watchers: BTreeMap<String, Watcher>,
}

/// Everything that a step's context is made of.
pub struct StepSetup {
    /// What the names lead to.
    pub bindings: Bindings,
    /// What the step may do.
    pub grants: Grants,
    /// Where others watch it.
    pub progress: Progress,
    /// When it must end.
    pub stop: Stop,
    /// Where half backups and scratch databases are remembered.
    pub unfinished: Arc<dyn Unfinished>,
    /// The run that it is a step of.
    pub run: Uuid,
    /// The same seed gives the plugin the same random numbers.
    pub seed: u64,
    /// The name of a plugin that is not built in: its lines in the log begin with it.
    pub configured: Option<String>,
}

impl StepContext {
    /// A context in which nothing has happened yet.
    pub fn new(setup: StepSetup) -> Self {
        let limits = &setup.grants.limits;
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.resources);
        Self {
            table,
            limiter: MemoryLimiter::new(limits.memory_bytes),
            tasks: Arc::new(Tasks::new(
                {
                    let stop = setup.stop.clone();
                    move || stop.for_new_work()
                },
                setup.progress.clone(),
                limits.transfers,
            )),
            log_bytes_left: limits.log_bytes,
            report_bytes_left: limits.result_bytes,
            bindings: setup.bindings,
            grants: setup.grants,
            progress: setup.progress,
            stop: setup.stop,
            unfinished: setup.unfinished,
            unpublished: Unpublished::default(),
            scratches: Scratches::default(),
            run: setup.run,
            random: setup.seed,
            report: StepReport::default(),
            warnings_cut: false,
            connections: Arc::default(),
            handed_over: Arc::default(),
            configured: setup.configured,
            reached: BTreeSet::new(),
            watchers: BTreeMap::new(),
        }
    }

    /// Ends all background work and removes what was not published. The step is over only after this.
    pub fn closing(&self) -> impl Future<Output = Vec<String>> + Send + use<> {
        let tasks = self.tasks.clone();
        let unpublished = self.unpublished.clone();
        let scratches = self.scratches.clone();
        let unfinished = self.unfinished.clone();
        async move {
            tasks.close().await;
            let mut leftovers = scratches.close(unfinished.as_ref()).await;
            leftovers.extend(remove_all(&unpublished, unfinished.as_ref()).await);
            leftovers
        }
    }

    /// What the step may use up.
    pub fn limits(&self) -> &StepLimits {
        &self.grants.limits
    }

    /// Takes what the step told.
    pub fn report(&mut self) -> StepReport {
        std::mem::take(&mut self.report)
    }
}

/// A set of objects that does not exist yet.
#[derive(Clone)]
pub(super) struct UnpublishedDraft {
    pub binding: String,
    pub storage: Arc<dyn Storage>,
    pub prefix: String,
    /// It was a whole backup, whose deletion was asked for.
    pub is_deletion: bool,
}

impl UnpublishedDraft {
    /// The keys of the object that makes it a backup.
    fn manifests(&self) -> Result<Vec<Key>, StorageError> {
        let key = |name| Key::parse(&format!("{}/{name}", self.prefix));
        MANIFESTS.iter().map(key).collect()
    }
}

/// What was begun and not published, and backups whose deletion was begun. Returns what could not be removed, and what nobody
/// knows of that was, each in one sentence.
async fn remove_all(unpublished: &Unpublished, unfinished: &dyn Unfinished) -> Vec<String> {
    let mut leftovers = Vec::new();
    for draft in unpublished.take() {
        let is_unanswered = draft.is_deletion && is_whole(&draft).await;
        let removed = remove(&draft).await;
        let UnpublishedDraft {
            binding,
            storage,
            prefix,
            ..
        } = &draft;
        let location = storage.location();
        let Err(error) = removed else {
            unfinished.draft_closed(binding, prefix);
            // The plugin does not know of it, so that nobody else tells.
            if is_unanswered {
                leftovers.push(format!(
                    "the backup {prefix} in {location} is deleted: that was asked for, and answered by the storage at the end of the step alone"
                ));
            }
            continue;
        };
        leftovers.push(match is_whole(&draft).await {
            true => {
                // Where the storage has said no, nothing is on its way that could still make half a backup of it.
                if error.kind() == StorageErrorKind::AccessDenied {
                    unfinished.draft_closed(binding, prefix);
                }
                format!("the backup {prefix} in {location} could not be deleted, and is whole: {error}")
            }
            false => format!(
                "could not remove the unfinished {prefix} in {location}: {error}; the next start tries again"
            ),
        });
    }
    leftovers
}

/// The manifest goes first: it may be there although the answer to it was lost, and half a removal must not look like a backup.
async fn remove(draft: &UnpublishedDraft) -> Result<(), StorageError> {
    draft.storage.delete(&draft.manifests()?).await?;
    storage::remove_all(draft.storage.as_ref(), &draft.prefix).await
}

/// Whether its manifest is there, as far as the storage says.
async fn is_whole(draft: &UnpublishedDraft) -> bool {
    for manifest in draft.manifests().unwrap_or_default() {
        if let Ok(Some(_)) = draft.storage.head(&manifest).await {
            return true;
        }
    }
    false
}

/// Those of one step; emptied by `publish`, or at the end of the step.
#[derive(Clone, Default)]
pub(super) struct Unpublished(Arc<Mutex<Vec<UnpublishedDraft>>>);

impl Unpublished {
    fn list(&self) -> std::sync::MutexGuard<'_, Vec<UnpublishedDraft>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add(&self, draft: UnpublishedDraft) {
        self.list().push(draft);
    }

    pub fn published(&self, binding: &str, prefix: &str) {
        self.list()
            .retain(|draft| draft.binding != binding || draft.prefix != prefix);
    }

    fn take(&self) -> Vec<UnpublishedDraft> {
        std::mem::take(&mut self.list())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Folder;
    use crate::storage::faulty::{Fault, FaultyStorage};

    #[tokio::test]
    async fn a_stopped_step_waits_no_longer_and_says_why() {
        let stop = Stop::default();
        stop.deadline();
        stop.cancel();
        assert!(!stop.is_over());
        let failure = stop
            .race(std::future::pending::<Result<(), Failure>>())
            .await
            .unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout);
        // Told once; then there is time to undo, and an end to it.
        assert!(stop.race(async { Ok(()) }).await.is_ok());
        stop.clone().watch(Duration::ZERO).await;
        assert!(
            stop.race(std::future::pending::<Result<(), Failure>>())
                .await
                .is_err()
        );
    }
    #[derive(Default)]
    struct Closed(Mutex<Vec<String>>);

    impl Unfinished for Closed {
        fn draft_opened(&self, _: &str, _: &str, _: &str) -> Result<(), Failure> {
            Ok(())
        }

        fn draft_closed(&self, _: &str, prefix: &str) {
            self.0.lock().unwrap().push(prefix.to_owned());
        }

        fn scratch_opened(&self, _: &str, _: &str, _: &str) -> Result<(), Failure> {
            Ok(())
        }

        fn scratch_closed(&self, _: &str) {}
    }

    #[tokio::test]
    async fn a_backup_that_the_storage_does_not_let_go_is_whole() {
        let prefix = "app/2026-01-17T02-00-00Z-full-0a1b2c3d";
        for (kind, manifest, said, closed) in [
            (
                StorageErrorKind::AccessDenied,
                "manifest.json",
                "is whole: ",
                1,
            ),
            (
                StorageErrorKind::Unavailable,
                "manifest.json",
                "is whole: ",
                0,
            ),
            (
                StorageErrorKind::AccessDenied,
                "toc.dat",
                "remove the unfinished ",
                0,
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let inner = Folder::new(folder.path());
            let key = Key::parse(&format!("{prefix}/{manifest}")).unwrap();
            let mut writer = inner.create(&key, None).await.unwrap();
            writer.write("{}".into()).await.unwrap();
            writer.finish().await.unwrap();
            let unpublished = Unpublished::default();
            unpublished.add(UnpublishedDraft {
                binding: "main".into(),
                storage: Arc::new(FaultyStorage::new(
                    Arc::new(inner),
                    Fault::Fail { calls: 1, kind },
                )),
                prefix: prefix.into(),
                is_deletion: false,
            });
            let unfinished = Closed::default();
            let told = remove_all(&unpublished, &unfinished).await;
            assert!(told.len() == 1 && told[0].contains(said), "{told:?}");
            assert_eq!(unfinished.0.lock().unwrap().len(), closed, "{told:?}");
        }
    }

    #[tokio::test]
    async fn a_deletion_that_nobody_was_told_of_is_told() {
        let prefix = "app/2026-01-17T02-00-00Z-full-0a1b2c3d";
        for (manifest, is_deletion, is_told) in [
            ("manifest.json", true, true),
            // The plugin was answered, and has told of it; what is left are its other objects.
            ("toc.dat", true, false),
            // Half a backup was never one.
            ("manifest.json", false, false),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let storage = Folder::new(folder.path());
            let key = Key::parse(&format!("{prefix}/{manifest}")).unwrap();
            let mut writer = storage.create(&key, None).await.unwrap();
            writer.write("{}".into()).await.unwrap();
            writer.finish().await.unwrap();
            let unpublished = Unpublished::default();
            unpublished.add(UnpublishedDraft {
                binding: "main".into(),
                storage: Arc::new(storage),
                prefix: prefix.into(),
                is_deletion,
            });
            let unfinished = Closed::default();
            let told = remove_all(&unpublished, &unfinished).await;
            let expected = format!("the backup {prefix} in ");
            assert_eq!(told.len(), usize::from(is_told), "{told:?}");
            assert!(told.iter().all(|told| told.starts_with(&expected)));
            assert_eq!(*unfinished.0.lock().unwrap(), [prefix]);
            assert!(!folder.path().join(prefix).exists());
        }
    }
}
