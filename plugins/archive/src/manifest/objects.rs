//! What a backup's manifest says of each object that is stored, and of all of them.

use serde::{Deserialize, Serialize};

/// One object of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredObject {
    /// Its name in the backup's folder: `4021.dat.gz`.
    pub name: String,
    /// Its length as stored.
    pub bytes: u64,
    /// Of the bytes as stored, 64 lowercase hex digits.
    pub sha256: String,
    /// Only of a table's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<TableData>,
}

/// What an object holds that is the data of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableData {
    /// Of its TABLE DATA entry in `toc.dat`.
    pub dump_id: u32,
    /// The schema of the table.
    pub schema: String,
    /// The name of the table.
    pub name: String,
    /// As COPY counted them.
    pub rows: u64,
    /// Length before compression.
    pub plain_bytes: u64,
    /// The pieces that can be decompressed on their own, one after another from the beginning to the end of the object.
    pub chunks: Vec<Chunk>,
}

/// A piece of a table's data that can be decompressed on its own: whole gzip members or zstd frames.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// Where it begins in the stored object.
    pub offset: u64,
    /// Its length in the stored object.
    pub bytes: u64,
    /// Its length before compression.
    pub plain_bytes: u64,
    /// As COPY counted them.
    pub rows: u64,
    /// Of the bytes as stored, 64 lowercase hex digits; absent where they cannot be read on their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// Sums over a backup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Of all objects as stored, the manifest left out.
    pub bytes: u64,
    /// Of all tables' data before compression.
    pub plain_bytes: u64,
    /// Of all tables.
    pub rows: u64,
    /// Tables whose data is stored.
    pub tables: u64,
}

impl Totals {
    /// Sums these objects; `None` where a sum is past 64 bits.
    pub fn of(objects: &[StoredObject]) -> Option<Totals> {
        objects
            .iter()
            .try_fold(Totals::default(), |totals, object| {
                let (plain_bytes, rows, tables) = object
                    .table
                    .as_ref()
                    .map_or((0, 0, 0), |table| (table.plain_bytes, table.rows, 1));
                Some(Totals {
                    bytes: totals.bytes.checked_add(object.bytes)?,
                    plain_bytes: totals.plain_bytes.checked_add(plain_bytes)?,
                    rows: totals.rows.checked_add(rows)?,
                    tables: totals.tables + tables,
                })
            })
    }
}
