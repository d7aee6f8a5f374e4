//! Rows in bulk: a file goes to the server as it is, by COPY, and is compared there.
//!
//! Into a table that is empty the file is copied at once. Else it goes into a temporary table, and what differs from there is updated, what is
//! missing inserted: a few statements, whatever the number of rows.

use super::changes::Changes;
use super::relation::{Reference, Relation};
use super::shape::Relations;
use super::staged::{Given, Lookup, Staged};
use super::transaction::Transaction;
use crate::files::Folder;
use crate::postgres::quote_identifier;
use crate::streams::{ByteSource, TransferOptions};
use crate::{Error, run};

/// How the rows of a file are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// RFC 4180 as COPY reads it: a header that names the columns; an empty field without quotes is NULL.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// The longest header that is read.
const HEADER_BYTES: u32 = 1024 * 1024;

impl Bulk {
    /// By the ending of a file's name.
    pub fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        match ending {
            "csv" => Some(Self::Csv),
            "ndjson" | "jsonl" => Some(Self::Ndjson),
            _ => None,
        }
    }
}

/// A file of rows for a table.
pub(super) struct Load<'a> {
    pub transaction: &'a Transaction,
    pub relation: Relation,
    pub folder: &'a Folder,
    pub path: &'a str,
    pub key: Option<&'a [String]>,
}

impl Load<'_> {
    /// Writes the rows.
    pub fn run(&self) -> Result<Changes, Error> {
        let kind = Bulk::of(self.path).ok_or_else(|| {
            Error::invalid_input(format!(
                "{} is neither CSV (.csv) nor NDJSON (.ndjson, .jsonl)",
                self.path
            ))
        })?;
        let changes = match kind {
            Bulk::Csv => {
                let names = csv_header(&self.head()?)?;
                let given = self.given(&names)?;
                let key = self.key(&given)?;
                match self.is_direct(&given)? {
                    true => self.copy(&names, &key)?,
                    false => {
                        let staged = self.staged(given, key);
                        staged.create(self.transaction)?;
                        self.copy_into(Staged::TABLE, &names)?;
                        staged.write(self.transaction)?
                    }
                }
            }
            Bulk::Ndjson => {
                let names = self.read_lines()?;
                let given = self.given(&names)?;
                let key = self.key(&given)?;
                let staged = self.staged(given, key);
                staged.create(self.transaction)?;
                staged.take_lines(self.transaction)?;
                staged.write(self.transaction)?
            }
        };
        Ok(changes)
    }

    fn staged(&self, given: Vec<Given>, key: Vec<String>) -> Staged<'_> {
        Staged {
            relation: &self.relation,
            given,
            key,
        }
    }

    /// The file's beginning.
    fn head(&self) -> Result<Vec<u8>, Error> {
        let source = self.folder.source(self.path)?;
        let mut head = Vec::new();
        // A read gives what has arrived.
        while head.len() < HEADER_BYTES as usize {
            let more = source.read(HEADER_BYTES - head.len() as u32)?;
            let is_whole = more.is_empty() || more.contains(&b'\n');
            head.extend(more);
            if is_whole {
                break;
            }
        }
        Ok(head)
    }

    /// What each name of the header stands for: a column, or a column of the row that a reference leads to (`user.email`).
    fn given(&self, names: &[String]) -> Result<Vec<Given>, Error> {
        let mut given: Vec<Given> = Vec::new();
        for name in names {
            if self.relation.column(name).is_some() {
                given.push(Given::Column(name.clone()));
                continue;
            }
            let found = name.split_once('.').and_then(|(reference, column)| {
                Some((reference, self.relation.reference(reference)?, column))
            });
            let Some((by, reference, column)) = found else {
                return Err(Error::invalid_input(format!(
                    "{} has no column {name:?}",
                    self.relation.name
                ))
                .hint(format!(
                    "it has: {}; a reference by key is REFERENCE.COLUMN, as in user.email",
                    self.relation.known_names()
                )));
            };
            let known = given.iter_mut().find_map(|given| match given {
                Given::Parent(lookup) if lookup.name == by => Some(lookup),
                _ => None,
            });
            match known {
                Some(lookup) => lookup.by.push(column.to_owned()),
                None => given.push(Given::Parent(Box::new(self.lookup(by, reference, column)?))),
            }
        }
        let mut seen: Vec<&str> = Vec::new();
        for target in given.iter().flat_map(Given::targets) {
            if seen.contains(&target) {
                return Err(Error::invalid_input(format!(
                    "the column {target:?} of {} is given twice",
                    self.relation.name
                )));
            }
            seen.push(target);
        }
        Ok(given)
    }

    fn lookup(&self, name: &str, reference: &Reference, column: &str) -> Result<Lookup, Error> {
        let parent = Relations::relation(self.transaction, reference.parent)?;
        if parent.column(column).is_none() {
            return Err(
                Error::invalid_input(format!("{} has no column {column:?}", parent.name))
                    .hint(format!("it has: {}", parent.known_names())),
            );
        }
        Ok(Lookup {
            name: name.to_owned(),
            reference: reference.clone(),
            parent,
            by: vec![column.to_owned()],
        })
    }

    /// The columns that find a row.
    fn key(&self, given: &[Given]) -> Result<Vec<String>, Error> {
        let targets: Vec<&str> = given.iter().flat_map(Given::targets).collect();
        let Some(names) = self.key else {
            let key = self
                .relation
                .keys
                .iter()
                .find(|key| key.iter().all(|column| targets.contains(&column.as_str())));
            return key.cloned().ok_or_else(|| {
                Error::invalid_input(format!(
                    "the rows of {} give no whole unique key of it, by which they would be found again",
                    self.relation.name
                ))
                .hint("name the columns that find a row: key = [\"email\"]")
            });
        };
        let mut key = Vec::new();
        for name in names {
            let columns = match self.relation.column(name) {
                Some(_) => vec![name.clone()],
                None => self
                    .relation
                    .reference(name)
                    .map(|reference| reference.columns.clone())
                    .unwrap_or_default(),
            };
            let is_given = !columns.is_empty()
                && columns
                    .iter()
                    .all(|column| targets.contains(&column.as_str()));
            if !is_given {
                return Err(Error::invalid_input(format!(
                    "{name:?} is part of the key of {}, and the file does not give it",
                    self.relation.name
                )));
            }
            key.extend(columns);
        }
        Ok(key)
    }

    /// Whether the rows can go into the table as they are: there is nothing to compare with, and nothing to look up.
    fn is_direct(&self, given: &[Given]) -> Result<bool, Error> {
        if given.iter().any(|given| matches!(given, Given::Parent(_))) {
            return Ok(false);
        }
        let sql = format!(
            "SELECT NOT EXISTS (SELECT 1 FROM {}) AS is_empty",
            self.relation.sql
        );
        self.transaction.query_one(&sql, &[])?.get("is_empty")
    }

    fn copy(&self, names: &[String], key: &[String]) -> Result<Changes, Error> {
        let inserted = self.copy_into(&self.relation.sql, names)?;
        super::staged::check_key(self.transaction, &self.relation, &self.relation.sql, key)?;
        Ok(Changes {
            inserted,
            ..Changes::default()
        })
    }

    fn copy_into(&self, table: &str, columns: &[String]) -> Result<u64, Error> {
        let columns: Vec<String> = columns.iter().map(|name| quote_identifier(name)).collect();
        let sql = format!(
            "COPY {table} ({}) FROM STDIN WITH (FORMAT csv, HEADER true, ENCODING 'UTF8')",
            columns.join(", ")
        );
        self.copy_by(&sql, self.folder.source(self.path)?)
    }

    fn copy_by(&self, sql: &str, source: ByteSource) -> Result<u64, Error> {
        let options = TransferOptions {
            label: format!("{} from {}", self.relation.name, self.path),
            expected_bytes: 0,
        };
        let receipt = self.transaction.copy_in(sql, source, &options)?.wait()?;
        Ok(receipt.rows.unwrap_or_default())
    }

    /// Brings the lines to the server, and tells the names that they give: all of them the same.
    fn read_lines(&self) -> Result<Vec<String>, Error> {
        self.transaction.execute(Staged::CREATE_LINES, &[])?;
        run::debug(&format!("bringing {} to the server", self.path));
        self.copy_by(Staged::COPY_LINES, self.folder.source(self.path)?)?;
        super::staged::names_of_lines(self.transaction, &self.relation)
    }
}

/// The fields of the first record.
fn csv_header(head: &[u8]) -> Result<Vec<String>, Error> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut reader = csv_core::Reader::new();
    let mut text = vec![0; head.len() + 1];
    let mut ends = vec![0; head.len() + 1];
    let (result, read, _, mut count) = reader.read_record(head, &mut text, &mut ends);
    if result == csv_core::ReadRecordResult::InputEmpty && read < HEADER_BYTES as usize {
        // A last line without a newline: its end is told by an empty read.
        let (_, _, _, more) = reader.read_record(&[], &mut [], &mut ends[count..]);
        count += more;
    }
    let mut names = Vec::new();
    let mut begin = 0;
    for end in ends.iter().take(count) {
        let name = text.get(begin..*end).unwrap_or_default();
        begin = *end;
        let name = std::str::from_utf8(name)
            .map_err(|_| Error::invalid_input("the header is not UTF-8"))?;
        names.push(name.to_owned());
    }
    if names.iter().all(String::is_empty) {
        return Err(
            Error::invalid_input("the file has no header").hint("its first line names the columns")
        );
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_the_first_record() {
        for (head, expected) in [
            ("id,name\n1,a\n", vec!["id", "name"]),
            (
                "\u{feff}id,\"the \"\"name\"\", all\"\r\n",
                vec!["id", "the \"name\", all"],
            ),
            ("user.email", vec!["user.email"]),
        ] {
            assert_eq!(csv_header(head.as_bytes()).expect(head), expected);
        }
        assert!(csv_header(b"").is_err() && csv_header(b"\n").is_err());
    }

    #[test]
    fn files_are_known_by_their_endings() {
        assert_eq!(Bulk::of("data/a.csv"), Some(Bulk::Csv));
        assert_eq!(Bulk::of("a.jsonl"), Some(Bulk::Ndjson));
        assert_eq!(Bulk::of("a.sql"), None);
    }
}
