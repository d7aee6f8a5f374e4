//! Writes a table of contents as `WriteHead` and `WriteToc` do.

use super::{Compression, Format, Header, Toc, Version};
use crate::entry::Entry;

/// How a string is stored that is not there: the length -1.
const NULL: i32 = -1;

pub(super) fn write(toc: &Toc) -> Vec<u8> {
    let version = toc
        .header
        .version
        .max(toc.header.compression.least_version());
    let mut out = Out { bytes: Vec::new() };
    out.header(&toc.header, version);
    out.unsigned(toc.entries.len() as u32);
    for entry in &toc.entries {
        out.entry(entry, version);
        match toc.header.format {
            Format::Directory => out.string(Some(&entry.filename)),
            Format::Custom => out.offset(
                toc.data_offsets.get(&entry.dump_id).copied(),
                entry.had_dumper,
            ),
        }
    }
    out.bytes
}

struct Out {
    bytes: Vec<u8>,
}

impl Out {
    fn header(&mut self, header: &Header, version: Version) {
        self.bytes.extend_from_slice(b"PGDMP");
        self.bytes.extend_from_slice(&[1, version.minor(), 0, 4, 8]);
        self.bytes.push(match header.format {
            Format::Custom => 1,
            Format::Directory => 3,
        });
        if version >= Version::V1_15 {
            self.bytes.push(match header.compression {
                Compression::None => 0,
                Compression::Gzip(_) => 1,
                Compression::Lz4 => 2,
                Compression::Zstd => 3,
            });
        } else {
            self.integer(match header.compression {
                Compression::None => 0,
                Compression::Gzip(level) => level.map_or(-1, i32::from),
                // Not reached: their least version is 1.15.
                Compression::Lz4 | Compression::Zstd => -1,
            });
        }
        let created = header.created;
        for field in [
            created.sec,
            created.min,
            created.hour,
            created.mday,
            created.mon,
            created.year,
            created.isdst,
        ] {
            self.integer(field);
        }
        self.string(header.database.as_deref());
        self.string(header.server_version.as_deref());
        self.string(header.dumper_version.as_deref());
    }

    /// All of an entry but what the format adds.
    fn entry(&mut self, entry: &Entry, version: Version) {
        self.unsigned(entry.dump_id);
        self.integer(entry.had_dumper.into());
        self.decimal(entry.catalog_oid);
        self.decimal(entry.oid);
        self.string(entry.tag.as_deref());
        self.string(Some(&entry.desc));
        self.integer(entry.section as i32);
        self.string(entry.definition.as_deref());
        self.string(entry.drop_statement.as_deref());
        self.string(entry.copy_statement.as_deref());
        self.string(entry.namespace.as_deref());
        self.string(entry.tablespace.as_deref());
        if version >= Version::V1_14 {
            self.string(entry.table_access_method.as_deref());
        }
        if version >= Version::V1_16 {
            self.integer(entry.relkind.into());
        }
        self.string(entry.owner.as_deref());
        // A table with OIDs, once.
        self.string(Some("false"));
        for &dependency in &entry.dependencies {
            self.decimal(dependency);
        }
        self.string(None);
    }

    fn integer(&mut self, value: i32) {
        self.bytes.push(u8::from(value < 0));
        self.bytes
            .extend_from_slice(&value.unsigned_abs().to_le_bytes());
    }

    /// A count or an id. Readers take those up to `i32::MAX`.
    fn unsigned(&mut self, value: u32) {
        self.bytes.push(0);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn string(&mut self, value: Option<&str>) {
        match value {
            None => self.integer(NULL),
            Some(text) => {
                self.unsigned(text.len() as u32);
                self.bytes.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn decimal(&mut self, value: u32) {
        self.string(Some(&value.to_string()));
    }

    /// `WriteOffset`: whether there is a position, then the position.
    fn offset(&mut self, offset: Option<u64>, has_data: bool) {
        self.bytes.push(match (offset, has_data) {
            (Some(_), _) => 2,
            (None, true) => 1,
            (None, false) => 3,
        });
        self.bytes
            .extend_from_slice(&offset.unwrap_or(0).to_le_bytes());
    }
}
