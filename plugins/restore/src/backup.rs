//! A backup in a storage: one of this program's with its manifest, or an archive that stock pg_dump wrote.

mod custom;
mod ours;
mod stock;

use std::collections::{BTreeMap, HashMap};

use archive::layout::{ENCRYPTED, TABLE_OF_LARGE_OBJECTS};
use archive::manifest::{Chunk, Filters, StoredObject, TableData};
use archive::table_of_large_objects::LargeObject;
use archive::{Entry, TableOfLargeObjects, Toc, layout};
use orchestrator_sdk::storage::{self, Range, Store};
use orchestrator_sdk::streams::ByteSource;
use orchestrator_sdk::{Error, ErrorKind};

use crate::selection::Selection;

/// A manifest, a table of contents or a table of large objects that is longer than this is none.
const FILE_BYTES_MAX: usize = 128 * 1024 * 1024;

/// A backup that is whole as far as names and lengths tell.
#[derive(Debug)]
pub struct Backup {
    files: Files,
    /// What is known of it beside its contents.
    pub facts: Facts,
    /// What to restore.
    pub toc: Toc,
    /// By the dump id of their BLOBS entry.
    large_objects: BTreeMap<u32, Vec<LargeObject>>,
}

/// Where a backup is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its id, or the name of the directory.
    pub name: String,
    /// RFC 3339, UTC; not known of stock archives, which tell a local time.
    pub snapshot_time: Option<String>,
    /// The major version of the server that was read: 15.
    pub server_major: u32,
    /// Of the database; empty when it is not known.
    pub encoding: String,
    /// Roles that owners, grants and policies name.
    pub roles: Vec<String>,
    /// Of all objects, as stored.
    pub bytes: u64,
    /// What was left out of it; not known of stock archives.
    pub filters: Option<Filters>,
}

/// The objects of a backup, by the names under which they are stored.
#[derive(Debug)]
struct Files {
    store: Store,
    /// Of a custom archive, the key of the one file.
    prefix: String,
    objects: HashMap<String, StoredObject>,
    /// Where the objects lie in the one file of a custom archive; empty for others.
    blocks: custom::Blocks,
}

impl Backup {
    /// Reads what says what is in it, and looks at the names and lengths of all objects.
    pub fn open(binding: &str, prefix: &str) -> Result<Backup, Error> {
        let store = storage::open(binding)?;
        if let Some(manifest) = backups::read_manifest(&store, prefix).map_err(not_ours)? {
            return ours::open(store, prefix, manifest);
        }
        // A key comes before those that it begins.
        match store.list(prefix, None)?.first() {
            Some(file) if file.key == prefix => custom::open(store, file),
            _ => stock::open(store, prefix),
        }
    }

    /// The bytes of a data file as they were dumped. Where a manifest says what they have to be, they fail at their end when they
    /// are not.
    pub fn read_data(&self, filename: &str) -> Result<ByteSource, Error> {
        let object = self.data_object(filename)?;
        self.files.read_plain(object)
    }

    /// A small text file of the archive; `None` where there is none of the name.
    pub fn read_text(&self, name: &str) -> Result<Option<String>, Error> {
        if self.files.find(name).is_err() {
            return Ok(None);
        }
        let text = String::from_utf8(self.files.read(name)?);
        text.map(Some)
            .map_err(|_| corrupt(name, "it is not text in UTF-8"))
    }

    /// Something that fails at its end when the object is damaged: its bytes against the manifest's digest, or where there is none
    /// what decompresses them.
    pub fn read_to_check(&self, object: &StoredObject) -> Result<ByteSource, Error> {
        match object.sha256.is_empty() {
            true => self.files.read_plain(object),
            false => self.files.read_stored(object),
        }
    }

    /// The bytes of one chunk of a data file as they were dumped, checked against the chunk's own digest.
    pub fn read_chunk(&self, object: &StoredObject, chunk: &Chunk) -> Result<ByteSource, Error> {
        let range = Range {
            offset: chunk.offset,
            bytes: chunk.bytes,
        };
        let source = self
            .files
            .store
            .get(&self.files.key(&object.name), Some(range))?;
        let digest = chunk.sha256.as_deref().unwrap_or_default();
        decompress(
            ByteSource::expect(source, chunk.bytes, digest)?,
            &object.name,
        )
    }

    /// What the manifest says of the rows of a TABLE DATA entry; nothing in stock archives.
    pub fn table(&self, entry: &Entry) -> Result<Option<&TableData>, Error> {
        Ok(self.data_object(&entry.filename)?.table.as_ref())
    }

    /// Bytes before compression of an entry's rows, or a guess at them.
    pub fn expected_bytes(&self, entry: &Entry) -> u64 {
        /// Rows are about as many times larger than what they are compressed to.
        const RATIO: u64 = 4;
        match self.data_object(&entry.filename) {
            Ok(object) => object
                .table
                .as_ref()
                .map_or(object.bytes * RATIO, |table| table.plain_bytes),
            Err(_) => 0,
        }
    }

    /// The object that holds a data file.
    pub fn data_object(&self, filename: &str) -> Result<&StoredObject, Error> {
        self.files.find(filename)
    }

    /// The large objects whose bytes belong to a BLOBS entry.
    pub fn large_objects(&self, entry: &Entry) -> &[LargeObject] {
        self.large_objects
            .get(&entry.dump_id)
            .map_or(&[], Vec::as_slice)
    }

    /// The objects whose bytes a restore of these entries reads, once each, of those that are left to do.
    pub fn needed(
        &self,
        selection: &Selection,
        is_left: &dyn Fn(&Entry) -> bool,
    ) -> Result<Vec<&StoredObject>, Error> {
        let mut needed: BTreeMap<&str, &StoredObject> = BTreeMap::new();
        for (index, entry) in self.toc.entries.iter().enumerate() {
            if !entry.had_dumper
                || !is_left(entry)
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
}

impl Files {
    fn new(store: Store, prefix: &str, objects: impl Iterator<Item = StoredObject>) -> Self {
        Self {
            store,
            prefix: prefix.to_owned(),
            objects: objects
                .map(|object| (object.name.clone(), object))
                .collect(),
            blocks: custom::Blocks::default(),
        }
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// The object that holds a file of the archive: under its own name, or with what compression and encryption add to it, in the
    /// order in which pg_restore looks for them.
    fn find(&self, filename: &str) -> Result<&StoredObject, Error> {
        const SUFFIXES: [&str; 4] = ["", ".gz", ".lz4", ".zst"];
        let names = SUFFIXES.iter().flat_map(|suffix| {
            let name = format!("{filename}{suffix}");
            [format!("{name}{ENCRYPTED}"), name]
        });
        names
            .filter_map(|name| self.objects.get(&name))
            .next()
            .ok_or_else(|| {
                corrupt(
                    &self.prefix,
                    format!("{filename}, which the table of contents names, is not in it"),
                )
            })
    }

    /// The bytes as stored.
    fn read_stored(&self, object: &StoredObject) -> Result<ByteSource, Error> {
        let source = self.store.get(&self.key(&object.name), None)?;
        match object.sha256.as_str() {
            "" => Ok(source),
            sha256 => ByteSource::expect(source, object.bytes, sha256),
        }
    }

    /// The bytes as they were dumped.
    fn read_plain(&self, object: &StoredObject) -> Result<ByteSource, Error> {
        if let Some(block) = self.blocks.read(&self.store, &self.prefix, &object.name)? {
            return Ok(block);
        }
        let source = self.read_stored(object)?;
        match object.name.strip_suffix(ENCRYPTED) {
            Some(name) => decompress(self.store.decrypt(source)?, name),
            None => decompress(source, &object.name),
        }
    }

    /// A small file of the archive, in full.
    fn read(&self, filename: &str) -> Result<Vec<u8>, Error> {
        let source = self.read_plain(self.find(filename)?)?;
        source
            .read_all(FILE_BYTES_MAX)
            .map_err(|error| match error.kind {
                ErrorKind::Corrupt => unusable(error),
                _ => error,
            })
    }

    fn read_toc(&self) -> Result<Toc, Error> {
        Toc::read(&self.read(layout::TOC)?).map_err(|error| corrupt(&self.key(layout::TOC), error))
    }
}

/// By the suffix of the name, as pg_dump writes it.
fn decompress(source: ByteSource, name: &str) -> Result<ByteSource, Error> {
    match name.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("gz") => Ok(ByteSource::gunzip(source)),
        Some("lz4") => ByteSource::unlz4(source),
        Some("zst") => ByteSource::unzstd(source),
        _ => Ok(source),
    }
}

fn read_large_objects(files: &Files, toc: &Toc) -> Result<BTreeMap<u32, Vec<LargeObject>>, Error> {
    let mut large_objects = BTreeMap::new();
    for entry in toc.entries.iter().filter(|entry| entry.desc == "BLOBS") {
        let name = match entry.filename.as_str() {
            "" => TABLE_OF_LARGE_OBJECTS,
            name => name,
        };
        let table =
            TableOfLargeObjects::read(&files.read(name)?).map_err(|error| corrupt(name, error))?;
        for object in &table.large_objects {
            files.find(&object.filename)?;
        }
        large_objects.insert(entry.dump_id, table.large_objects);
    }
    Ok(large_objects)
}

fn corrupt(what: &str, why: impl std::fmt::Display) -> Error {
    unusable(Error::corrupt(format!("{what}: {why}")))
}

/// A manifest that is damaged is as bad as none.
fn not_ours(error: Error) -> Error {
    match error.kind {
        ErrorKind::Corrupt => unusable(error),
        _ => error,
    }
}

/// For errors from before the first change.
pub fn unusable(error: Error) -> Error {
    error
        .detail("nothing was changed")
        .hint("restore another backup: `orchestrator backup list` shows those there are")
}
