//! The data of tables: one object each, the largest first, as many at once as there are readers.

use std::cmp::Reverse;

use archive::layout;
use archive::manifest::{Chunk, StoredObject, TableData};
use archive::toc::Compression;
use orchestrator_sdk::streams::{ByteSource, InFlight, Part, Receipt, Transfer, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind};

use crate::objects::Objects;
use crate::readers::Readers;

/// What pg_dump writes after a table's rows: the end of COPY's data for psql, and two empty lines.
const END_OF_DATA: &[u8] = b"\\.\n\n\n";

/// Heap and TOAST, which is about what COPY gives.
pub(crate) fn expected_bytes(table: &catalog::TableData) -> u64 {
    table.heap_bytes + table.toast_bytes
}

/// Stores all tables.
pub(crate) fn store(
    readers: &Readers,
    stored: &Objects,
    tables: &[catalog::TableData],
    level: u8,
    compression: Compression,
) -> Result<Vec<StoredObject>, Error> {
    let mut order: Vec<_> = tables.iter().collect();
    order.sort_by_key(|table| Reverse(expected_bytes(table)));
    let mut idle: Vec<usize> = (0..readers.len()).collect();
    let mut under_way = InFlight::new(readers.len());
    let mut objects = Vec::with_capacity(tables.len());
    for table in order {
        let reader = match idle.pop() {
            Some(reader) => reader,
            None => finish_one(&mut under_way, &mut objects)?,
        };
        let file = layout::stored_name(&layout::data_filename(table.dump_id), compression);
        let (transfer, name) =
            begin(readers, reader, stored, table, &file, level).map_err(|error| {
                error.while_doing(format_args!("copying {}.{}", table.schema, table.name))
            })?;
        under_way.add(transfer, (reader, table, name));
    }
    while !under_way.is_empty() {
        finish_one(&mut under_way, &mut objects)?;
    }
    Ok(objects)
}

fn begin(
    readers: &Readers,
    reader: usize,
    stored: &Objects,
    table: &catalog::TableData,
    file: &str,
    level: u8,
) -> Result<(Transfer, String), Error> {
    let transaction = readers.get(reader);
    if reader > 0 {
        // The leader holds this lock already; waiting for it behind somebody's exclusive lock would wait for ever.
        let lock = table.lock();
        transaction.execute(&lock, &[]).map_err(locked)?;
    }
    let rows = ByteSource::gzip(transaction.copy_out(&table.copy_out)?, level)?;
    let end = ByteSource::gzip(ByteSource::from_bytes(END_OF_DATA), level)?;
    let options = TransferOptions {
        label: format!("{}.{}", table.schema, table.name),
        expected_bytes: expected_bytes(table),
    };
    stored.put(file, vec![rows, end], &options)
}

fn locked(error: Error) -> Error {
    match error.sqlstate.as_deref() {
        Some("55P03") => Error::new(
            ErrorKind::Conflict,
            "somebody waits for an exclusive lock on it",
        )
        .detail(error.message)
        .hint("run the backup again when the migration or maintenance that wants the lock is over"),
        _ => error,
    }
}

/// Waits for one table; the reader that is free again.
fn finish_one(
    under_way: &mut InFlight<(usize, &catalog::TableData, String)>,
    objects: &mut Vec<StoredObject>,
) -> Result<usize, Error> {
    let Some(ended) = under_way.next() else {
        return Err(Error::internal(
            "no reader is idle, and nothing is under way",
        ));
    };
    let (receipt, (reader, table, name)) = ended?;
    objects.push(described(receipt, table, name)?);
    Ok(reader)
}

fn described(
    receipt: Receipt,
    table: &catalog::TableData,
    name: String,
) -> Result<StoredObject, Error> {
    let rows = receipt.rows.ok_or_else(|| {
        Error::internal(format!(
            "the copy of {}.{} was not counted",
            table.schema, table.name
        ))
    })?;
    let table = TableData {
        dump_id: table.dump_id,
        schema: table.schema.clone(),
        name: table.name.clone(),
        rows,
        plain_bytes: receipt.plain_bytes,
        chunks: chunks(&receipt, rows, name.ends_with(layout::ENCRYPTED)),
    };
    Ok(StoredObject {
        name,
        bytes: receipt.bytes,
        sha256: receipt.sha256,
        table: Some(table),
    })
}

/// The pieces that can be read on their own: of an encrypted object, the whole.
fn chunks(receipt: &Receipt, rows: u64, encrypted: bool) -> Vec<Chunk> {
    if encrypted {
        return vec![Chunk {
            offset: 0,
            bytes: receipt.bytes,
            plain_bytes: receipt.plain_bytes,
            rows,
        }];
    }
    let chunk = |part: &Part| Chunk {
        offset: part.offset,
        bytes: part.bytes,
        plain_bytes: part.plain_bytes,
        rows: part.rows.unwrap_or(0),
    };
    receipt.parts.iter().map(chunk).collect()
}
