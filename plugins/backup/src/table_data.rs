//! The data of tables: one object each. Big tables come first, in ranges of pages that all readers copy together; then the
//! others, the largest first, as many at once as there are readers.

use std::cmp::Reverse;

use archive::layout;
use archive::manifest::{Chunk, StoredObject, TableData};
use orchestrator_sdk::streams::{ByteSource, InFlight, Transfer, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind};

use crate::compression::Method;
use crate::objects::Objects;
use crate::pages::{Pages, ranges};
use crate::readers::Readers;

/// What pg_dump writes after a table's rows: the end of COPY's data for psql, and two empty lines.
const END_OF_DATA: &[u8] = b"\\.\n\n\n";

/// Objects that are put together from ranges at the same time: while one is finished, the readers go on with the next.
const CUT_AT_ONCE: usize = 2;

/// Of small tables each reader has the next at hand, so that it does not wait for this plugin in between.
const SMALL_BYTES: u64 = 1024 * 1024;
/// What a plugin may have under way unless the operator allows less.
const TRANSFERS_MAX: usize = 64;

/// Heap and TOAST, which is about what COPY gives.
pub(crate) fn expected_bytes(table: &catalog::TableData) -> u64 {
    table.heap_bytes + table.toast_bytes
}

/// Stores all tables.
pub(crate) fn store(
    readers: &Readers,
    stored: &Objects,
    tables: &[catalog::TableData],
    method: Method,
) -> Result<Vec<StoredObject>, Error> {
    let store = Store {
        readers,
        stored,
        method,
    };
    let mut order: Vec<_> = tables.iter().collect();
    order.sort_by_key(|table| Reverse(expected_bytes(table)));
    let mut cut = Vec::new();
    let mut whole = Vec::new();
    for table in order {
        match store.copies_of_ranges(table) {
            Some(copies) => cut.push((table, copies)),
            None => whole.push(table),
        }
    }
    let mut objects = Vec::with_capacity(tables.len());
    store.cut_tables(&cut, &mut objects)?;
    store.whole_tables(&whole, &mut objects)?;
    Ok(objects)
}

struct Store<'a> {
    readers: &'a Readers,
    stored: &'a Objects,
    method: Method,
}

/// A table that is being stored, and what its object is called.
struct UnderWay<'a> {
    table: &'a catalog::TableData,
    name: String,
    reader: usize,
}

impl<'a> Store<'a> {
    /// The statements that copy a table range by range; none where one reader copies it all.
    fn copies_of_ranges(&self, table: &catalog::TableData) -> Option<Vec<String>> {
        if self.readers.len() < 2 || !self.readers.reads_ranges() {
            return None;
        }
        let ranges = ranges(table.pages, expected_bytes(table));
        let copy = |(first, end): &Pages| table.copy_out_pages(*first, *end);
        (ranges.len() > 1).then(|| ranges.iter().map(copy).collect())?
    }

    fn cut_tables(
        &self,
        tables: &[(&'a catalog::TableData, Vec<String>)],
        objects: &mut Vec<StoredObject>,
    ) -> Result<(), Error> {
        let mut under_way = InFlight::new(CUT_AT_ONCE);
        for (table, copies) in tables {
            if under_way.is_full() {
                finish_one(&mut under_way, objects)?;
            }
            let mut sources = Vec::with_capacity(copies.len() + 1);
            for (index, copy) in copies.iter().enumerate() {
                let reader = self.readers.get(index % self.readers.len());
                sources.push(self.method.compress(reader.copy_out(copy)?)?);
            }
            self.begin(&mut under_way, table, sources, 0)?;
        }
        while !under_way.is_empty() {
            finish_one(&mut under_way, objects)?;
        }
        Ok(())
    }

    fn whole_tables(
        &self,
        tables: &[&'a catalog::TableData],
        objects: &mut Vec<StoredObject>,
    ) -> Result<(), Error> {
        let mut idle: Vec<usize> = (0..self.readers.len()).collect();
        let mut under_way = InFlight::new(TRANSFERS_MAX);
        let mut ahead = false;
        for table in tables {
            if !ahead && expected_bytes(table) <= SMALL_BYTES {
                ahead = true;
                let spare = TRANSFERS_MAX.saturating_sub(self.readers.len());
                idle.extend((0..self.readers.len()).take(spare));
            }
            let reader = match idle.pop() {
                Some(reader) => reader,
                None => finish_one(&mut under_way, objects)?,
            };
            let mut begun = self.begin_whole(&mut under_way, table, reader);
            // The operator allows less than there are slots: whoever ends makes room.
            while let Err(error) = &begun
                && error.kind == ErrorKind::LimitExceeded
                && !under_way.is_empty()
            {
                idle.push(finish_one(&mut under_way, objects)?);
                begun = self.begin_whole(&mut under_way, table, reader);
            }
            begun?;
        }
        while !under_way.is_empty() {
            finish_one(&mut under_way, objects)?;
        }
        Ok(())
    }

    fn begin_whole(
        &self,
        under_way: &mut InFlight<UnderWay<'a>>,
        table: &'a catalog::TableData,
        reader: usize,
    ) -> Result<(), Error> {
        let rows = self.readers.get(reader).copy_out(&table.copy_out)?;
        let rows = self.method.compress(rows)?;
        self.begin(under_way, table, vec![rows], reader)
    }

    fn begin(
        &self,
        under_way: &mut InFlight<UnderWay<'a>>,
        table: &'a catalog::TableData,
        mut sources: Vec<ByteSource>,
        reader: usize,
    ) -> Result<(), Error> {
        let end = ByteSource::from_bytes(END_OF_DATA);
        sources.push(self.method.compress(end)?);
        let file = layout::stored_name(
            &layout::data_filename(table.dump_id),
            self.method.of_archive(),
        );
        let options = TransferOptions {
            label: format!("{}.{}", table.schema, table.name),
            expected_bytes: expected_bytes(table),
        };
        let (transfer, name) = self
            .stored
            .put(&file, sources, &options)
            .map_err(|error| named(error, table))?;
        under_way.add(
            transfer,
            UnderWay {
                table,
                name,
                reader,
            },
        );
        Ok(())
    }
}

fn named(mut error: Error, table: &catalog::TableData) -> Error {
    // A row is written into one buffer (program_limit_exceeded), and a value into one piece of memory (in English always).
    let too_long = error.sqlstate.as_deref() == Some("54000")
        || error
            .message
            .starts_with("invalid memory alloc request size");
    if too_long && error.hint.is_none() {
        error = error.hint(
            "COPY cannot write a row of more than 1 GB, and bytea takes twice its length there (pg_dump fails too): split the \
             field, keep it as a large object, or leave the rows out with --exclude-table-data",
        );
    }
    error.while_doing(format_args!("copying {}.{}", table.schema, table.name))
}

fn explain(error: Error) -> Error {
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
    under_way: &mut InFlight<UnderWay<'_>>,
    objects: &mut Vec<StoredObject>,
) -> Result<usize, Error> {
    let Some((ended, about)) = under_way.next_transfer()? else {
        return Err(Error::internal(
            "no reader is idle, and nothing is under way",
        ));
    };
    let object = described(&ended, about.table, about.name);
    objects.push(object.map_err(|error| named(explain(error), about.table))?);
    Ok(about.reader)
}

fn described(
    transfer: &Transfer,
    table: &catalog::TableData,
    name: String,
) -> Result<StoredObject, Error> {
    let receipt = transfer.wait()?;
    let rows = receipt
        .rows
        .ok_or_else(|| Error::internal("the copy was not counted"))?;
    // Within an encrypted object nothing can be read on its own.
    let chunks = if name.ends_with(layout::ENCRYPTED) {
        vec![Chunk {
            offset: 0,
            bytes: receipt.bytes,
            plain_bytes: receipt.plain_bytes,
            rows,
            sha256: None,
        }]
    } else {
        let parts = receipt.parts.iter().zip(transfer.part_digests()?);
        parts
            .map(|(part, sha256)| Chunk {
                offset: part.offset,
                bytes: part.bytes,
                plain_bytes: part.plain_bytes,
                rows: part.rows.unwrap_or(0),
                sha256: Some(sha256),
            })
            .collect()
    };
    Ok(StoredObject {
        name,
        bytes: receipt.bytes,
        sha256: receipt.sha256,
        table: Some(TableData {
            dump_id: table.dump_id,
            schema: table.schema.clone(),
            name: table.name.clone(),
            rows,
            plain_bytes: receipt.plain_bytes,
            chunks,
        }),
    })
}
