//! Tables of contents of every version are read back, and damaged ones are refused.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::civil_time::CivilTime;
use crate::entry::Section;

fn text() -> impl Strategy<Value = Option<String>> {
    option::of("\\PC{0,20}")
}

fn entries(dump_ids: Vec<u32>) -> impl Strategy<Value = Vec<Entry>> {
    dump_ids.into_iter().map(entry).collect::<Vec<_>>()
}

fn entry(dump_id: u32) -> impl Strategy<Value = Entry> {
    let section = prop_oneof![
        Just(Section::None),
        Just(Section::PreData),
        Just(Section::Data),
        Just(Section::PostData)
    ];
    let sql = (text(), text(), text());
    let place = (text(), text(), text(), text());
    let rest = (vec(0..=u32::MAX, 0..4), "[a-z0-9.]{0,9}", any::<u8>());
    (
        any::<(bool, u32, u32)>(),
        text(),
        "[A-Z ]{1,9}",
        section,
        sql,
        place,
        rest,
    )
        .prop_map(
            move |(numbers, tag, desc, section, sql, place, rest)| Entry {
                dump_id,
                had_dumper: numbers.0,
                catalog_oid: numbers.1,
                oid: numbers.2,
                tag,
                desc,
                section,
                definition: sql.0,
                drop_statement: sql.1,
                copy_statement: sql.2,
                namespace: place.0,
                tablespace: place.1,
                table_access_method: place.2,
                owner: place.3,
                dependencies: rest.0,
                filename: rest.1,
                relkind: rest.2,
            },
        )
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        option::of(1_u8..=9).prop_map(Compression::Gzip),
        Just(Compression::Lz4),
        Just(Compression::Zstd),
    ]
}

fn tocs() -> impl Strategy<Value = Toc> {
    let version =
        (12_u8..=16).prop_map(|minor| Version::from_minor(minor).expect("a known version"));
    let format = prop_oneof![Just(Format::Directory), Just(Format::Custom)];
    let dump_ids = proptest::collection::btree_set(1..=i32::MAX as u32, 0..6);
    let entries = dump_ids.prop_flat_map(|ids| entries(ids.into_iter().collect()));
    let header = (
        version,
        format,
        compression(),
        any::<[i32; 7]>(),
        text(),
        text(),
        text(),
    );
    (header, entries, any::<u64>()).prop_map(|(header, entries, offset)| {
        let (version, format, compression, time, database, server_version, dumper_version) = header;
        let [sec, min, hour, mday, mon, year, isdst] = time;
        let header = Header {
            version,
            format,
            compression,
            created: Created {
                sec,
                min,
                hour,
                mday,
                mon,
                year,
                isdst,
            },
            database,
            server_version,
            dumper_version,
        };
        let data_offsets = entries
            .iter()
            .filter(|entry| entry.had_dumper && format == Format::Custom)
            .map(|entry| (entry.dump_id, offset))
            .collect();
        let toc = Toc {
            header,
            entries,
            data_offsets,
        };
        as_stored(toc)
    })
}

/// Without what the version and the format cannot hold.
fn as_stored(mut toc: Toc) -> Toc {
    let header = &mut toc.header;
    header.version = header.version.max(header.compression.least_version());
    if let (Compression::Gzip(_), Version::V1_15 | Version::V1_16) =
        (header.compression, header.version)
    {
        header.compression = Compression::Gzip(None);
    }
    for entry in &mut toc.entries {
        if header.version < Version::V1_14 {
            entry.table_access_method = None;
        }
        if header.version < Version::V1_16 {
            entry.relkind = 0;
        }
        if header.format == Format::Custom {
            entry.filename.clear();
        }
    }
    toc
}

fn small() -> Toc {
    let created = Created::from(CivilTime::from_unix_ms(0));
    Toc {
        header: Header {
            version: Version::V1_14,
            format: Format::Directory,
            compression: Compression::Gzip(Some(6)),
            created,
            database: Some("app".to_owned()),
            server_version: Some("15.18".to_owned()),
            dumper_version: None,
        },
        entries: Vec::new(),
        data_offsets: BTreeMap::new(),
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(toc in tocs()) {
        let bytes = toc.write();
        prop_assert_eq!(Toc::read(&bytes), Ok(toc));
    }

    #[test]
    fn a_file_cut_off_anywhere_says_so(toc in tocs(), cut in 0.0..1.0) {
        let bytes = toc.write();
        let length = (bytes.len() as f64 * cut) as usize;
        let error = Toc::read(&bytes[..length]).expect_err("a part is no whole");
        prop_assert!(error.is_cut_off(), "{}", error);
        prop_assert_eq!(error.offset, length);
    }

    #[test]
    fn damage_never_panics(toc in tocs(), place in 0.0..1.0, byte: u8) {
        let mut bytes = toc.write();
        let place = (bytes.len() as f64 * place) as usize;
        bytes[place] = byte;
        if let Ok(read) = Toc::read(&bytes) {
            // Whatever is accepted has a spelling of its own.
            prop_assert_eq!(Toc::read(&read.write()), Ok(read));
        }
    }
}

#[test]
fn the_header_is_what_pg_dump_writes() {
    let bytes = small().write();
    assert_eq!(
        bytes[..16],
        *b"PGDMP\x01\x0e\x00\x04\x08\x03\x00\x06\x00\x00\x00"
    );
    assert!(bytes.ends_with(b"\x00\x05\x00\x00\x0015.18\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00"));
}

#[test]
fn a_length_is_not_believed() {
    let mut bytes = small().write();
    let count = bytes.len() - 4;
    bytes[count..].copy_from_slice(&i32::MAX.to_le_bytes());
    let error = Toc::read(&bytes).expect_err("no such entries");
    assert!(error.is_cut_off());
}

#[test]
fn errors_say_where_and_what() {
    let mut newer = small().write();
    newer[6] = 17;
    let mut tar = small().write();
    tar[10] = 2;
    let mut longer = small().write();
    longer.extend_from_slice(b"more");
    let messages = [&b"PK\x03\x04"[..], b"PGD", &newer, &tar, &longer]
        .map(|bytes| Toc::read(bytes).expect_err("damaged").to_string());
    assert_eq!(
        messages,
        [
            "table of contents, byte 0: this is not an archive of pg_dump: it does not begin with PGDMP",
            "table of contents, byte 3: the file ends in the middle of the magic PGDMP; it is cut off",
            "table of contents, byte 5: archive version 1.17.0 is not one of 1.12 to 1.16; a newer version of this program may read it",
            "table of contents, byte 10: archive format 2 is neither a directory nor custom; dump again with pg_dump -Fd",
            "table of contents, byte 79: the file goes on for 4 bytes after its last entry; it is damaged",
        ]
    );
}
