//! Small files of each kind, as this library writes them.

use std::collections::BTreeMap;

use archive::manifest::{
    ArchiveFormat, Chunk, Encryption, Extension, Filters, Locale, Plugin, Server, Snapshot,
    StoredObject, TableData, Tool, Totals,
};
use archive::{
    BackupId, BackupKind, Compression, Created, Entry, Format, Header, Manifest, Section,
    TableOfLargeObjects, Toc, Version,
};

type Files = Vec<(String, Vec<u8>)>;

/// One of every version.
pub fn tables_of_contents() -> Files {
    let versions =
        (Version::OLDEST.minor()..=Version::NEWEST.minor()).filter_map(Version::from_minor);
    versions
        .map(|version| {
            let toc = toc(version, Format::Directory, Compression::Gzip(Some(4)));
            (format!("directory-{version}.toc"), toc.write())
        })
        .collect()
}

/// With the places of data, and without; with rows and large objects behind the table of contents.
pub fn custom_archives() -> Files {
    let blocks = blocks();
    [(Version::V1_14, false), (Version::V1_16, true)]
        .map(|(version, seekable)| {
            let mut toc = toc(version, Format::Custom, Compression::None);
            if seekable {
                // The length is the same whatever the places are.
                let length = toc.write().len() as u64;
                toc.data_offsets = BTreeMap::from([(3, length), (4, length + blocks.0)]);
            }
            (
                format!("custom-{version}.dump"),
                [toc.write(), blocks.1.clone()].concat(),
            )
        })
        .into()
}

/// Plain and encrypted.
pub fn manifests() -> Files {
    [None, Some(Encryption::Age)]
        .map(|encryption| {
            let suffix = encryption.map_or("", |_| ".age");
            let manifest = manifest(encryption, suffix);
            let bytes = manifest.write().expect("a manifest");
            (format!("manifest{suffix}.json"), bytes)
        })
        .into()
}

/// None, one, and the largest number.
pub fn tables_of_large_objects() -> Files {
    let table = |oids: &[u32]| TableOfLargeObjects::of(oids.iter().copied()).write();
    vec![
        ("empty.toc".to_owned(), table(&[])),
        ("two.toc".to_owned(), table(&[16403, u32::MAX])),
    ]
}

fn toc(version: Version, format: Format, compression: Compression) -> Toc {
    let text = |text: &str| Some(text.to_owned());
    let bare = |dump_id: u32, desc: &str, section| Entry::new(dump_id, desc, section, desc);
    let encoding = Entry {
        definition: text("SET client_encoding = 'UTF8';\n"),
        ..bare(1, "ENCODING", Section::PreData)
    };
    let table = Entry {
        catalog_oid: 1259,
        oid: 16385,
        tag: text("größe"),
        definition: text("CREATE TABLE public.\"größe\" (\n    a integer\n);\n"),
        drop_statement: text("DROP TABLE public.\"größe\";\n"),
        namespace: text("public"),
        tablespace: text(""),
        table_access_method: text("heap").filter(|_| version >= Version::V1_14),
        relkind: if version >= Version::V1_16 { b'r' } else { 0 },
        owner: text("app"),
        ..bare(2, "TABLE", Section::PreData)
    };
    let named = |name: &str| match format {
        Format::Directory => name.to_owned(),
        Format::Custom => String::new(),
    };
    let rows = Entry {
        had_dumper: true,
        copy_statement: text("COPY public.\"größe\" (a) FROM stdin;\n"),
        dependencies: vec![2],
        filename: named("3.dat"),
        ..bare(3, "TABLE DATA", Section::Data)
    };
    let large_objects = Entry {
        had_dumper: true,
        filename: named("blobs.toc"),
        ..bare(4, "BLOBS", Section::Data)
    };
    Toc {
        header: Header {
            version,
            format,
            compression,
            created: Created {
                sec: 1,
                min: 2,
                hour: 3,
                mday: 17,
                mon: 0,
                year: 126,
                isdst: 0,
            },
            database: text("app"),
            server_version: text("15.18"),
            dumper_version: text("15.18"),
        },
        entries: vec![encoding, table, rows, large_objects],
        data_offsets: BTreeMap::new(),
    }
}

/// The length of the first block, and all of them.
fn blocks() -> (u64, Vec<u8>) {
    let integer = |value: u32| [&[0][..], &value.to_le_bytes()].concat();
    let piece = |bytes: &[u8]| [&integer(bytes.len() as u32), bytes].concat();
    let rows = [
        vec![1],
        integer(3),
        piece(b"1\n2\n"),
        piece(b"3\n"),
        piece(b""),
    ]
    .concat();
    let large_objects = [
        vec![3],
        integer(4),
        integer(16403),
        piece(b"large"),
        piece(b""),
        integer(16404),
        piece(b""),
        integer(0),
    ];
    (rows.len() as u64, [rows, large_objects.concat()].concat())
}

fn manifest(encryption: Option<Encryption>, suffix: &str) -> Manifest {
    let chunk = |offset, sha256| Chunk {
        offset,
        bytes: 75,
        plain_bytes: 450,
        rows: 15,
        sha256,
    };
    let chunks = match encryption {
        None => vec![
            chunk(0, Some("1b".repeat(32))),
            chunk(75, Some("2c".repeat(32))),
        ],
        Some(Encryption::Age) => vec![Chunk {
            bytes: 150,
            plain_bytes: 900,
            rows: 30,
            ..chunk(0, None)
        }],
    };
    let objects = vec![
        StoredObject {
            name: format!("4021.dat.gz{suffix}"),
            bytes: 150,
            sha256: "0a".repeat(32),
            table: Some(TableData {
                dump_id: 4021,
                schema: "public".to_owned(),
                name: "größe \"2\"".to_owned(),
                rows: 30,
                plain_bytes: 900,
                chunks,
            }),
        },
        StoredObject {
            name: format!("toc.dat{suffix}"),
            bytes: 7,
            sha256: "ff".repeat(32),
            table: None,
        },
    ];
    let tool = |name: &str| (name.to_owned(), "0.1.0".to_owned());
    let (name, version) = tool("orchestrator");
    let (plugin, plugin_version) = tool("backup");
    Manifest {
        format_version: archive::manifest::FORMAT_VERSION,
        backup: BackupId::new(1_768_615_200_000, BackupKind::FULL, 7),
        kind: BackupKind::FULL,
        database: "app".to_owned(),
        tool: Tool { name, version },
        plugin: Plugin {
            name: plugin,
            version: plugin_version,
            sha256: Some("3d".repeat(32)),
        },
        server: Server {
            version_number: 150_018,
            version: "15.18".to_owned(),
        },
        snapshot: Snapshot {
            time: "2026-01-17T02:00:00Z".to_owned(),
            lsn: Some("0/16B3748".to_owned()),
            timeline: Some(1),
            system: Some("7301234567890123456".to_owned()),
            transactions: Some("735:740:736,738".to_owned()),
        },
        encoding: "UTF8".to_owned(),
        locale: Locale {
            provider: "libc".to_owned(),
            collate: "C.UTF-8".to_owned(),
            ctype: "C.UTF-8".to_owned(),
            locale: None,
        },
        extensions: vec![Extension {
            name: "hstore".to_owned(),
            version: "1.8".to_owned(),
            schema: "public".to_owned(),
        }],
        roles: vec!["app".to_owned()],
        archive: ArchiveFormat {
            version: "1.14".to_owned(),
            compression: "gzip".to_owned(),
            level: Some(4),
            encryption,
        },
        filters: Filters {
            exclude_tables: vec!["public.log_*".to_owned()],
            ..Filters::default()
        },
        totals: Totals::of(&objects).expect("small numbers"),
        objects,
    }
}
