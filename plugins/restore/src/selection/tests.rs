//! What is chosen from an archive like the one that pg_dump 15 writes for a small application.

use std::collections::BTreeSet;

use archive::{Compression, Created, Format, Header, Toc, Version};

use super::{Selection, select};
use crate::entries::tests::entry;
use crate::entries::{Object, ObjectKind, describe};
use crate::parameters::{Mode, Parameters};

pub fn parameters() -> Parameters {
    Parameters {
        database: "app".to_owned(),
        storage: "main".to_owned(),
        backup: "app/x".to_owned(),
        jobs: 4,
        mode: Mode::IntoEmpty,
        table: Vec::new(),
        schema_only: false,
        data_only: false,
        no_owner: false,
        no_privileges: false,
        no_security_labels: false,
        no_tablespaces: false,
        skip_verify: false,
        analyze: false,
        resume: false,
        keep_going: false,
        globals: false,
        queries: Vec::new(),
    }
}

pub fn toc() -> Toc {
    Toc {
        header: Header {
            version: Version::V1_14,
            format: Format::Directory,
            compression: Compression::Gzip(None),
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
            server_version: None,
            dumper_version: None,
        },
        data_offsets: Default::default(),
        entries: vec![
            entry(1, "ENCODING", "", "ENCODING", &[]),
            entry(2, "DATABASE", "", "app", &[]),
            entry(3, "ACL", "", "DATABASE app", &[2]),
            entry(5, "SCHEMA", "", "orchestrator", &[]),
            entry(6, "COMMENT", "", "SCHEMA orchestrator", &[5]),
            entry(10, "TYPE", "public", "mood", &[]),
            entry(11, "FUNCTION", "public", "touch()", &[]),
            entry(20, "TABLE", "orchestrator", "deployment_log", &[5]),
            entry(21, "TABLE", "public", "users", &[10]),
            entry(22, "ACL", "public", "TABLE users", &[21]),
            entry(23, "SEQUENCE", "public", "users_id_seq", &[21]),
            entry(24, "SEQUENCE OWNED BY", "public", "users_id_seq", &[23]),
            entry(25, "TABLE", "public", "orders", &[]),
            entry(26, "DEFAULT", "public", "users id", &[21, 23, 21]),
            entry(30, "TABLE DATA", "orchestrator", "deployment_log", &[20]),
            entry(31, "TABLE DATA", "public", "users", &[21]),
            entry(32, "TABLE DATA", "public", "orders", &[25]),
            entry(33, "SEQUENCE SET", "public", "users_id_seq", &[23]),
            entry(
                40,
                "CONSTRAINT",
                "orchestrator",
                "deployment_log deployment_log_pkey",
                &[20],
            ),
            entry(41, "CONSTRAINT", "public", "users users_pkey", &[21]),
            entry(42, "INDEX", "public", "orders_user", &[25]),
            entry(43, "TRIGGER", "public", "users touch", &[21, 11]),
            entry(
                44,
                "FK CONSTRAINT",
                "public",
                "orders orders_user_fkey",
                &[25, 21, 41],
            ),
        ],
    }
}

pub fn existing(objects: &[(ObjectKind, &str, &str)]) -> BTreeSet<Object> {
    objects
        .iter()
        .map(|(kind, schema, name)| Object {
            kind: *kind,
            schema: (*schema).to_owned(),
            name: (*name).to_owned(),
        })
        .collect()
}

fn ids(toc: &Toc, selection: &Selection) -> Vec<u32> {
    (0..toc.entries.len())
        .filter(|index| selection.any(*index))
        .map(|index| toc.entries[index].dump_id)
        .collect()
}

#[test]
fn everything_but_the_database_itself_is_restored() {
    let toc = toc();
    let selection = select(&toc, &parameters(), &BTreeSet::new()).unwrap();
    let all: Vec<u32> = toc
        .entries
        .iter()
        .map(|entry| entry.dump_id)
        .filter(|id| *id > 3)
        .collect();
    assert_eq!(ids(&toc, &selection), all);
    let create = Parameters {
        mode: Mode::Create,
        ..parameters()
    };
    let selection = select(&toc, &create, &BTreeSet::new()).unwrap();
    assert_eq!(ids(&toc, &selection)[..2], [2, 3]);
}

#[test]
fn sections_and_privileges_can_be_left_out() {
    let toc = toc();
    let data_only = Parameters {
        data_only: true,
        ..parameters()
    };
    assert_eq!(
        ids(&toc, &select(&toc, &data_only, &BTreeSet::new()).unwrap()),
        [30, 31, 32, 33]
    );
    let schema_only = Parameters {
        schema_only: true,
        no_privileges: true,
        ..parameters()
    };
    let chosen = ids(&toc, &select(&toc, &schema_only, &BTreeSet::new()).unwrap());
    assert!(!chosen.contains(&22) && !chosen.contains(&31) && chosen.contains(&44));
}

#[test]
fn what_the_target_has_of_the_own_schema_stays_and_its_log_is_merged() {
    let toc = toc();
    let there = existing(&[
        (ObjectKind::Schema, "", "orchestrator"),
        (ObjectKind::Relation, "orchestrator", "deployment_log"),
    ]);
    let selection = select(&toc, &parameters(), &there).unwrap();
    let chosen = ids(&toc, &selection);
    for id in [5, 6, 20, 30, 40] {
        assert!(!chosen.contains(&id), "{id}");
    }
    assert!(chosen.contains(&21));
    assert_eq!(
        selection
            .deployment_log
            .map(|index| toc.entries[index].dump_id),
        Some(30)
    );
    // The schema alone: its table comes from the backup.
    let selection = select(
        &toc,
        &parameters(),
        &existing(&[(ObjectKind::Schema, "", "orchestrator")]),
    )
    .unwrap();
    let chosen = ids(&toc, &selection);
    assert!(
        !chosen.contains(&5)
            && chosen.contains(&20)
            && chosen.contains(&30)
            && chosen.contains(&40)
    );
    assert_eq!(selection.deployment_log, None);
}

#[test]
fn a_chosen_table_comes_whole_and_with_what_it_needs() {
    let toc = toc();
    let users = Parameters {
        table: vec!["users".to_owned()],
        ..parameters()
    };
    let selection = select(&toc, &users, &BTreeSet::new()).unwrap();
    assert_eq!(
        ids(&toc, &selection),
        [10, 11, 21, 22, 23, 24, 26, 31, 33, 41, 43]
    );
    // The target has the type and the function already.
    let there = existing(&[
        (ObjectKind::Type, "public", "mood"),
        (ObjectKind::Function, "public", "touch()"),
    ]);
    let selection = select(&toc, &users, &there).unwrap();
    assert_eq!(ids(&toc, &selection), [21, 22, 23, 24, 26, 31, 33, 41, 43]);
}

#[test]
fn a_foreign_key_to_nowhere_is_named_as_left_out() {
    let toc = toc();
    let orders = Parameters {
        table: vec!["public.ord*".to_owned()],
        ..parameters()
    };
    let selection = select(&toc, &orders, &BTreeSet::new()).unwrap();
    assert_eq!(ids(&toc, &selection), [25, 32, 42]);
    let left_out: Vec<_> = selection
        .left_out
        .iter()
        .map(|index| describe(&toc.entries[*index]))
        .collect();
    assert_eq!(
        left_out,
        ["FK CONSTRAINT public.orders orders_user_fkey (entry 44)"]
    );
    let there = existing(&[(ObjectKind::Relation, "public", "users")]);
    assert_eq!(
        ids(&toc, &select(&toc, &orders, &there).unwrap()),
        [25, 32, 42, 44]
    );
}

#[test]
fn a_pattern_that_fits_nothing_is_an_error() {
    let nothing = Parameters {
        table: vec!["orders".to_owned(), "order".to_owned()],
        ..parameters()
    };
    assert_eq!(
        select(&toc(), &nothing, &BTreeSet::new()).unwrap_err(),
        "no table, view or sequence of the backup fits the pattern \"order\""
    );
}
