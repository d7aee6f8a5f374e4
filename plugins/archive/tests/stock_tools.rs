//! The stock tools are the judge: `toc.dat` of a real pg_dump is read and written back byte for byte, and pg_restore lists
//! and restores what this crate writes.
//!
//! Starts a PostgreSQL server of its own from the tools of this machine (`PG_CONFIG`, or Debian's newest).

mod server;

use std::fs;
use std::path::Path;

use archive::{Compression, Format, Section, TableOfLargeObjects, Toc, Version};
use server::Server;

const OBJECTS: &str = r#"
    CREATE SCHEMA "odd ""name";
    CREATE TYPE mood AS ENUM ('fine', 'größer');
    CREATE TABLE people (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood DEFAULT 'fine');
    CREATE TABLE "odd ""name"."a table" (person int REFERENCES people, note text);
    CREATE TABLE parts (at date) PARTITION BY RANGE (at);
    CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE VIEW names AS SELECT name FROM people;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM people;
    CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n';
    CREATE INDEX ON people (name);
    COMMENT ON TABLE people IS 'Menschen – 人';
    ALTER TABLE people ENABLE ROW LEVEL SECURITY;
    CREATE POLICY all_of_them ON people USING (true);
    GRANT SELECT ON people TO PUBLIC;
    INSERT INTO people (name) SELECT 'person ' || n FROM generate_series(1, 1000) n;
    INSERT INTO parts VALUES ('2026-01-17');
    SELECT lo_from_bytea(0, 'first'), lo_from_bytea(0, 'second');
"#;

/// A server with a database `app` and its dump as a folder.
fn dumped(arguments: &[&str]) -> Server {
    let server = Server::start();
    server.tool("createdb", &["app"]);
    server.tool(
        "psql",
        &["-qX", "-v", "ON_ERROR_STOP=1", "-d", "app", "-c", OBJECTS],
    );
    let folder = server.path("dump");
    server.tool(
        "pg_dump",
        &[&["-d", "app", "-f", &folder], arguments].concat(),
    );
    server
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(path).expect("a readable file")
}

#[test]
fn a_directory_is_read_and_written_back_to_the_byte() {
    let server = dumped(&["-Fd", "-Z6"]);
    let stored = read(server.path("dump/toc.dat"));
    let toc = Toc::read(&stored).expect("a table of contents");
    assert!(toc.write() == stored, "pg_dump wrote other bytes");

    assert_eq!(toc.header.format, Format::Directory);
    assert_eq!(toc.header.database.as_deref(), Some("app"));
    let people = toc
        .entries
        .iter()
        .find(|entry| entry.desc == "TABLE DATA" && entry.tag.as_deref() == Some("people"))
        .expect("the table's data");
    assert_eq!(people.section, Section::Data);
    assert!(people.had_dumper);
    let stored_as = archive::layout::stored_name(&people.filename, toc.header.compression);
    assert!(Path::new(&server.path("dump")).join(stored_as).exists());
}

#[test]
fn a_custom_archive_is_read_and_written_back_to_the_byte() {
    let server = dumped(&["-Fc"]);
    let stored = read(server.path("dump"));
    let (toc, length) = Toc::read_prefix(&stored).expect("a table of contents");
    assert!(toc.write() == stored[..length], "pg_dump wrote other bytes");
    assert_eq!(toc.header.format, Format::Custom);
    for entry in toc.entries.iter().filter(|entry| entry.had_dumper) {
        let offset = toc.data_offsets[&entry.dump_id] as usize;
        // A block begins with its kind and the dump id.
        assert_eq!(stored[offset + 2..offset + 6], entry.dump_id.to_le_bytes());
    }
}

#[test]
fn the_table_of_large_objects_is_written_back_to_the_byte() {
    let server = dumped(&["-Fd"]);
    let toc = Toc::read(&read(server.path("dump/toc.dat"))).expect("a table of contents");
    let name = match toc.header.version {
        Version::V1_16 => {
            let blobs = toc.entries.iter().find(|entry| entry.desc == "BLOBS");
            blobs.expect("large objects").filename.clone()
        }
        _ => archive::layout::TABLE_OF_LARGE_OBJECTS.to_owned(),
    };
    let stored = read(Path::new(&server.path("dump")).join(name));
    let table = TableOfLargeObjects::read(&stored).expect("a table of large objects");
    assert_eq!(table.large_objects.len(), 2);
    assert_eq!(table.write(), stored);
    let oids = table
        .large_objects
        .iter()
        .map(|large_object| large_object.oid);
    assert_eq!(TableOfLargeObjects::of(oids), table);
}

/// The same archive as every version that the tools of this machine read, listed and restored into a new database.
#[test]
fn pg_restore_reads_what_is_written() {
    let server = dumped(&["-Fd", "-Z6"]);
    let path = server.path("dump/toc.dat");
    let toc = Toc::read(&read(&path)).expect("a table of contents");
    let listed = entries_of(&server.tool("pg_restore", &["-l", &server.path("dump")]));
    assert_eq!(listed.len(), toc.entries.len() - special(&toc));
    let versions =
        (Version::OLDEST.minor()..=toc.header.version.minor()).filter_map(Version::from_minor);
    for version in
        versions.filter(|version| toc.header.version < Version::V1_16 || *version == Version::V1_16)
    {
        let mut copy = toc.clone();
        copy.header.version = version;
        fs::write(&path, copy.write()).expect("a writable file");
        assert_eq!(
            entries_of(&server.tool("pg_restore", &["-l", &server.path("dump")])),
            listed,
            "{version}"
        );
        let database = format!("copy_{}", version.minor());
        server.tool("createdb", &[&database]);
        server.tool(
            "pg_restore",
            &[
                "-j2",
                "--exit-on-error",
                "-d",
                &database,
                &server.path("dump"),
            ],
        );
        let counted =
            "SELECT count(*) || ' ' || (SELECT count(*) FROM pg_largeobject_metadata) FROM people";
        assert_eq!(
            server
                .tool("psql", &["-XAtd", &database, "-c", counted])
                .trim(),
            "1000 2"
        );
    }
}

#[test]
fn pg_restore_lists_an_archive_made_from_nothing() {
    let server = dumped(&["-Fd"]);
    let mut toc = Toc::read(&read(server.path("dump/toc.dat"))).expect("a table of contents");
    toc.entries.clear();
    toc.header.compression = Compression::None;
    toc.header.created = archive::CivilTime::from_unix_ms(1_768_615_200_000).into();
    let folder = server.path("made");
    fs::create_dir(&folder).expect("a new folder");
    fs::write(format!("{folder}/toc.dat"), toc.write()).expect("a writable file");
    server.open_to_all(&folder);
    let list = server.tool("pg_restore", &["-l", &folder]);
    assert!(
        list.contains("Archive created at 2026-01-17 02:00:00"),
        "{list}"
    );
    assert!(list.contains("TOC Entries: 0"), "{list}");
}

fn entries_of(list: &str) -> Vec<String> {
    list.lines()
        .filter(|line| !line.starts_with(';'))
        .map(str::to_owned)
        .collect()
}

/// Entries that pg_restore does not list.
fn special(toc: &Toc) -> usize {
    toc.entries
        .iter()
        .filter(|entry| {
            matches!(
                entry.desc.as_str(),
                "ENCODING" | "STDSTRINGS" | "SEARCHPATH" | "DATABASE"
            )
        })
        .count()
}
