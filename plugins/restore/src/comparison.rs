//! Holds a database against the backup that it was restored from: the rows of every table, in whatever order, and the bytes of
//! every large object.

use std::cmp::Reverse;
use std::collections::VecDeque;

use archive::Entry;
use archive::table_of_large_objects::LargeObject;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::{Connection, Isolation, Step, Transaction, TransactionOptions};
use orchestrator_sdk::run;
use orchestrator_sdk::streams::{ByteSource, InFlight, Receipt, Transfer, TransferOptions};
use serde::Serialize;

use crate::backup::Backup;
use crate::entries::{describe, loads_via_root};
use crate::sessions::script;

/// What was found to be the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Whose rows are the same.
    pub tables: u64,
    /// Of all tables.
    pub rows: u64,
    /// Whose bytes are the same.
    pub large_objects: u64,
    /// Tables whose rows went through the root of their partitions: they were counted when they were loaded, and not compared.
    pub not_compared: u64,
}

/// One thing that is on both sides.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Table(&'a Entry),
    LargeObject(&'a LargeObject),
}

/// A comparison under way.
struct Pair<'a> {
    subject: Subject<'a>,
    transaction: usize,
    /// The side that has come to its end first.
    first: Option<Receipt>,
}

/// Compares TABLE DATA and BLOBS entries on as many connections as there are. What differs is told together.
pub fn compare(
    backup: &Backup,
    connections: &[Connection],
    entries: &[&Entry],
) -> Result<Compared, Error> {
    let transactions = connections
        .iter()
        .map(begin)
        .collect::<Result<Vec<_>, Error>>()?;
    let (mut left, not_compared) = subjects(backup, entries);
    let mut free: Vec<usize> = (0..transactions.len()).collect();
    let mut pairs: Vec<Pair<'_>> = Vec::new();
    let mut in_flight: InFlight<usize> = InFlight::new(2 * transactions.len());
    let mut compared = Compared {
        not_compared,
        ..Compared::default()
    };
    let mut differences = Vec::new();
    loop {
        run::check_cancelled()?;
        while let Some(transaction) = free.pop() {
            let Some(subject) = left.pop_front() else {
                break;
            };
            let sides = subject.sides(backup, &transactions[transaction])?;
            pairs.push(Pair {
                subject,
                transaction,
                first: None,
            });
            sides
                .into_iter()
                .for_each(|side| in_flight.add(side, pairs.len() - 1));
        }
        let Some(ended) = in_flight.next() else {
            break;
        };
        let (receipt, pair) = ended.map_err(|error| error.while_doing("comparing"))?;
        let pair = &mut pairs[pair];
        let Some(first) = pair.first.replace(receipt.clone()) else {
            continue;
        };
        free.push(pair.transaction);
        match pair.subject.difference(&first, &receipt) {
            Some(difference) => differences.push(difference),
            None => pair.subject.count(&receipt, &mut compared),
        }
    }
    if differences.is_empty() {
        return Ok(compared);
    }
    Err(Error::corrupt(format!(
        "what was restored differs from the backup: {}",
        differences.join("; ")
    )))
}

/// Rows look as they did when they were dumped.
fn begin(connection: &Connection) -> Result<Transaction, Error> {
    let settings = catalog::session_settings(connection.server().version);
    let steps = settings.into_iter().map(Step::Statement).collect();
    script(connection, steps, false, "preparing a comparison")?;
    connection.begin(&TransactionOptions {
        isolation: Isolation::RepeatableRead,
        read_only: true,
        snapshot: None,
    })
}

/// The largest first; and how many there are beside them.
fn subjects<'a>(backup: &'a Backup, entries: &[&'a Entry]) -> (VecDeque<Subject<'a>>, u64) {
    let mut tables: Vec<&Entry> = Vec::new();
    let mut large_objects = Vec::new();
    let mut not_compared = 0;
    for entry in entries {
        if entry.desc == "BLOBS" {
            large_objects.extend(backup.large_objects(entry).iter().map(Subject::LargeObject));
        } else if loads_via_root(entry) {
            not_compared += 1;
            run::warn(&format!(
                "{} was loaded through the root of its partitions: its rows were counted and not compared",
                describe(entry)
            ));
        } else {
            tables.push(entry);
        }
    }
    tables.sort_by_key(|entry| Reverse(backup.expected_bytes(entry)));
    let tables = tables.into_iter().map(Subject::Table);
    (tables.chain(large_objects).collect(), not_compared)
}

impl Subject<'_> {
    fn name(self) -> String {
        match self {
            Self::Table(entry) => describe(entry),
            Self::LargeObject(object) => format!("large object {}", object.oid),
        }
    }

    /// Reads both, the backup's side and the database's.
    fn sides(self, backup: &Backup, transaction: &Transaction) -> Result<[Transfer; 2], Error> {
        let options = TransferOptions {
            label: self.name(),
            expected_bytes: 0,
        };
        match self {
            Self::Table(entry) => Ok([
                ByteSource::discard_rows(backup.read_data(&entry.filename)?, &options)?,
                ByteSource::discard_rows(transaction.copy_out(&copy_out(entry)?)?, &options)?,
            ]),
            Self::LargeObject(object) => Ok([
                ByteSource::discard(backup.read_data(&object.filename)?, &options)?,
                ByteSource::discard(transaction.read_large_object(object.oid)?, &options)?,
            ]),
        }
    }

    fn difference(self, one: &Receipt, other: &Receipt) -> Option<String> {
        if one.sha256 == other.sha256 && one.bytes == other.bytes && one.rows == other.rows {
            return None;
        }
        Some(match (one.rows, other.rows) {
            (Some(one), Some(other)) if one != other => {
                format!(
                    "{} has {one} rows on one side and {other} on the other",
                    self.name()
                )
            }
            _ => format!("{} has other contents", self.name()),
        })
    }

    fn count(self, receipt: &Receipt, compared: &mut Compared) {
        match self {
            Self::Table(_) => {
                compared.tables += 1;
                compared.rows += receipt.rows.unwrap_or_default();
            }
            Self::LargeObject(_) => compared.large_objects += 1,
        }
    }
}

/// The same columns that the archive has.
fn copy_out(entry: &Entry) -> Result<String, Error> {
    let statement = entry.copy_statement.as_deref().unwrap_or_default();
    let statement = statement.trim_end().trim_end_matches(';');
    match statement.strip_suffix(" FROM stdin") {
        Some(copy) => Ok(format!("{copy} TO stdout")),
        None => Err(Error::unsupported(format!(
            "{} was not dumped with COPY, and cannot be compared",
            describe(entry)
        ))),
    }
}
