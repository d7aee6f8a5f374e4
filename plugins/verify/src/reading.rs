//! Reads objects to their end, several at a time, against the lengths and digests of the manifest.

use archive::manifest::StoredObject;
use orchestrator_sdk::storage::Store;
use orchestrator_sdk::streams::{ByteSource, InFlight, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind, run};

/// What reading gave.
#[derive(Debug, Default)]
pub struct Read {
    /// Of the objects that were whole.
    pub bytes: u64,
    /// What was wrong, one text for each object; it begins with the object's key.
    pub problems: Vec<String>,
}

/// Reads all of these objects. What is wrong with one does not keep the others from being read.
pub fn check(
    store: &Store,
    prefix: &str,
    objects: &[&StoredObject],
    at_once: usize,
) -> Result<Read, Error> {
    run::expect(
        objects.iter().map(|object| object.bytes).sum(),
        objects.len() as u64,
    );
    let mut in_flight = InFlight::new(at_once);
    let mut read = Read::default();
    for object in objects {
        if in_flight.is_full() {
            settle(in_flight.next(), &mut read)?;
        }
        let options = TransferOptions {
            label: object.name.clone(),
            expected_bytes: object.bytes,
        };
        let source = store.get(&format!("{prefix}/{}", object.name), None)?;
        let source = ByteSource::expect(source, object.bytes, &object.sha256)?;
        in_flight.add(ByteSource::discard(source, &options)?, ());
    }
    while let Some(ended) = in_flight.next() {
        settle(Some(ended), &mut read)?;
    }
    Ok(read)
}

type Ended = Result<(orchestrator_sdk::streams::Receipt, ()), Error>;

/// A bad object is a finding; anything else (no connection, no right, a cancelled run) ends the reading.
fn settle(ended: Option<Ended>, read: &mut Read) -> Result<(), Error> {
    match ended {
        Some(Ok((receipt, ()))) => read.bytes += receipt.bytes,
        Some(Err(error)) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {
            read.problems.push(error.message);
        }
        Some(Err(error)) => return Err(error),
        None => {}
    }
    Ok(())
}
