//! Large objects: one stored object each, and the table that names them.

use archive::layout;
use archive::manifest::StoredObject;
use archive::table_of_large_objects::TableOfLargeObjects;
use orchestrator_sdk::Error;
use orchestrator_sdk::streams::{InFlight, TransferOptions};

use crate::compression::Method;
use crate::objects::Objects;
use crate::readers::Readers;

/// Stores them and `blobs.toc`; nothing where there are none.
pub(crate) fn store(
    readers: &Readers,
    stored: &Objects,
    large_objects: &[catalog::LargeObject],
    method: Method,
) -> Result<Vec<StoredObject>, Error> {
    let mut objects = Vec::new();
    if large_objects.is_empty() {
        return Ok(objects);
    }
    let mut under_way = InFlight::new(readers.len());
    let mut idle: Vec<usize> = (0..readers.len()).collect();
    for large_object in large_objects {
        let reader = match idle.pop() {
            Some(reader) => reader,
            None => finish_one(&mut under_way, &mut objects)?,
        };
        let file = layout::stored_name(
            &layout::large_object_filename(large_object.oid),
            method.of_archive(),
        );
        let bytes = method.compress(readers.get(reader).read_large_object(large_object.oid)?)?;
        let options = TransferOptions {
            label: format!("large object {}", large_object.oid),
            expected_bytes: 0,
        };
        let (transfer, name) = stored.put(&file, vec![bytes], &options)?;
        under_way.add(transfer, (reader, name));
    }
    while !under_way.is_empty() {
        finish_one(&mut under_way, &mut objects)?;
    }
    let table = TableOfLargeObjects::of(large_objects.iter().map(|large_object| large_object.oid));
    objects.push(stored.put_bytes(layout::TABLE_OF_LARGE_OBJECTS, &table.write())?);
    Ok(objects)
}

fn finish_one(
    under_way: &mut InFlight<(usize, String)>,
    objects: &mut Vec<StoredObject>,
) -> Result<usize, Error> {
    let Some(ended) = under_way.next() else {
        return Err(Error::internal(
            "no reader is idle, and nothing is under way",
        ));
    };
    let (receipt, (reader, name)) = ended?;
    objects.push(StoredObject {
        name,
        bytes: receipt.bytes,
        sha256: receipt.sha256,
        table: None,
    });
    Ok(reader)
}
