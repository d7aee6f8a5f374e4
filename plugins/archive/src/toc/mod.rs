//! `toc.dat`, the table of contents of an archive (`WriteHead` and `WriteToc` in `pg_backup_archiver.c`).

mod error;
mod header;
mod reader;
mod writer;

use std::collections::BTreeMap;

pub use error::{Problem, TocError};
pub use header::{Compression, Created, Format, Header, Version};

use crate::entry::Entry;

/// A whole table of contents: of versions 1.12 to 1.16, of the directory format (`toc.dat`) or of the custom format (the
/// beginning of the one file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toc {
    /// What stands before the entries.
    pub header: Header,
    /// In the order in which pg_restore applies them.
    pub entries: Vec<Entry>,
    /// Custom format only: where in the file the data of an entry begins, by dump id. An entry with data that is not here
    /// has to be looked for: pg_dump could not seek in its output.
    pub data_offsets: BTreeMap<u32, u64>,
}

impl Toc {
    /// The bytes of a `toc.dat`, or of the beginning of a custom archive.
    ///
    /// What a version cannot hold is left out as pg_dump of that version does: the relkind before 1.16, the table access
    /// method before 1.14, the compression's level from 1.15 on. Lz4 and zstd make it version 1.15 at least.
    pub fn write(&self) -> Vec<u8> {
        writer::write(self)
    }

    /// Reads a `toc.dat`, all of it.
    pub fn read(bytes: &[u8]) -> Result<Toc, TocError> {
        let (toc, length) = Toc::read_prefix(bytes)?;
        if length < bytes.len() {
            return Err(TocError {
                offset: length,
                problem: Problem::BytesAfterEnd {
                    bytes: bytes.len() - length,
                },
            });
        }
        Ok(toc)
    }

    /// Reads the table of contents at the beginning of a custom archive, and says how long it is. [`TocError::is_cut_off`]
    /// tells that more of the file has to be read first.
    pub fn read_prefix(bytes: &[u8]) -> Result<(Toc, usize), TocError> {
        reader::read(bytes)
    }
}

#[cfg(test)]
mod tests;
