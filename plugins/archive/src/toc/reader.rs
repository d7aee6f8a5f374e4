//! Reads a table of contents as `ReadHead` and `ReadToc` do, from bytes that nobody vouches for: no length is believed
//! before that many bytes are there.

use std::collections::{BTreeMap, HashSet};

use super::{Compression, Created, Format, Header, Problem, Toc, TocError, Version};
use crate::entry::{Entry, Section};

/// Reads one table of contents, and returns its length too.
pub(super) fn read(bytes: &[u8]) -> Result<(Toc, usize), TocError> {
    let mut input = Input { bytes, at: 0 };
    let header = input.header()?;
    let count = input.count("the number of entries")?;
    // Grows with what is read: the count may be a lie.
    let mut entries = Vec::new();
    let mut data_offsets = BTreeMap::new();
    let mut dump_ids = HashSet::new();
    for _ in 0..count {
        let start = input.at;
        let mut entry = input.entry(header.version)?;
        match header.format {
            Format::Directory => entry.filename = input.required("the name of a data file")?,
            Format::Custom => {
                if let Some(offset) = input.offset()? {
                    data_offsets.insert(entry.dump_id, offset);
                }
            }
        }
        if !dump_ids.insert(entry.dump_id) {
            return Err(at(start, Problem::DuplicateDumpId(entry.dump_id)));
        }
        entries.push(entry);
    }
    let toc = Toc {
        header,
        entries,
        data_offsets,
    };
    Ok((toc, input.at))
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

fn at(offset: usize, problem: Problem) -> TocError {
    TocError { offset, problem }
}

impl Input<'_> {
    fn header(&mut self) -> Result<Header, TocError> {
        const MAGIC: &[u8] = b"PGDMP";
        let beginning = &self.bytes[..self.bytes.len().min(MAGIC.len())];
        if !MAGIC.starts_with(beginning) {
            return Err(at(0, Problem::NotAnArchive));
        }
        self.take(MAGIC.len(), "the magic PGDMP")?;
        let start = self.at;
        let [major, minor, revision] = self.array("the archive version")?;
        let version = match (major, Version::from_minor(minor), revision) {
            (1, Some(version), 0) => version,
            _ => {
                let problem = Problem::Version {
                    major,
                    minor,
                    revision,
                };
                return Err(at(start, problem));
            }
        };
        let start = self.at;
        let [integers, offsets] = self.array("the sizes of numbers")?;
        if (integers, offsets) != (4, 8) {
            return Err(at(start, Problem::Sizes { integers, offsets }));
        }
        let start = self.at;
        let format = match self.byte("the archive format")? {
            1 => Format::Custom,
            3 => Format::Directory,
            other => return Err(at(start, Problem::Format(other))),
        };
        Ok(Header {
            version,
            format,
            compression: self.compression(version)?,
            created: self.created()?,
            database: self.string("the database's name")?,
            server_version: self.string("the server's version")?,
            dumper_version: self.string("the dumper's version")?,
        })
    }

    fn created(&mut self) -> Result<Created, TocError> {
        let mut field = || self.integer("the creation time");
        Ok(Created {
            sec: field()?,
            min: field()?,
            hour: field()?,
            mday: field()?,
            mon: field()?,
            year: field()?,
            isdst: field()?,
        })
    }

    fn compression(&mut self, version: Version) -> Result<Compression, TocError> {
        let start = self.at;
        if version >= Version::V1_15 {
            match self.byte("the compression")? {
                0 => Ok(Compression::None),
                1 => Ok(Compression::Gzip(None)),
                2 => Ok(Compression::Lz4),
                3 => Ok(Compression::Zstd),
                other => Err(at(start, Problem::Compression(other.into()))),
            }
        } else {
            match self.integer("the compression")? {
                0 => Ok(Compression::None),
                -1 => Ok(Compression::Gzip(None)),
                level @ 1..=9 => Ok(Compression::Gzip(Some(level as u8))),
                other => Err(at(start, Problem::Compression(other.into()))),
            }
        }
    }

    /// All of an entry but what the format adds.
    fn entry(&mut self, version: Version) -> Result<Entry, TocError> {
        let start = self.at;
        let dump_id = self.count("a dump id")?;
        if dump_id == 0 {
            return Err(out_of_range(start, "a dump id", 0));
        }
        Ok(Entry {
            dump_id,
            had_dumper: self.flag("whether an entry has data")?,
            catalog_oid: self.decimal("the OID of a catalog")?,
            oid: self.decimal("the OID of an object")?,
            tag: self.string("the name of an object")?,
            desc: self.required("the kind of an object")?,
            section: self.section()?,
            definition: self.string("a definition")?,
            drop_statement: self.string("a drop statement")?,
            copy_statement: self.string("a copy statement")?,
            namespace: self.string("a schema's name")?,
            tablespace: self.string("a tablespace's name")?,
            table_access_method: if version >= Version::V1_14 {
                self.string("a table access method")?
            } else {
                None
            },
            relkind: if version >= Version::V1_16 {
                self.relkind()?
            } else {
                0
            },
            owner: self.string("an owner")?,
            dependencies: {
                self.without_oids(dump_id)?;
                self.dependencies()?
            },
            filename: String::new(),
        })
    }

    fn section(&mut self) -> Result<Section, TocError> {
        let start = self.at;
        match self.integer("a section")? {
            1 => Ok(Section::None),
            2 => Ok(Section::PreData),
            3 => Ok(Section::Data),
            4 => Ok(Section::PostData),
            value => Err(out_of_range(start, "a section", value)),
        }
    }

    fn relkind(&mut self) -> Result<u8, TocError> {
        let start = self.at;
        let value = self.integer("a relkind")?;
        u8::try_from(value).map_err(|_| out_of_range(start, "a relkind", value))
    }

    fn without_oids(&mut self, dump_id: u32) -> Result<(), TocError> {
        let start = self.at;
        match self.required("whether a table has OIDs")?.as_str() {
            "true" => Err(at(start, Problem::WithOids(dump_id))),
            _ => Ok(()),
        }
    }

    fn dependencies(&mut self) -> Result<Vec<u32>, TocError> {
        let mut dependencies = Vec::new();
        loop {
            let start = self.at;
            match self.string("a dependency")? {
                Some(text) => dependencies.push(number(start, "a dependency", &text)?),
                None => return Ok(dependencies),
            }
        }
    }

    /// `ReadOffset`.
    fn offset(&mut self) -> Result<Option<u64>, TocError> {
        const WHAT: &str = "the place of an entry's data";
        let start = self.at;
        let flag = self.byte(WHAT)?;
        let position = u64::from_le_bytes(self.array(WHAT)?);
        match flag {
            1 | 3 => Ok(None),
            2 => Ok(Some(position)),
            _ => Err(out_of_range(start, WHAT, flag.into())),
        }
    }

    /// `ReadStr`; `None` for the format's NULL.
    fn string(&mut self, what: &'static str) -> Result<Option<String>, TocError> {
        let start = self.at;
        let length = match self.integer(what)? {
            -1 => return Ok(None),
            length => usize::try_from(length).map_err(|_| out_of_range(start, what, length))?,
        };
        let text = std::str::from_utf8(self.take(length, what)?)
            .map_err(|_| at(start, Problem::NotUtf8 { what }))?;
        Ok(Some(text.to_owned()))
    }

    fn required(&mut self, what: &'static str) -> Result<String, TocError> {
        let start = self.at;
        self.string(what)?
            .ok_or_else(|| at(start, Problem::Missing { what }))
    }

    fn decimal(&mut self, what: &'static str) -> Result<u32, TocError> {
        let start = self.at;
        let text = self.required(what)?;
        number(start, what, &text)
    }

    fn flag(&mut self, what: &'static str) -> Result<bool, TocError> {
        let start = self.at;
        match self.integer(what)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(out_of_range(start, what, value)),
        }
    }

    fn count(&mut self, what: &'static str) -> Result<u32, TocError> {
        let start = self.at;
        let value = self.integer(what)?;
        u32::try_from(value).map_err(|_| out_of_range(start, what, value))
    }

    /// `ReadInt`.
    fn integer(&mut self, what: &'static str) -> Result<i32, TocError> {
        let start = self.at;
        let sign = self.byte(what)?;
        let size = i64::from(u32::from_le_bytes(self.array(what)?));
        let value = if sign == 0 { size } else { -size };
        i32::try_from(value).map_err(|_| at(start, Problem::OutOfRange { what, value }))
    }

    fn byte(&mut self, what: &'static str) -> Result<u8, TocError> {
        self.array(what).map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], TocError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    fn take(&mut self, length: usize, what: &'static str) -> Result<&[u8], TocError> {
        let taken = self.bytes[self.at..]
            .get(..length)
            .ok_or_else(|| at(self.bytes.len(), Problem::CutOff { what }))?;
        self.at += length;
        Ok(taken)
    }
}

fn number(offset: usize, what: &'static str, text: &str) -> Result<u32, TocError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if digits { text.parse().ok() } else { None };
    parsed.ok_or_else(|| {
        let text = text.chars().take(20).collect();
        at(offset, Problem::NotANumber { what, text })
    })
}

fn out_of_range(offset: usize, what: &'static str, value: i32) -> TocError {
    at(
        offset,
        Problem::OutOfRange {
            what,
            value: value.into(),
        },
    )
}
