//! The entries of every database of the corpus are those of stock pg_dump of the same release: in the same order, with the
//! same labels, DROP statements and dependencies; and of 18, with the same definitions.

mod support;

use std::collections::{BTreeSet, HashMap};

use archive::{Entry, Toc};
use catalog::Options;
use support::{archiving, corpus, server::Server};

#[test]
fn as_pg_dump_15_writes_them() {
    compare(15);
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
        server.load(&database, &case.path).unwrap();
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
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
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

/// The names of what an entry depends on. Ours let another grantor than the owner into the schema first, which stock
/// archives leave to chance.
fn dependencies<'a>(entry: &Entry, names: &'a HashMap<u32, String>) -> BTreeSet<&'a str> {
    let by_another = |sql: &String| sql.contains("SET SESSION AUTHORIZATION");
    let is_better = entry.desc == "ACL" && entry.definition.as_ref().is_some_and(by_another);
    let all = entry.dependencies.iter().filter_map(|id| names.get(id));
    all.map(String::as_str)
        .filter(|name| !(is_better && name.starts_with("ACL - SCHEMA ")))
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
