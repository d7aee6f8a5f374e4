//! Reads everything that a restore needs to its end, before the target is changed.

use archive::manifest::StoredObject;
use orchestrator_sdk::streams::{ByteSource, InFlight, Receipt, TransferOptions};
use orchestrator_sdk::{Error, ErrorKind};

use crate::backup::{Backup, unusable};

/// Objects that are read at once, for each connection that is going to write.
const READERS_PER_JOB: usize = 2;

/// Reads the objects in full; the number of bytes. What is wrong with any of them is told together.
pub fn verify(backup: &Backup, objects: &[&StoredObject], jobs: usize) -> Result<u64, Error> {
    let mut by_size = objects.to_vec();
    by_size.sort_by_key(|object| std::cmp::Reverse(object.bytes));
    let mut in_flight = InFlight::new(jobs * READERS_PER_JOB);
    let mut verified = Verified::default();
    for object in by_size {
        if in_flight.is_full()
            && let Some(ended) = in_flight.next()
        {
            verified.settle(ended)?;
        }
        let options = TransferOptions {
            label: object.name.clone(),
            expected_bytes: object.bytes,
        };
        in_flight.add(
            ByteSource::discard(backup.read_to_check(object)?, &options)?,
            (),
        );
    }
    while let Some(ended) = in_flight.next() {
        verified.settle(ended)?;
    }
    verified.into_result()
}

#[derive(Default)]
struct Verified {
    bytes: u64,
    problems: Vec<String>,
}

impl Verified {
    /// A bad object is a finding; anything else (no connection, a cancelled run) ends it.
    fn settle(&mut self, ended: Result<(Receipt, ()), Error>) -> Result<(), Error> {
        match ended {
            Ok((receipt, ())) => self.bytes += receipt.bytes,
            Err(error) if matches!(error.kind, ErrorKind::Corrupt | ErrorKind::NotFound) => {
                self.problems.push(error.message);
            }
            Err(error) => return Err(error.while_doing("verifying the backup")),
        }
        Ok(())
    }

    fn into_result(self) -> Result<u64, Error> {
        if self.problems.is_empty() {
            return Ok(self.bytes);
        }
        Err(unusable(Error::corrupt(format!(
            "the backup cannot be restored: {}",
            self.problems.join("; ")
        ))))
    }
}
