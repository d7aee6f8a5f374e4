//! One check for each format. Each panics where something does not hold.

use archive::custom::{Block, BlockError, Walk};
use archive::{Manifest, TableOfLargeObjects, Toc};

/// `toc.dat`: what can be read is written back as the same.
pub fn table_of_contents(bytes: &[u8]) {
    let read = Toc::read(bytes);
    if let Ok(toc) = &read {
        let written = toc.write();
        assert_eq!(Toc::read(&written).as_ref(), Ok(toc));
    }
    match (Toc::read_prefix(bytes), read) {
        (Ok((prefix, length)), Ok(whole)) => {
            assert_eq!((prefix, length), (whole, bytes.len()));
        }
        (Ok((_, length)), Err(_)) => assert!(length < bytes.len()),
        (Err(prefix), Err(whole)) => {
            assert_eq!(prefix, whole);
            assert!(prefix.offset <= bytes.len());
            // More of the file may help only where its end is what is wrong.
            assert!(!prefix.is_cut_off() || prefix.offset == bytes.len());
        }
        (Err(error), Ok(_)) => panic!("only the prefix is wrong: {error}"),
    }
}

/// A custom archive: its table of contents, and the blocks behind it, which are the same however they come.
pub fn custom_archive(bytes: &[u8]) {
    let begin = match Toc::read_prefix(bytes) {
        Ok((_, length)) => length,
        // The blocks alone.
        Err(_) => 0,
    };
    let whole = walk(&bytes[begin..], usize::MAX);
    for step in [1, 7] {
        assert_eq!(walk(&bytes[begin..], step), whole, "in steps of {step}");
    }
    for block in whole.unwrap_or_default() {
        assert!(block.dump_id > 0);
        assert!(block.pieces <= block.end && block.end <= bytes.len() as u64);
        let mut before = block.pieces;
        for (oid, place) in block.large_objects {
            assert!(oid > 0 && before < place && place < block.end);
            before = place;
        }
    }
}

fn walk(bytes: &[u8], step: usize) -> Result<Vec<Block>, BlockError> {
    let mut walk = Walk::new(0);
    for chunk in bytes.chunks(step) {
        walk.push(chunk)?;
    }
    walk.finish()
}

/// `manifest.json`: what can be read is written back as the same.
pub fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::read(bytes) else {
        return;
    };
    let written = manifest.write().expect("what was read can be written");
    assert_eq!(Manifest::read(&written).as_ref(), Ok(&manifest));
    for object in &manifest.objects {
        assert_eq!(manifest.object(&object.name), Some(object));
        assert!(!object.name.contains(['/', '\\']), "{}", object.name);
    }
}

/// `blobs.toc`: what can be read is written back as the same.
pub fn table_of_large_objects(bytes: &[u8]) {
    let Ok(table) = TableOfLargeObjects::read(bytes) else {
        return;
    };
    assert_eq!(
        TableOfLargeObjects::read(&table.write()).as_ref(),
        Ok(&table)
    );
    for object in &table.large_objects {
        assert!(
            object.oid > 0 && !object.filename.contains(['/', '\\']),
            "{object:?}"
        );
    }
}
