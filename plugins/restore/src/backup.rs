//! A backup in a storage: its manifest and its table of contents, held against each other and against what is stored.

use std::collections::{BTreeMap, HashMap};

use archive::manifest::{Chunk, StoredObject, TableData};
use archive::table_of_large_objects::LargeObject;
use archive::{Compression, Entry, Manifest, TableOfLargeObjects, Toc, layout};
use orchestrator_sdk::storage::{self, Range, Store};
use orchestrator_sdk::streams::ByteSource;
use orchestrator_sdk::{Error, ErrorKind};

use crate::entries::describe;
use crate::selection::Selection;

/// A manifest, a table of contents or a table of large objects that is longer than this is none.
const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A backup that is whole as far as names and lengths tell.
#[derive(Debug)]
pub struct Backup {
    store: Store,
    prefix: String,
    /// What is stored.
    pub manifest: Manifest,
    /// What to restore.
    pub toc: Toc,
    /// By the dump id of their BLOBS entry.
    large_objects: BTreeMap<u32, Vec<LargeObject>>,
}

impl Backup {
    /// Reads the manifest and the table of contents, and looks at the names and lengths of all objects.
    pub fn open(binding: &str, prefix: &str) -> Result<Backup, Error> {
        let store = storage::open(binding)?;
        let manifest = read_manifest(&store, prefix)?;
        compare_lengths(&store, prefix, &manifest)?;
        let key = format!("{prefix}/{}", layout::TOC);
        let toc = Toc::read(&read_checked(&store, prefix, &manifest, layout::TOC)?)
            .map_err(|error| corrupt(&key, error))?;
        let mut backup = Backup {
            store,
            prefix: prefix.to_owned(),
            manifest,
            toc,
            large_objects: BTreeMap::new(),
        };
        backup.read_large_objects()?;
        check_entries(&backup.manifest, &backup.toc)?;
        Ok(backup)
    }

    /// The bytes of a data file as they were dumped, which fail at their end when they are not those of the manifest.
    pub fn read_data(&self, filename: &str) -> Result<ByteSource, Error> {
        let object = self.data_object(filename)?;
        let mut source = self.read_object(object)?;
        if self.manifest.archive.encryption.is_some() {
            source = self.store.decrypt(source)?;
        }
        self.decompress(source)
    }

    /// The bytes of one chunk of a data file as they were dumped, checked against the chunk's own digest.
    pub fn read_chunk(&self, object: &StoredObject, chunk: &Chunk) -> Result<ByteSource, Error> {
        let key = format!("{}/{}", self.prefix, object.name);
        let range = Range {
            offset: chunk.offset,
            bytes: chunk.bytes,
        };
        let source = self.store.get(&key, Some(range))?;
        let digest = chunk.sha256.as_deref().unwrap_or_default();
        self.decompress(ByteSource::expect(source, chunk.bytes, digest)?)
    }

    fn decompress(&self, source: ByteSource) -> Result<ByteSource, Error> {
        match self.toc.header.compression {
            Compression::None => Ok(source),
            Compression::Gzip(_) => Ok(ByteSource::gunzip(source)),
            Compression::Lz4 => ByteSource::unlz4(source),
            Compression::Zstd => ByteSource::unzstd(source),
        }
    }

    /// The bytes of an object as stored, which fail at their end when they are not those of the manifest.
    pub fn read_object(&self, object: &StoredObject) -> Result<ByteSource, Error> {
        let source = self
            .store
            .get(&format!("{}/{}", self.prefix, object.name), None)?;
        ByteSource::expect(source, object.bytes, &object.sha256)
    }

    /// What the manifest says of the rows of a TABLE DATA entry.
    pub fn table(&self, entry: &Entry) -> Result<&TableData, Error> {
        self.data_object(&entry.filename)?
            .table
            .as_ref()
            .ok_or_else(|| {
                corrupt(
                    &entry.filename,
                    "the manifest does not say that it holds a table's rows",
                )
            })
    }

    /// The object that holds a data file, as the manifest knows it.
    pub fn data_object(&self, filename: &str) -> Result<&StoredObject, Error> {
        stored(&self.manifest, &self.toc, filename)
    }

    /// The large objects whose bytes belong to a BLOBS entry.
    pub fn large_objects(&self, entry: &Entry) -> &[LargeObject] {
        self.large_objects
            .get(&entry.dump_id)
            .map_or(&[], Vec::as_slice)
    }

    /// The objects whose bytes a restore of these entries reads, once each.
    pub fn needed(&self, selection: &Selection) -> Result<Vec<&StoredObject>, Error> {
        let mut needed: BTreeMap<&str, &StoredObject> = BTreeMap::new();
        for (index, entry) in self.toc.entries.iter().enumerate() {
            if !entry.had_dumper
                || !(selection.data(index) || selection.deployment_log == Some(index))
            {
                continue;
            }
            let mut names: Vec<&str> = self
                .large_objects(entry)
                .iter()
                .map(|object| object.filename.as_str())
                .collect();
            if entry.desc != "BLOBS" {
                names.push(&entry.filename);
            }
            for name in names {
                let object = self.data_object(name)?;
                needed.insert(&object.name, object);
            }
        }
        Ok(needed.into_values().collect())
    }

    fn read_large_objects(&mut self) -> Result<(), Error> {
        for entry in self
            .toc
            .entries
            .iter()
            .filter(|entry| entry.desc == "BLOBS")
        {
            let name = if entry.filename.is_empty() {
                layout::TABLE_OF_LARGE_OBJECTS
            } else {
                &entry.filename
            };
            let bytes = read_checked(&self.store, &self.prefix, &self.manifest, name)?;
            let table = TableOfLargeObjects::read(&bytes).map_err(|error| corrupt(name, error))?;
            for object in &table.large_objects {
                stored(&self.manifest, &self.toc, &object.filename)?;
            }
            self.large_objects
                .insert(entry.dump_id, table.large_objects);
        }
        Ok(())
    }
}

fn read_manifest(store: &Store, prefix: &str) -> Result<Manifest, Error> {
    for name in layout::MANIFESTS {
        let key = format!("{prefix}/{name}");
        if store.head(&key)?.is_some() {
            let bytes = store.read(&key, FILE_BYTES_MAX)?;
            return Manifest::read(&bytes).map_err(|error| corrupt(&key, error));
        }
    }
    Err(Error::not_found(format!(
        "there is no backup at {prefix}: {} does not exist",
        layout::MANIFEST
    ))
    .hint("`orchestrator backup list` shows the backups there are"))
}

/// Names the objects that are missing or have another length than the manifest says.
fn compare_lengths(store: &Store, prefix: &str, manifest: &Manifest) -> Result<(), Error> {
    let mut lengths = HashMap::new();
    store.for_each(&format!("{prefix}/"), |object| {
        lengths.insert(object.key[prefix.len() + 1..].to_owned(), object.bytes);
        Ok(())
    })?;
    let problems = differences(manifest, &lengths);
    if problems.is_empty() {
        return Ok(());
    }
    Err(unusable(Error::corrupt(format!(
        "the backup at {prefix} is not whole: {}",
        problems.join("; ")
    ))))
}

fn differences(manifest: &Manifest, lengths: &HashMap<String, u64>) -> Vec<String> {
    let difference = |object: &StoredObject| match lengths.get(&object.name) {
        None => Some(format!("{} is missing", object.name)),
        Some(bytes) if *bytes != object.bytes => Some(format!(
            "{} has {bytes} bytes instead of {}",
            object.name, object.bytes
        )),
        Some(_) => None,
    };
    manifest.objects.iter().filter_map(difference).collect()
}

/// A small file of the backup, in full and checked.
fn read_checked(
    store: &Store,
    prefix: &str,
    manifest: &Manifest,
    name: &str,
) -> Result<Vec<u8>, Error> {
    let object = manifest
        .file(name)
        .ok_or_else(|| corrupt(prefix, format!("the manifest does not name {name}")))?;
    let source = store.get(&format!("{prefix}/{}", object.name), None)?;
    let mut source = ByteSource::expect(source, object.bytes, &object.sha256)?;
    if manifest.archive.encryption.is_some() {
        source = store.decrypt(source)?;
    }
    source
        .read_all(FILE_BYTES_MAX)
        .map_err(|error| match error.kind {
            ErrorKind::Corrupt => unusable(error),
            _ => error,
        })
}

fn stored<'a>(
    manifest: &'a Manifest,
    toc: &Toc,
    filename: &str,
) -> Result<&'a StoredObject, Error> {
    let name = layout::stored_name(filename, toc.header.compression);
    manifest.file(&name).ok_or_else(|| {
        corrupt(
            layout::MANIFEST,
            format!("{name}, which the table of contents names, is not in it"),
        )
    })
}

/// Whether the manifest and the table of contents are of the same backup: every data file is stored, and every stored table
/// is one of the entries.
fn check_entries(manifest: &Manifest, toc: &Toc) -> Result<(), Error> {
    let mut tables: HashMap<u32, &str> = HashMap::new();
    for entry in toc
        .entries
        .iter()
        .filter(|entry| entry.desc == "TABLE DATA" && entry.had_dumper)
    {
        let object = stored(manifest, toc, &entry.filename)?;
        if object.table.as_ref().map(|table| table.dump_id) != Some(entry.dump_id) {
            return Err(corrupt(
                layout::MANIFEST,
                format!("{} is not the data of {}", object.name, describe(entry)),
            ));
        }
        tables.insert(entry.dump_id, &entry.filename);
    }
    let stray = manifest.objects.iter().find(|object| {
        object
            .table
            .as_ref()
            .is_some_and(|table| !tables.contains_key(&table.dump_id))
    });
    match stray {
        Some(object) => Err(corrupt(
            layout::MANIFEST,
            format!("the table of contents does not know {}", object.name),
        )),
        None => Ok(()),
    }
}

fn corrupt(what: &str, why: impl std::fmt::Display) -> Error {
    unusable(Error::corrupt(format!("{what}: {why}")))
}

/// For errors from before the first change.
pub fn unusable(error: Error) -> Error {
    error
        .detail("nothing was changed")
        .hint("restore another backup: `orchestrator backup list` shows those there are")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    fn manifest(tables: &[(u32, &str)]) -> Manifest {
        let objects: Vec<_> = tables
            .iter()
            .map(|(dump_id, name)| {
                serde_json::json!({
                    "name": name, "bytes": 10, "sha256": "0a".repeat(32),
                    "table": {
                        "dump_id": dump_id, "schema": "public", "name": "t", "rows": 1, "plain_bytes": 5,
                        "chunks": [{ "offset": 0, "bytes": 10, "plain_bytes": 5, "rows": 1 }],
                    },
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "format_version": 1,
            "backup": "2026-01-17T02-00-00Z-full-0a1b2c3d",
            "kind": "full",
            "database": "app",
            "tool": { "name": "orchestrator", "version": "0.1.0" },
            "plugin": { "name": "backup", "version": "0.1.0" },
            "server": { "version_number": 150018, "version": "15.18" },
            "snapshot": { "time": "2026-01-17T02:00:00Z" },
            "encoding": "UTF8",
            "locale": { "provider": "libc", "collate": "C", "ctype": "C" },
            "extensions": [],
            "roles": [],
            "archive": { "version": "1.14", "compression": "gzip" },
            "filters": {},
            "totals": { "bytes": 0, "plain_bytes": 0, "rows": 0, "tables": 0 },
            "objects": objects,
        }))
        .unwrap()
    }

    fn toc() -> Toc {
        let mut toc = crate::selection::tests::toc();
        toc.entries = vec![
            entry(1, "TABLE", "public", "t", &[]),
            entry(2, "TABLE DATA", "public", "t", &[1]),
        ];
        toc
    }

    #[test]
    fn a_manifest_of_another_backup_is_found() {
        check_entries(&manifest(&[(2, "2.dat.gz")]), &toc()).unwrap();
        for (tables, expected) in [
            (
                &[][..],
                "2.dat.gz, which the table of contents names, is not in it",
            ),
            (
                &[(3, "2.dat.gz")],
                "2.dat.gz is not the data of TABLE DATA public.t (entry 2)",
            ),
            (
                &[(2, "2.dat.gz"), (3, "3.dat.gz")],
                "the table of contents does not know 3.dat.gz",
            ),
        ] {
            let error = check_entries(&manifest(tables), &toc()).unwrap_err();
            assert!(error.message.ends_with(expected), "{}", error.message);
        }
    }

    #[test]
    fn missing_and_cut_objects_are_named() {
        let manifest = manifest(&[(2, "2.dat.gz"), (3, "3.dat.gz"), (4, "4.dat.gz")]);
        let lengths = HashMap::from([("2.dat.gz".to_owned(), 10), ("4.dat.gz".to_owned(), 9)]);
        assert_eq!(
            differences(&manifest, &lengths),
            ["3.dat.gz is missing", "4.dat.gz has 9 bytes instead of 10"]
        );
    }
}
