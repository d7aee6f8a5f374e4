//! An archive of a server of 15 is one that the pg_restore of that release knows, entry by entry. That a newer server takes what an
//! older one held is an end-to-end test.

mod support;

use archive::Entry;
use catalog::Options;
use support::{archiving, corpus, server::Server};

#[test]
fn pg_restore_15_lists_every_entry() {
    let server = Server::start(15);
    for (number, case) in corpus::cases(server.major).iter().enumerate() {
        let database = format!("listed_{number}");
        server.succeed("createdb", ["-Ttemplate0", &database]);
        server.load(&database, &case.path).unwrap();
        let (dump, mut connection) =
            archiving::dump(server.connect(&database), &Options::default()).unwrap();
        let folder = server.scratch(&format!("archive-{}", case.name));
        archiving::write(&dump, &mut connection, &folder);
        let listed = server.succeed("pg_restore", ["-l", folder.to_str().unwrap()]);
        let of_database = |entry: &&Entry| {
            let is_session = ["ENCODING", "STDSTRINGS", "SEARCHPATH"].contains(&&*entry.desc);
            let tag = entry.tag.as_deref().unwrap_or_default();
            is_session || entry.desc.starts_with("DATABASE") || tag.starts_with("DATABASE ")
        };
        let expected = dump
            .entries
            .iter()
            .filter(|entry| !of_database(entry))
            .count();
        let lines = listed.lines().filter(|line| !line.starts_with(';'));
        assert_eq!(lines.count(), expected, "{}: {listed}", case.name);
    }
}
