//! `storage`: objects, and sets of objects that exist only when their last one is written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use archive::layout::{BackupFolder, MANIFESTS};
use manifest::StorageRight;
use wasmtime::component::Resource;

use super::context::{BoundStorage, StepContext, Unfinished, Unpublished, UnpublishedDraft};
use super::streams::ByteSource;
use super::v0_1_0::orchestrator::plugin::storage::{
    Hold, Host, HostDraft, HostStore, Object, Range,
};
use super::v0_1_0::orchestrator::plugin::streams::TransferOptions;
use crate::failure::{Failure, FailureKind};
use crate::storage::{Key, ObjectInfo, Storage};
use crate::transfer::{Keys, Source, Transfer, encryption, object};

/// What a plugin holds as a `store`.
pub struct Store {
    binding: String,
    storage: BoundStorage,
}

/// What a plugin holds as a `draft`.
pub struct Draft {
    binding: String,
    storage: BoundStorage,
    prefix: String,
    puts: Arc<Puts>,
}

/// The objects of a draft: it is published only when all that were begun are whole.
#[derive(Default)]
struct Puts {
    begun: AtomicUsize,
    stored: AtomicUsize,
}

impl StepContext {
    fn right(
        &self,
        store: &Resource<Store>,
        right: StorageRight,
    ) -> Result<(String, Arc<dyn Storage>), Failure> {
        let store = self.held(store)?;
        self.grants.storage(&store.binding, right)?;
        Ok((store.binding.clone(), store.storage.objects.clone()))
    }
}

impl Host for StepContext {
    async fn open(&mut self, binding: String) -> Result<Resource<Store>, Failure> {
        self.grants.any_storage(&binding)?;
        let storage = self
            .bindings
            .storage
            .get(&binding)
            .ok_or_else(|| Failure::not_found(format!("there is no storage named {binding:?}")))?
            .clone();
        self.keep(Store { binding, storage })
    }
}

impl HostStore for StepContext {
    async fn list(
        &mut self,
        store: Resource<Store>,
        prefix: String,
        after: Option<String>,
    ) -> Result<Vec<Object>, Failure> {
        let (_, storage) = self.right(&store, StorageRight::Read)?;
        let after = after.map(|key| parse_key(&key)).transpose()?;
        self.stop
            .race(async {
                Ok(storage
                    .list(&prefix, after.as_ref())
                    .await?
                    .into_iter()
                    .map(described)
                    .collect())
            })
            .await
    }

    async fn folders(
        &mut self,
        store: Resource<Store>,
        prefix: String,
    ) -> Result<Vec<String>, Failure> {
        let (_, storage) = self.right(&store, StorageRight::Read)?;
        self.stop
            .race(async { Ok(storage.folders(&prefix).await?) })
            .await
    }

    async fn head(
        &mut self,
        store: Resource<Store>,
        key: String,
    ) -> Result<Option<Object>, Failure> {
        let (_, storage) = self.right(&store, StorageRight::Read)?;
        let key = parse_key(&key)?;
        self.stop
            .race(async { Ok(storage.head(&key).await?.map(described)) })
            .await
    }

    async fn get(
        &mut self,
        store: Resource<Store>,
        key: String,
        range: Option<Range>,
    ) -> Result<Resource<ByteSource>, Failure> {
        let (_, storage) = self.right(&store, StorageRight::Read)?;
        let key = parse_key(&key)?;
        let range = match range {
            Some(range) => Some(
                range.offset
                    ..range.offset.checked_add(range.bytes).ok_or_else(|| {
                        Failure::invalid_input("the range ends beyond any object")
                    })?,
            ),
            None => None,
        };
        let label = key.to_string();
        let source = Source::new(Source::deferred(async move {
            use futures_util::{StreamExt, TryStreamExt};
            let stream = storage.get(&key, range).await?;
            Ok(stream.map_err(Failure::from).boxed())
        }));
        self.keep(ByteSource::new(source, label))
    }

    async fn hold(&mut self, store: Resource<Store>, key: String) -> Result<Option<Hold>, Failure> {
        let (_, storage) = self.right(&store, StorageRight::Read)?;
        let key = parse_key(&key)?;
        let told = |hold: crate::storage::Hold| Hold {
            until: hold.until,
            legal: hold.legal,
        };
        self.stop
            .race(async { Ok(storage.hold(&key).await?.map(told)) })
            .await
    }

    async fn delete(&mut self, store: Resource<Store>, keys: Vec<String>) -> Result<(), Failure> {
        let (binding, storage) = self.right(&store, StorageRight::Delete)?;
        let keys = keys
            .iter()
            .map(|key| parse_key(key))
            .collect::<Result<Vec<_>, _>>()?;
        // Without its manifest it is no backup any more. What is left of it goes at the end of the step, or at the next start when the
        // process is killed: nobody would ever find it again.
        let ending = self.stop.race(whole_backups(storage.as_ref(), &keys));
        for folder in ending.await? {
            self.unfinished
                .draft_opened(&binding, &storage.location(), &folder)?;
            self.unpublished.add(UnpublishedDraft {
                binding: binding.clone(),
                storage: storage.clone(),
                prefix: folder,
                is_deletion: true,
            });
        }
        self.stop
            .race(async { Ok(storage.delete(&keys).await?) })
            .await
    }

    async fn create(
        &mut self,
        store: Resource<Store>,
        prefix: String,
    ) -> Result<Resource<Draft>, Failure> {
        let (binding, storage) = self.right(&store, StorageRight::Write)?;
        let keys = self.held(&store)?.storage.keys.clone();
        let prefix = parse_key(prefix.trim_end_matches('/'))?.to_string();
        let present = self
            .stop
            .race(async { Ok(storage.list(&format!("{prefix}/"), None).await?) })
            .await?;
        if !present.is_empty() {
            return Err(Failure::new(
                FailureKind::AlreadyExists,
                format!("{prefix} in {} holds objects already", storage.location()),
            ));
        }
        self.unfinished
            .draft_opened(&binding, &storage.location(), &prefix)?;
        self.unpublished.add(UnpublishedDraft {
            binding: binding.clone(),
            storage: storage.clone(),
            prefix: prefix.clone(),
            is_deletion: false,
        });
        self.keep(Draft {
            binding,
            storage: BoundStorage {
                objects: storage,
                keys,
            },
            prefix,
            puts: Arc::default(),
        })
    }

    async fn encrypts(&mut self, store: Resource<Store>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&store)?.storage.keys.encrypts())
    }

    async fn decrypt(
        &mut self,
        store: Resource<Store>,
        source: Resource<ByteSource>,
    ) -> Result<Resource<ByteSource>, Failure> {
        let keys = self.held(&store)?.storage.keys.clone();
        let held = self.released(source)?;
        let label = held.label().to_owned();
        let source = held
            .into_source()
            .recount(|chunks| encryption::decrypt(chunks, keys, label.clone()));
        self.keep(ByteSource::new(source, label))
    }

    async fn drop(&mut self, store: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl HostDraft for StepContext {
    async fn put(
        &mut self,
        draft: Resource<Draft>,
        name: String,
        sources: Vec<Resource<ByteSource>>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        self.put_as(Form::Plain, draft, &name, sources, options)
    }

    async fn put_encrypted(
        &mut self,
        draft: Resource<Draft>,
        name: String,
        sources: Vec<Resource<ByteSource>>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        self.put_as(Form::Encrypted, draft, &name, sources, options)
    }

    async fn publish(
        &mut self,
        draft: Resource<Draft>,
        name: String,
        bytes: Vec<u8>,
    ) -> Result<(), Failure> {
        let sources = vec![Source::from_bytes(bytes.into())];
        self.publish_as(Form::Plain, draft, &name, sources).await
    }

    async fn publish_encrypted(
        &mut self,
        draft: Resource<Draft>,
        name: String,
        bytes: Vec<u8>,
    ) -> Result<(), Failure> {
        let sources = vec![Source::from_bytes(bytes.into())];
        self.publish_as(Form::Encrypted, draft, &name, sources)
            .await
    }

    async fn publish_sources(
        &mut self,
        draft: Resource<Draft>,
        name: String,
        sources: Vec<Resource<ByteSource>>,
    ) -> Result<(), Failure> {
        let sources = self.sources(sources)?;
        self.publish_as(Form::Plain, draft, &name, sources).await
    }

    async fn publish_sources_encrypted(
        &mut self,
        draft: Resource<Draft>,
        name: String,
        sources: Vec<Resource<ByteSource>>,
    ) -> Result<(), Failure> {
        let sources = self.sources(sources)?;
        self.publish_as(Form::Encrypted, draft, &name, sources)
            .await
    }

    async fn drop(&mut self, draft: Resource<Draft>) -> wasmtime::Result<()> {
        // What it wrote is removed at the end of the step, when nothing writes any more.
        self.table.delete(draft)?;
        Ok(())
    }
}

/// How a plugin wants an object stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Plain,
    Encrypted,
}

impl StepContext {
    /// What a sink is given, each in its place before the session that it is read from.
    fn sources(&mut self, sources: Vec<Resource<ByteSource>>) -> Result<Vec<Source>, Failure> {
        let sources = sources
            .into_iter()
            .map(|source| Ok(self.released(source)?.into_source()))
            .collect::<Result<Vec<_>, Failure>>()?;
        sources.iter().for_each(Source::claim);
        Ok(sources)
    }

    fn put_as(
        &mut self,
        form: Form,
        draft: Resource<Draft>,
        name: &str,
        sources: Vec<Resource<ByteSource>>,
        options: TransferOptions,
    ) -> Result<Resource<Transfer>, Failure> {
        let sources = self.sources(sources)?;
        let draft = self.held(&draft)?;
        let key = draft.key(form, name)?;
        let (BoundStorage { objects, keys }, puts) = (draft.storage.clone(), draft.puts.clone());
        let of_draft = puts.clone();
        let meters = sources.iter().map(Source::meter).collect();
        let expected = (options.expected_bytes > 0).then_some(options.expected_bytes);
        let transfer =
            self.tasks
                .start(options.label, options.expected_bytes, meters, async move {
                    let writer = objects.create(&key, expected).await?;
                    let receipt = object::store_in_set(sources, form.keys(&keys), writer).await?;
                    puts.stored.fetch_add(1, Ordering::SeqCst);
                    Ok(receipt)
                })?;
        of_draft.begun.fetch_add(1, Ordering::SeqCst);
        self.keep(transfer)
    }

    async fn publish_as(
        &mut self,
        form: Form,
        draft: Resource<Draft>,
        name: &str,
        sources: Vec<Source>,
    ) -> Result<(), Failure> {
        let draft = self.released(draft)?;
        let (begun, stored) = (
            draft.puts.begun.load(Ordering::SeqCst),
            draft.puts.stored.load(Ordering::SeqCst),
        );
        if begun != stored {
            return Err(Failure::conflict(format!(
                "{} cannot be published: {} of its {begun} objects are not whole",
                draft.prefix,
                begun - stored
            )));
        }
        let key = draft.key(form, name)?;
        let work = publish(
            &draft,
            form,
            &key,
            sources,
            &self.unpublished,
            self.unfinished.as_ref(),
        );
        self.stop.race(work).await
    }
}

impl Form {
    fn keys(self, keys: &Keys) -> Option<&Keys> {
        (self == Self::Encrypted).then_some(keys)
    }
}

impl Draft {
    /// The key of an object, when the operator wants objects of this form.
    fn key(&self, form: Form, name: &str) -> Result<Key, Failure> {
        match (form, self.storage.keys.encrypts()) {
            (Form::Plain, true) => {
                return Err(Failure::refused(format!(
                    "the storage {} takes encrypted objects alone, and {name} is not",
                    self.binding
                ))
                .hint("this plugin does not know of encryption: use a newer one, or a storage without age_recipients"));
            }
            (Form::Encrypted, false) => {
                return Err(Failure::invalid_input(format!(
                    "{name} cannot be encrypted: the storage {} names no recipients",
                    self.binding
                )));
            }
            _ => {}
        }
        if (form == Form::Encrypted) != name.ends_with(".age") {
            return Err(Failure::invalid_input(format!(
                "names of encrypted objects end in .age, and no others: {name}"
            )));
        }
        parse_key(&format!("{}/{name}", self.prefix))
    }
}

async fn publish(
    draft: &Draft,
    form: Form,
    key: &Key,
    sources: Vec<Source>,
    unpublished: &Unpublished,
    unfinished: &dyn Unfinished,
) -> Result<(), Failure> {
    let BoundStorage { objects, keys } = &draft.storage;
    // Nobody writes below this prefix any more. What is unfinished there was begun by a request whose answer was lost, and nobody
    // else would ever find it; the backup is whole all the same.
    if let Err(error) = objects
        .remove_unfinished(&format!("{}/", draft.prefix))
        .await
    {
        tracing::debug!(%error, "looking for unfinished uploads");
    }
    objects.persist(&format!("{}/", draft.prefix)).await?;
    let writer = objects.create(key, None).await?;
    object::store(sources, form.keys(keys), writer).await?;
    // No await from here on: a cancellation cannot come between the object and its record.
    unpublished.published(&draft.binding, &draft.prefix);
    unfinished.draft_closed(&draft.binding, &draft.prefix);
    Ok(())
}

/// The folders of the backups that exist by objects of these keys.
async fn whole_backups(storage: &dyn Storage, keys: &[Key]) -> Result<BTreeSet<String>, Failure> {
    let mut folders = BTreeSet::new();
    for key in keys {
        if let Some(folder) = folder_of_manifest(key)
            && storage.head(key).await?.is_some()
        {
            folders.insert(folder.to_owned());
        }
    }
    Ok(folders)
}

/// The folder of a backup, of the key of its manifest. What others call `manifest.json` makes no backup of the folder that it lies in.
fn folder_of_manifest(key: &Key) -> Option<&str> {
    let (folder, name) = key.as_str().rsplit_once('/')?;
    let mut parts = folder.rsplitn(3, '/');
    let (id, database) = (parts.next()?, parts.next()?);
    let is_of_backup = BackupFolder::parse(&format!("{database}/{id}")).is_ok();
    (is_of_backup && MANIFESTS.contains(&name)).then_some(folder)
}

fn parse_key(key: &str) -> Result<Key, Failure> {
    Ok(Key::parse(key)?)
}

fn described(info: ObjectInfo) -> Object {
    Object {
        key: info.key.to_string(),
        bytes: info.bytes,
        modified: info.modified,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::storage::Folder;

    #[tokio::test]
    async fn a_backup_ends_with_its_own_manifest_alone() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Folder::new(folder.path());
        let id = "2026-01-17T02-00-00Z-full-0a1b2c3d";
        let stored = [
            "manifest.json".to_owned(),
            "reports/manifest.json".to_owned(),
            "app/manifest.json".to_owned(),
            format!("{id}/manifest.json"),
            format!("app/{id}/manifest.json"),
            format!("app/{id}/toc.dat"),
            format!("shop/{id}/manifest.json.age"),
            format!("team/my%2Fapp/{id}/manifest.json"),
            format!("app/{id}/notes/manifest.json"),
        ];
        let mut keys = Vec::new();
        for key in &stored {
            let key = Key::parse(key).unwrap();
            let mut writer = storage.create(&key, None).await.unwrap();
            writer.write(Bytes::from_static(b"{}")).await.unwrap();
            writer.finish().await.unwrap();
            keys.push(key);
        }
        // One that is not there ends nothing.
        keys.push(Key::parse(&format!("gone/{id}/manifest.json")).unwrap());
        let ending = whole_backups(&storage, &keys).await.unwrap();
        let expected = ["app", "shop", "team/my%2Fapp"].map(|name| format!("{name}/{id}"));
        assert_eq!(ending.into_iter().collect::<Vec<_>>(), expected);
    }
}
