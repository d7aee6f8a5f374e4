//! The entries of every database of the corpus are those of stock pg_dump: in the same order, with the same labels, DROP statements
//! and dependencies; and of 18, with the same definitions.

mod support;

use std::collections::{BTreeSet, HashMap};

use archive::{Entry, Toc};
use catalog::{Filters, Options, Pattern};
use support::{archiving, corpus, server::Server};

#[test]
fn as_pg_dump_18_writes_them_from_13() {
    compare(13);
}

#[test]
fn as_pg_dump_18_writes_them_from_14() {
    compare(14);
}

#[test]
fn as_pg_dump_15_writes_them() {
    compare(15);
}

#[test]
fn as_pg_dump_18_writes_them_from_16() {
    compare(16);
}

#[test]
fn as_pg_dump_18_writes_them_from_17() {
    compare(17);
}

#[test]
fn as_pg_dump_18_writes_them() {
    compare(18);
}

fn compare(major: u32) {
    let server = Server::start(major);
    let mut failures = Vec::new();
    for (number, case) in corpus::cases(server.major).iter().enumerate() {
        let database = format!("entries_{number}");
        server.succeed("createdb", ["-Ttemplate0", &database]);
        if let Err(error) = server.load(&database, &case.path) {
            failures.push(format!("=== {} on {major}\n{error}", case.name));
            continue;
        }
        let folder = server.scratch(&format!("stock-{number}")).join("archive");
        server.succeed(
            "pg_dump",
            ["-Fd", "-Z0", "-f", folder.to_str().unwrap(), &database],
        );
        let stock = Toc::read(&std::fs::read(folder.join("toc.dat")).unwrap()).unwrap();
        let (dump, _) = archiving::dump(server.connect(&database), &Options::default()).unwrap();
        // The definitions follow the rules of 18, also for older servers.
        let with_definitions = server.major == 18;
        let (theirs, ours) = (
            describe(&stock.entries, with_definitions),
            describe(&dump.entries, with_definitions),
        );
        if theirs != ours {
            failures.push(format!(
                "=== {} on {major}\n{}",
                case.name,
                differences(&theirs, &ours)
            ));
        }
        let (theirs, ours) = (
            attached_before_keys(&stock.entries),
            attached_before_keys(&dump.entries),
        );
        if !ours.is_superset(&theirs) {
            let missing: Vec<_> = theirs.difference(&ours).collect();
            failures.push(format!("=== {} on {major}\n{missing:?}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn filters_choose_what_pg_dump_chooses() {
    for major in [15, 18] {
        let server = Server::start(major);
        server.succeed("createdb", ["-Ttemplate0", "filtered"]);
        server
            .connect("filtered")
            .batch_execute(
                "CREATE SCHEMA audit; CREATE TYPE mood AS ENUM ('good', 'bad');
                 CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1';
                 CREATE TABLE users (id serial PRIMARY KEY, mood mood, \"Name\" text UNIQUE);
                 CREATE TABLE orders (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, buyer int REFERENCES users);
                 CREATE TABLE audit.events (id bigserial, at timestamptz) PARTITION BY RANGE (at);
                 CREATE TABLE audit.events_2025 PARTITION OF audit.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
                 CREATE INDEX ON audit.events (at);
                 CREATE VIEW names AS SELECT \"Name\" FROM users;
                 CREATE MATERIALIZED VIEW counts AS SELECT count(*) FROM orders;
                 CREATE SEQUENCE free; COMMENT ON TABLE orders IS 'bought'; GRANT SELECT ON orders TO PUBLIC;
                 SELECT lo_create(4711)",
            )
            .unwrap();
        let cases: [(&str, &[&str]); 9] = [
            ("--table", &["users"]),
            ("--table", &["orders", "audit.*"]),
            ("--table", &["public.*"]),
            ("--table", &["names", "fr?e"]),
            ("--exclude-table", &["audit.events_2025"]),
            ("--exclude-table", &["free", "counts", "names"]),
            ("--exclude-table-data", &["users"]),
            ("--exclude-table-data", &["audit.*", "free", "counts"]),
            ("--schema-only", &[]),
        ];
        for (number, (option, patterns)) in cases.into_iter().enumerate() {
            let folder = server.scratch(&format!("filter-{number}")).join("archive");
            let mut arguments = vec!["-Fd", "-Z0", "-f", folder.to_str().unwrap(), "filtered"];
            arguments.extend(patterns.iter().flat_map(|pattern| [option, pattern]));
            arguments.extend((option == "--schema-only").then_some(option));
            server.succeed("pg_dump", arguments);
            let stock = Toc::read(&std::fs::read(folder.join("toc.dat")).unwrap()).unwrap();
            let parsed: Vec<Pattern> = patterns
                .iter()
                .map(|pattern| Pattern::parse(pattern).unwrap())
                .collect();
            let mut filters = Filters::default();
            match option {
                "--table" => filters.tables = parsed,
                "--exclude-table" => filters.exclude_tables = parsed,
                "--schema-only" => filters.schema_only = true,
                _ => filters.exclude_table_data = parsed,
            }
            let options = Options {
                filters,
                ..Options::default()
            };
            let (dump, _) = archiving::dump(server.connect("filtered"), &options).unwrap();
            // What is left out takes part in pg_dump's sorting and not in ours: the order is another, as good a one.
            let [theirs, ours] = [&stock.entries, &dump.entries].map(|entries| {
                let mut described = describe(entries, false);
                described.sort();
                described
            });
            assert!(
                theirs == ours,
                "{option} {patterns:?} on {major}\n{}",
                differences(&theirs, &ours)
            );
            let has_large_objects = dump.large_objects_dump_id.is_some();
            let expected = !["--table", "--schema-only"].contains(&option);
            assert_eq!(has_large_objects, expected);
        }
    }
}

#[test]
fn planner_statistics_are_those_of_pg_dump_18() {
    for major in [13, 17, 18] {
        let server = Server::start(major);
        server.succeed("createdb", ["-Ttemplate0", "measured"]);
        server
            .connect("measured")
            .batch_execute(
                "CREATE SCHEMA \"It's\";
                 CREATE TABLE \"It's\".\"Bought \\ it\" (id int PRIMARY KEY, \"Who\" text UNIQUE, tags text[], during int4range, nobody int);
                 INSERT INTO \"It's\".\"Bought \\ it\"
                 SELECT i, 'it''s \\ ' || i, ARRAY['a' || i % 3, 'b'], int4range(i, i + i % 9), NULL FROM generate_series(1, 500) i;
                 CREATE INDEX spoken ON \"It's\".\"Bought \\ it\" (lower(\"Who\"), id, (id % 7));
                 CREATE TABLE parts (id int, kind int) PARTITION BY LIST (kind);
                 CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
                 CREATE INDEX ON parts ((id / 2));
                 INSERT INTO parts SELECT i, 1 FROM generate_series(1, 300) i;
                 CREATE MATERIALIZED VIEW counts AS SELECT kind, count(*) FROM parts GROUP BY kind;
                 CREATE INDEX ON counts ((kind + 1));
                 CREATE VIEW seen AS SELECT 1; CREATE SEQUENCE free; CREATE TABLE never_counted (id int);
                 CREATE FOREIGN DATA WRAPPER away; CREATE SERVER there FOREIGN DATA WRAPPER away;
                 CREATE FOREIGN TABLE afar (id int) SERVER there;
                 ANALYZE \"It's\".\"Bought \\ it\"; ANALYZE parts; ANALYZE counts",
            )
            .unwrap();
        let folder = server.scratch("statistics").join("archive");
        let folder = folder.to_str().unwrap();
        server.succeed(
            "pg_dump",
            ["-Fd", "-Z0", "--statistics", "-f", folder, "measured"],
        );
        let toc = std::fs::read(format!("{folder}/toc.dat")).unwrap();
        let stock = Toc::read(&toc).unwrap();
        let options = Options {
            filters: Filters {
                statistics: true,
                ..Filters::default()
            },
            ..Options::default()
        };
        let (dump, _) = archiving::dump(server.connect("measured"), &options).unwrap();
        let with_definitions = |entries: &[Entry]| -> Vec<String> {
            let described = describe(entries, true).into_iter();
            described
                .filter(|entry| entry.starts_with("STATISTICS DATA"))
                .collect()
        };
        let (theirs, ours) = (
            with_definitions(&stock.entries),
            with_definitions(&dump.entries),
        );
        assert_eq!(ours.len(), 12, "{ours:#?}");
        assert!(
            theirs == ours,
            "on {major}\n{}",
            differences(&theirs, &ours)
        );
        let (theirs, ours) = (
            describe(&stock.entries, major == 18),
            describe(&dump.entries, major == 18),
        );
        assert!(
            theirs == ours,
            "on {major}\n{}",
            differences(&theirs, &ours)
        );
    }
}

#[test]
fn filters_that_find_nothing_or_leave_keys_dangling_are_told() {
    let server = Server::start(15);
    let mut client = server.connect("postgres");
    client
        .batch_execute("CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (buyer int REFERENCES users)")
        .unwrap();
    let with = |filters: Filters| {
        let options = Options {
            filters,
            ..Options::default()
        };
        archiving::dump(server.connect("postgres"), &options).map(|(dump, _)| dump.warnings)
    };
    let pattern = |text: &str| vec![Pattern::parse(text).unwrap()];
    let warnings = with(Filters {
        exclude_tables: pattern("users"),
        exclude_table_data: pattern("evnts"),
        ..Filters::default()
    });
    let warnings = warnings.unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("evnts") && warnings[1].contains("orders_buyer_fkey"));
    let missing = with(Filters {
        tables: pattern("nobody"),
        ..Filters::default()
    });
    assert_eq!(missing.unwrap_err().to_string(), "no table fits nobody");
}

/// Entries as text, with dependencies by name; large objects apart, since newer archives have them in groups.
fn describe(entries: &[Entry], with_definitions: bool) -> Vec<String> {
    let names: HashMap<u32, String> = entries
        .iter()
        .map(|entry| (entry.dump_id, name(entry)))
        .collect();
    let is_large_object = |entry: &&Entry| {
        let tag = entry.tag.as_deref().unwrap_or_default();
        entry.desc.starts_with("BLOB") || tag.starts_with("LARGE OBJECT")
    };
    let others = entries.iter().filter(|entry| !is_large_object(entry));
    let described = others.map(|entry| {
        let definition = entry.definition.as_ref().filter(|_| with_definitions);
        [
            name(entry),
            format!("{:?}, owner {:?}", entry.section, entry.owner),
            format!("in {:?} {:?}", entry.tablespace, entry.table_access_method),
            format!("drop {:?}", entry.drop_statement),
            format!("copy {:?} {}", entry.copy_statement, entry.had_dumper),
            format!("OIDs {} {}", entry.catalog_oid, entry.oid),
            format!("after {:?}", dependencies(entry, &names)),
            format!("{definition:?}"),
        ]
        .join(" | ")
    });
    described.collect()
}

fn name(entry: &Entry) -> String {
    let schema = entry.namespace.as_deref().unwrap_or("-");
    format!(
        "{} {schema} {}",
        entry.desc,
        entry.tag.as_deref().unwrap_or("-")
    )
}

/// Keys, and what is attached to indexes before them.
fn attached_before_keys(entries: &[Entry]) -> BTreeSet<(String, String)> {
    let names: HashMap<u32, String> = entries
        .iter()
        .map(|entry| (entry.dump_id, name(entry)))
        .collect();
    let keys = entries.iter().filter(|entry| entry.desc == "FK CONSTRAINT");
    keys.flat_map(|key| {
        let all = key.dependencies.iter().filter_map(|id| names.get(id));
        let attached = all.filter(|name| name.starts_with("INDEX ATTACH "));
        attached.map(|attached| (name(key), attached.clone()))
    })
    .collect()
}

/// The names of what an entry depends on. Ours let another grantor than the owner into the schema first, let keys wait for all
/// indexes of their tables to be attached ([`attached_before_keys`]), and statistics for the rows that they are of, which stock archives
/// leave to chance.
fn dependencies<'a>(entry: &Entry, names: &'a HashMap<u32, String>) -> BTreeSet<&'a str> {
    let by_another = |sql: &String| sql.contains("SET SESSION AUTHORIZATION");
    let is_better = entry.desc == "ACL" && entry.definition.as_ref().is_some_and(by_another);
    let all = entry.dependencies.iter().filter_map(|id| names.get(id));
    all.map(String::as_str)
        .filter(|name| !(is_better && name.starts_with("ACL - SCHEMA ")))
        .filter(|name| !(entry.desc == "FK CONSTRAINT" && name.starts_with("INDEX ATTACH ")))
        .filter(|name| !(entry.desc == "STATISTICS DATA" && name.starts_with("TABLE DATA ")))
        .collect()
}

fn differences(theirs: &[String], ours: &[String]) -> String {
    let mut lines = Vec::new();
    lines.extend(
        theirs
            .iter()
            .filter(|entry| !ours.contains(entry))
            .map(|entry| format!("- {entry}")),
    );
    lines.extend(
        ours.iter()
            .filter(|entry| !theirs.contains(entry))
            .map(|entry| format!("+ {entry}")),
    );
    if lines.is_empty() {
        let at = theirs
            .iter()
            .zip(ours)
            .position(|(one, other)| one != other)
            .unwrap_or_default();
        lines.push(format!(
            "in another order, from number {at}:\n- {}\n+ {}",
            theirs[at], ours[at]
        ));
    }
    lines.sort_by_key(|line| line[1..].to_owned());
    lines.join("\n")
}
