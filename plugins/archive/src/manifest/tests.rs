//! A manifest is read back, and one that is cut off, newer or damaged is refused with the reason.

use super::*;

fn example() -> Manifest {
    let table = TableData {
        dump_id: 4021,
        schema: "public".to_owned(),
        name: "User".to_owned(),
        rows: 30,
        plain_bytes: 900,
        chunks: vec![
            Chunk {
                offset: 0,
                bytes: 100,
                plain_bytes: 600,
                rows: 20,
                sha256: None,
            },
            Chunk {
                offset: 100,
                bytes: 50,
                plain_bytes: 300,
                rows: 10,
                sha256: None,
            },
        ],
    };
    let objects = vec![
        StoredObject {
            name: "4021.dat.gz".to_owned(),
            bytes: 150,
            sha256: "0a".repeat(32),
            table: Some(table),
        },
        StoredObject {
            name: "toc.dat".to_owned(),
            bytes: 7,
            sha256: "ff".repeat(32),
            table: None,
        },
    ];
    Manifest {
        format_version: FORMAT_VERSION,
        backup: BackupId::new(1_768_615_200_000, BackupKind::FULL, 7),
        kind: BackupKind::FULL,
        database: "app".to_owned(),
        tool: Tool {
            name: "orchestrator".to_owned(),
            version: "0.1.0".to_owned(),
        },
        plugin: Plugin {
            name: "backup".to_owned(),
            version: "0.1.0".to_owned(),
            sha256: None,
        },
        server: Server {
            version_number: 150_018,
            version: "15.18".to_owned(),
        },
        snapshot: Snapshot {
            time: "2026-01-17T02:00:00Z".to_owned(),
            lsn: Some("0/16B3748".to_owned()),
            timeline: None,
            system: None,
            transactions: None,
        },
        encoding: "UTF8".to_owned(),
        locale: Locale {
            provider: "libc".to_owned(),
            collate: "C".to_owned(),
            ctype: "C".to_owned(),
            locale: None,
        },
        extensions: vec![],
        roles: vec!["app".to_owned()],
        archive: ArchiveFormat {
            version: "1.14".to_owned(),
            compression: "gzip".to_owned(),
            level: Some(1),
            encryption: None,
        },
        filters: Filters::default(),
        totals: Totals {
            bytes: 157,
            plain_bytes: 900,
            rows: 30,
            tables: 1,
        },
        objects,
    }
}

fn written(manifest: &Manifest) -> String {
    String::from_utf8(manifest.write().expect("serializable")).expect("JSON is UTF-8")
}

#[test]
fn is_read_back_also_with_fields_of_a_later_program() {
    let manifest = example();
    let text = written(&manifest);
    assert_eq!(Manifest::read(text.as_bytes()), Ok(manifest.clone()));
    let later = text.replacen('{', "{\"added\": [1],", 1);
    let (later, _) = later.rsplit_once(",\n  \"sha256\"").expect("its digest");
    let later = seal::seal(later.to_owned());
    assert_eq!(Manifest::read(later.as_bytes()), Ok(manifest));
}

#[test]
fn is_read_also_without_a_digest() {
    let manifest = example();
    let first = serde_json::to_string_pretty(&manifest).expect("serializable");
    assert_eq!(Manifest::read(first.as_bytes()), Ok(manifest));
}

#[test]
fn no_bit_turns_unnoticed() {
    let manifest = example();
    let text = written(&manifest).into_bytes();
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut damaged = text.clone();
            damaged[at] ^= 1 << bit;
            // In the name of the field that holds the digest, or in white space, it changes nothing that is read.
            if let Ok(read) = Manifest::read(&damaged) {
                assert_eq!(read, manifest, "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn is_cut_off_wherever_it_ends() {
    let text = written(&example());
    for length in 0..text.len() - 2 {
        let error = Manifest::read(&text.as_bytes()[..length]).expect_err("a part is no whole");
        assert!(matches!(error, ManifestError::CutOff { .. }), "{error}");
    }
}

#[test]
fn a_newer_format_names_the_program_that_reads_it() {
    let newer = br#"{"format_version": 2, "tool": {"name": "orchestrator", "version": "9.1.0"}, "objects": 7}"#;
    assert_eq!(
        Manifest::read(newer).expect_err("newer").to_string(),
        "manifest.json has format version 2 and this program reads up to 1: use orchestrator 9.1.0 or newer"
    );
}

#[test]
fn damage_is_named() {
    let text = written(&example());
    for (from, to, problem) in [
        ("\"rows\": 20", "\"rows\": 21", "the chunks of 4021.dat.gz"),
        (
            "\"offset\": 100",
            "\"offset\": 99",
            "the chunks of 4021.dat.gz",
        ),
        ("\"bytes\": 7,", "\"bytes\": 8,", "the totals"),
        ("\"toc.dat\"", "\"../toc.dat\"", "\"../toc.dat\""),
        ("\"toc.dat\"", "\"4021.dat.gz\"", "two objects"),
        ("0a0a", "0A0a", "the digest of 4021.dat.gz"),
        ("T02:00:00Z", "T02:00:00+01:00", "the snapshot's time"),
        ("\"1.14\"", "\"1.99\"", "archive version"),
        (
            "\"kind\": \"full\"",
            "\"kind\": \"schema\"",
            "is not of the kind",
        ),
        (
            "\"kind\": \"full\"",
            "\"kind\": \"Full\"",
            "is not a kind of backup",
        ),
        (
            "\"format_version\": 1",
            "\"format_version\": 0",
            "format version 0",
        ),
        ("\"rows\": 20", "\"rows\": -1", "invalid value"),
        ("\"database\": \"app\"", "\"database\": \"\"", "no name"),
        ("\"tool\"", "\"program\"", "missing field `tool`"),
        ("{", "{,", "is not JSON"),
    ] {
        let damaged = text.replacen(from, to, 1);
        assert_ne!(damaged, text, "{from}");
        let error = Manifest::read(damaged.as_bytes())
            .expect_err(to)
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}
