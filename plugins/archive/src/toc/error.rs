//! What is wrong with a `toc.dat`, and at which byte.

use super::Version;

/// Where reading stopped and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("table of contents, byte {offset}: {problem}")]
pub struct TocError {
    /// Of the value that cannot be used, from the beginning of the file.
    pub offset: usize,
    /// Why it cannot be used.
    pub problem: Problem,
}

/// Why a value of a table of contents cannot be used.
#[allow(missing_docs, reason = "the messages say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("this is not an archive of pg_dump: it does not begin with PGDMP")]
    NotAnArchive,
    #[error("the file ends in the middle of {what}; it is cut off")]
    CutOff { what: &'static str },
    #[error("the file goes on for {bytes} bytes after its last entry; it is damaged")]
    BytesAfterEnd { bytes: usize },
    #[error(
        "archive version {major}.{minor}.{revision} is not one of {} to {}; a newer version of this program may read it",
        Version::OLDEST,
        Version::NEWEST
    )]
    Version { major: u8, minor: u8, revision: u8 },
    #[error("archive format {0} is neither a directory nor custom; dump again with pg_dump -Fd")]
    Format(u8),
    #[error("integers of {integers} bytes and offsets of {offsets} are not supported: 4 and 8 are")]
    Sizes { integers: u8, offsets: u8 },
    #[error("compression {0} is not known")]
    Compression(i64),
    #[error("{what} is {value}, which cannot be; the file is damaged")]
    OutOfRange { what: &'static str, value: i64 },
    #[error("{what} is missing; the file is damaged")]
    Missing { what: &'static str },
    #[error("{what} is not a number: {text:?}")]
    NotANumber { what: &'static str, text: String },
    #[error("{what} is not UTF-8; dump again with pg_dump --encoding=UTF8")]
    NotUtf8 { what: &'static str },
    #[error("dump id {0} is used by two entries; the file is damaged")]
    DuplicateDumpId(u32),
    #[error("entry {0} is a table with OIDs, which PostgreSQL no longer has since version 12")]
    WithOids(u32),
}

impl TocError {
    /// The input ended too early: with more of the file, reading may succeed.
    pub fn is_cut_off(&self) -> bool {
        matches!(self.problem, Problem::CutOff { .. })
    }
}
