//! An archive as a plain SQL script, what `pg_restore -f -` prints (`RestoreArchive` in `pg_backup_archiver.c`, 18): the text
//! of it, and where the data goes between. Of archives of servers before 17, one setting is left out that those do not know.

use std::fmt::Write as _;

use crate::entry::Entry;
use crate::identifiers::{qualified, quote_identifier};
use crate::kinds::{Pass, is_of_database, namespace, parts, pass, tag};
use crate::ownership::{new_owner, owned_object};
use crate::toc::Toc;

/// Bytes of a large object that one statement of a script writes (`LOBBUFSIZE`).
pub const LARGE_OBJECT_BYTES: usize = 16384;

/// Of a partitioned table, as in `pg_class.relkind`.
const PARTITIONED_TABLE: u8 = b'p';

/// Opened for writing, as in `libpq/libpq-fs.h`.
const INV_WRITE: u32 = 0x20000;

/// Which parts of an archive a script holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contents {
    /// All of it.
    #[default]
    All,
    /// Definitions alone.
    Schema,
    /// Data alone: rows, sequences' values, large objects.
    Data,
}

/// A piece of a script, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// SQL.
    Text(String),
    /// The rows of a TABLE DATA entry, as they are stored, from the line after COPY to the one that ends it.
    Rows(&'a Entry),
    /// The large objects of a BLOBS entry: for each [`open_large_object`], [`write_large_object`] and [`CLOSE_LARGE_OBJECT`].
    LargeObjects(&'a Entry),
}

/// The script of an archive whose large objects are entries of their own (version 1.15 at most). The key is what psql's
/// `\restrict` takes: letters and digits that nobody can guess, so that nothing in the script can get at psql's own commands.
pub fn script<'a>(toc: &'a Toc, contents: Contents, restrict_key: &str) -> Vec<Piece<'a>> {
    let mut script = Script::default();
    script.begin(toc, restrict_key);
    for pass_now in [Pass::Main, Pass::Privileges, Pass::Last] {
        for entry in &toc.entries {
            if pass(entry) == pass_now && !is_of_database(entry) {
                script.entry(entry, contents);
            }
        }
    }
    script.text += "--\n-- PostgreSQL database dump complete\n--\n\n";
    let _ = write!(script.text, "\\unrestrict {restrict_key}\n\n");
    script.flush();
    script.pieces
}

/// Opens a large object for writing; it gets the descriptor 0.
pub fn open_large_object(oid: u32) -> String {
    format!("SELECT pg_catalog.lo_open('{oid}', {INV_WRITE});\n")
}

/// Writes at most [`LARGE_OBJECT_BYTES`] to the large object that is open.
pub fn write_large_object(bytes: &[u8]) -> String {
    let mut sql = String::with_capacity(bytes.len() * 2 + 40);
    sql += "SELECT pg_catalog.lowrite(0, '\\x";
    for byte in bytes {
        let _ = write!(sql, "{byte:02x}");
    }
    sql += "');\n";
    sql
}

/// Closes the large object that is open.
pub const CLOSE_LARGE_OBJECT: &str = "SELECT pg_catalog.lo_close(0);\n\n";

/// What is written so far, and what the session that runs it has set by then.
#[derive(Debug, Default)]
struct Script<'a> {
    pieces: Vec<Piece<'a>>,
    text: String,
    tablespace: Option<&'a str>,
    access_method: Option<&'a str>,
}

impl<'a> Script<'a> {
    fn begin(&mut self, toc: &Toc, restrict_key: &str) {
        let setting = |desc: &str| {
            let mut entries = toc.entries.iter();
            let found = entries.find(|entry| entry.desc == desc);
            found.and_then(|entry| entry.definition.as_deref())
        };
        self.text += "--\n-- PostgreSQL database dump\n--\n\n";
        let _ = write!(self.text, "\\restrict {restrict_key}\n\n");
        for (by, version) in [
            ("Dumped from database version", &toc.header.server_version),
            ("Dumped by pg_dump version", &toc.header.dumper_version),
        ] {
            if let Some(version) = version {
                let _ = writeln!(self.text, "-- {by} {}", one_line(version));
            }
        }
        self.text.push('\n');
        self.text += "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n";
        // pg_restore sets it whatever the server is. A script should run without errors at least where its archive came from.
        if knows_transaction_timeout(toc) {
            self.text += "SET transaction_timeout = 0;\n";
        }
        self.text += setting("ENCODING").unwrap_or_default();
        // pg_restore writes this one in its own words.
        let standard = !setting("STDSTRINGS").is_some_and(|text| text.contains("'off'"));
        let on_or_off = if standard { "on" } else { "off" };
        let _ = writeln!(self.text, "SET standard_conforming_strings = {on_or_off};");
        self.text += setting("SEARCHPATH").unwrap_or_default();
        self.text += "SET check_function_bodies = false;\nSET xmloption = content;\nSET client_min_messages = warning;\n";
        if !standard {
            self.text += "SET escape_string_warning = off;\n";
        }
        self.text += "SET row_security = off;\n\n";
    }

    fn entry(&mut self, entry: &'a Entry, contents: Contents) {
        let (definition, data) = parts(entry);
        let definition = definition && contents != Contents::Data;
        let data = data && contents != Contents::Schema;
        if definition {
            self.definition(entry, "");
        }
        if !data {
            return;
        }
        if !entry.had_dumper {
            if !definition {
                self.definition(entry, "");
            }
        } else if entry.desc == "BLOBS" {
            self.definition(entry, "Data for ");
            self.text += "BEGIN;\n\n";
            self.flush();
            self.pieces.push(Piece::LargeObjects(entry));
            self.text += "COMMIT;\n\n";
        } else {
            self.definition(entry, "Data for ");
            self.text += entry.copy_statement.as_deref().unwrap_or_default();
            self.flush();
            self.pieces.push(Piece::Rows(entry));
        }
    }

    /// `_printTocEntry`.
    fn definition(&mut self, entry: &'a Entry, prefix: &str) {
        self.select_tablespace(entry);
        if entry.relkind != PARTITIONED_TABLE {
            self.select_access_method(entry);
        }
        let or_hyphen = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), one_line);
        let _ = write!(
            self.text,
            "--\n-- {prefix}Name: {}; Type: {}; Schema: {}; Owner: {}",
            one_line(tag(entry)),
            entry.desc,
            or_hyphen(&entry.namespace),
            or_hyphen(&entry.owner),
        );
        if let Some(tablespace) = entry.tablespace.as_deref().filter(|name| !name.is_empty()) {
            let _ = write!(self.text, "; Tablespace: {}", one_line(tablespace));
        }
        self.text += "\n--\n\n";
        if let Some(definition) = entry.definition.as_deref().filter(|sql| !sql.is_empty()) {
            self.text += definition;
            self.text += "\n\n";
        }
        if let Some(owner) = new_owner(entry)
            && let Some(object) = owned_object(entry)
        {
            let owner = quote_identifier(owner);
            let _ = write!(self.text, "ALTER {object} OWNER TO {owner};\n\n");
        }
        if entry.relkind == PARTITIONED_TABLE
            && let Some(method) = &entry.table_access_method
        {
            let table = qualified(namespace(entry), tag(entry));
            let method = quote_identifier(method);
            let _ = write!(
                self.text,
                "ALTER TABLE {table} SET ACCESS METHOD {method};\n\n"
            );
        }
    }

    fn select_tablespace(&mut self, entry: &'a Entry) {
        let Some(wanted) = entry.tablespace.as_deref() else {
            return;
        };
        if self.tablespace != Some(wanted) {
            let value = if wanted.is_empty() {
                "''".to_owned()
            } else {
                quote_identifier(wanted)
            };
            let _ = write!(self.text, "SET default_tablespace = {value};\n\n");
            self.tablespace = Some(wanted);
        }
    }

    fn select_access_method(&mut self, entry: &'a Entry) {
        let Some(wanted) = entry.table_access_method.as_deref() else {
            return;
        };
        if self.access_method != Some(wanted) {
            let method = quote_identifier(wanted);
            let _ = write!(self.text, "SET default_table_access_method = {method};\n\n");
            self.access_method = Some(wanted);
        }
    }

    fn flush(&mut self) {
        if !self.text.is_empty() {
            let text = std::mem::take(&mut self.text);
            self.pieces.push(Piece::Text(text));
        }
    }
}

/// New in 17.
fn knows_transaction_timeout(toc: &Toc) -> bool {
    let version = toc.header.server_version.as_deref().unwrap_or_default();
    let digits = version.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|major| major.parse().ok()) >= Some(17)
}

/// A name in a comment must not end it.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::entry;
    use crate::toc::{Compression, Created, Format, Header, Version};

    fn toc(entries: Vec<Entry>) -> Toc {
        Toc {
            header: Header {
                version: Version::V1_14,
                format: Format::Directory,
                compression: Compression::None,
                created: Created {
                    sec: 0,
                    min: 0,
                    hour: 0,
                    mday: 1,
                    mon: 0,
                    year: 126,
                    isdst: 0,
                },
                database: Some("app".to_owned()),
                server_version: Some("15.18\n; DROP".to_owned()),
                dumper_version: None,
            },
            entries,
            data_offsets: Default::default(),
        }
    }

    /// The words that tell the pieces apart, in their order.
    fn outline(toc: &Toc, contents: Contents) -> String {
        let mut outline = Vec::new();
        for piece in script(toc, contents, "key") {
            match piece {
                Piece::Text(text) => outline.extend(
                    text.lines()
                        .filter(|line| {
                            line.starts_with(char::is_uppercase) && !line.starts_with("SET ")
                        })
                        .map(str::to_owned),
                ),
                Piece::Rows(entry) => outline.push(format!("rows of {}", entry.dump_id)),
                Piece::LargeObjects(entry) => {
                    outline.push(format!("large objects of {}", entry.dump_id));
                }
            }
        }
        outline.join("\n")
    }

    #[test]
    fn privileges_and_what_runs_queries_come_last() {
        let toc = toc(vec![
            entry(1, "DATABASE", "app"),
            entry(2, "TABLE", "t"),
            entry(3, "ACL", "TABLE t"),
            entry(4, "TABLE DATA", "t"),
            entry(5, "BLOBS", "BLOBS"),
            entry(6, "EVENT TRIGGER", "e"),
            entry(7, "INDEX", "i"),
        ]);
        assert_eq!(
            outline(&toc, Contents::All),
            "TABLE t;\nCOPY s.t (id) FROM stdin;\nrows of 4\nBEGIN;\nlarge objects of 5\nCOMMIT;\nINDEX i;\n\
             ACL TABLE t;\nEVENT TRIGGER e;"
        );
        assert_eq!(
            outline(&toc, Contents::Schema),
            "TABLE t;\nINDEX i;\nACL TABLE t;\nEVENT TRIGGER e;"
        );
        assert_eq!(
            outline(&toc, Contents::Data),
            "COPY s.t (id) FROM stdin;\nrows of 4\nBEGIN;\nlarge objects of 5\nCOMMIT;"
        );
    }

    #[test]
    fn names_do_not_end_their_comment() {
        let mut table = entry(1, "TABLE", "a\nDROP TABLE b;\r");
        table.definition = Some("CREATE TABLE odd;\n".to_owned());
        table.owner = Some("own\ner".to_owned());
        let toc = toc(vec![table]);
        let Piece::Text(text) = &script(&toc, Contents::All, "key")[0] else {
            panic!("a script begins with text");
        };
        assert!(
            text.contains("-- Name: a DROP TABLE b; ; Type: TABLE; Schema: -; Owner: own er\n--\n")
        );
        assert!(text.contains("-- Dumped from database version 15.18 ; DROP\n"));
    }

    #[test]
    fn large_objects_are_written_by_functions() {
        assert_eq!(
            write_large_object(&[0, 0xff, b'a']),
            "SELECT pg_catalog.lowrite(0, '\\x00ff61');\n"
        );
        assert_eq!(
            open_large_object(7),
            "SELECT pg_catalog.lo_open('7', 131072);\n"
        );
    }
}
