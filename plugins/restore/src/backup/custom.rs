//! Files that stock pg_dump wrote in its custom format (`-Fc`): the table of contents, and a block for each entry with data.

use std::collections::{BTreeMap, HashMap};

use archive::custom::{Block, Walk};
use archive::table_of_large_objects::LargeObject;
use archive::{Compression, Format, Toc, layout};
use orchestrator_sdk::Error;
use orchestrator_sdk::storage::{Object, Range, Store};
use orchestrator_sdk::streams::ByteSource;

use super::stock::{facts, unchecked};
use super::{Backup, FILE_BYTES_MAX, Files, corrupt};

/// How much of the file is read to find the table of contents; the most that is left unread when that is known.
const BEGINNING: usize = 1024 * 1024;

/// The most that one read gives.
const READ_BYTES: u32 = 4 * 1024 * 1024;

/// Where the objects of a custom archive lie in its file, by the names that a directory would have for them.
#[derive(Debug, Default)]
pub struct Blocks {
    compression: Option<Compression>,
    places: HashMap<String, Place>,
}

impl Blocks {
    /// The bytes of an object as they were dumped; `None` when this is no custom archive.
    pub fn read(&self, store: &Store, key: &str, name: &str) -> Result<Option<ByteSource>, Error> {
        let (Some(compression), Some(place)) = (self.compression, self.places.get(name)) else {
            return Ok(None);
        };
        let source = store.get(key, Some(place.range))?;
        let source = ByteSource::unframe(source, place.dump_id)?;
        Ok(Some(match compression {
            Compression::None => source,
            Compression::Gzip(_) => ByteSource::unzlib(source)?,
            Compression::Lz4 => ByteSource::unlz4(source)?,
            Compression::Zstd => ByteSource::unzstd(source)?,
        }))
    }
}

/// Where an object lies.
#[derive(Clone, Copy, Debug)]
struct Place {
    range: Range,
    /// Of the entry whose block it is; none of a large object, which is only a part of one.
    dump_id: Option<u32>,
}

/// The archive in this file.
pub fn open(store: Store, file: &Object) -> Result<Backup, Error> {
    let (mut toc, length) = read_toc(&store, file)?;
    let found = find_blocks(&store, file, &toc, length as u64)?;
    let mut places = HashMap::new();
    let mut objects = Vec::new();
    let mut large_objects = BTreeMap::new();
    let mut place = |name: String, begin: u64, end: u64, dump_id: Option<u32>| {
        let bytes = end.saturating_sub(begin);
        let range = Range {
            offset: begin,
            bytes,
        };
        places.insert(name.clone(), Place { range, dump_id });
        objects.push(unchecked(name, bytes));
    };
    for entry in toc.entries.iter_mut().filter(|entry| entry.had_dumper) {
        let block = found.get(&entry.dump_id).ok_or_else(|| {
            corrupt(
                &file.key,
                format!("the data of entry {} is not in it", entry.dump_id),
            )
        })?;
        entry.filename = layout::data_filename(entry.dump_id);
        if entry.desc != "BLOBS" {
            let begin = block.pieces - BLOCK_HEADER_BYTES;
            place(
                entry.filename.clone(),
                begin,
                block.end,
                Some(entry.dump_id),
            );
            continue;
        }
        let mut of_entry = Vec::new();
        for (index, (oid, begin)) in block.large_objects.iter().enumerate() {
            let next = block.large_objects.get(index + 1);
            let filename = layout::large_object_filename(*oid);
            let end = next.map_or(block.end, |next| next.1);
            place(filename.clone(), *begin, end, None);
            of_entry.push(LargeObject {
                oid: *oid,
                filename,
            });
        }
        large_objects.insert(entry.dump_id, of_entry);
    }
    let facts = facts(&file.key, &toc, file.bytes);
    let mut files = Files::new(store, &file.key, objects.into_iter());
    files.blocks = Blocks {
        compression: Some(toc.header.compression),
        places,
    };
    Ok(Backup {
        files,
        facts,
        toc,
        large_objects,
    })
}

/// The table of contents, and how long it is.
fn read_toc(store: &Store, file: &Object) -> Result<(Toc, usize), Error> {
    let mut bytes = BEGINNING;
    loop {
        let range = Range {
            offset: 0,
            bytes: file.bytes.min(bytes as u64),
        };
        let beginning = store
            .get(&file.key, Some(range))?
            .read_all(FILE_BYTES_MAX)?;
        match Toc::read_prefix(&beginning) {
            Ok((toc, length)) if toc.header.format == Format::Custom => return Ok((toc, length)),
            Ok(_) => {
                return Err(Error::unsupported(format!(
                    "{} is neither a custom archive nor a directory of pg_dump",
                    file.key
                ))
                .hint("restore it with pg_restore"));
            }
            Err(error)
                if error.is_cut_off() && range.bytes < file.bytes && bytes < FILE_BYTES_MAX =>
            {
                bytes *= 4;
            }
            Err(error) => {
                return Err(corrupt(&file.key, error)
                    .hint("a dump in plain SQL is restored with `psql --file`"));
            }
        }
    }
}

/// The blocks of all entries with data, by their dump ids. Where pg_dump has noted where they begin, only those with large objects
/// are walked over.
fn find_blocks(
    store: &Store,
    file: &Object,
    toc: &Toc,
    length: u64,
) -> Result<HashMap<u32, Block>, Error> {
    let with_data = || toc.entries.iter().filter(|entry| entry.had_dumper);
    let known = with_data().all(|entry| toc.data_offsets.contains_key(&entry.dump_id));
    if !known {
        let blocks = walk(store, file, length, usize::MAX)?;
        return Ok(blocks
            .into_iter()
            .map(|block| (block.dump_id, block))
            .collect());
    }
    let mut begins: Vec<u64> = toc.data_offsets.values().copied().collect();
    begins.push(file.bytes);
    begins.sort_unstable();
    let mut blocks = HashMap::new();
    for entry in with_data() {
        let begin = toc.data_offsets[&entry.dump_id];
        let end = begins[begins
            .partition_point(|other| *other <= begin)
            .min(begins.len() - 1)];
        let block = if entry.desc == "BLOBS" {
            let block = walk(store, file, begin, 1)?.into_iter().next();
            block
                .filter(|block| block.dump_id == entry.dump_id)
                .ok_or_else(|| {
                    corrupt(&file.key, "a block of large objects is not where it says")
                })?
        } else {
            Block {
                dump_id: entry.dump_id,
                pieces: begin + BLOCK_HEADER_BYTES,
                end,
                large_objects: Vec::new(),
            }
        };
        blocks.insert(entry.dump_id, block);
    }
    Ok(blocks)
}

/// A kind, and the dump id.
const BLOCK_HEADER_BYTES: u64 = 6;

fn walk(store: &Store, file: &Object, begin: u64, most: usize) -> Result<Vec<Block>, Error> {
    let range = Range {
        offset: begin,
        bytes: file.bytes.saturating_sub(begin),
    };
    let source = store.get(&file.key, Some(range))?;
    let mut walk = Walk::new(begin);
    loop {
        let bytes = source.read(READ_BYTES)?;
        if bytes.is_empty() {
            return walk.finish().map_err(|error| corrupt(&file.key, error));
        }
        walk.push(&bytes)
            .map_err(|error| corrupt(&file.key, error))?;
        if walk.ended() >= most {
            return Ok(walk.into_ended());
        }
    }
}
