//! What a server of 15 held is restored into one of 18 by the newer pg_restore, and the older one lists it.

mod support;

use archive::Entry;
use catalog::{Options, quote_identifier};
use support::{archiving, corpus, server::Server};

#[test]
fn from_15_to_18() {
    let (old, new) = (Server::start(15), Server::start(18));
    for (number, case) in corpus::cases(old.major).iter().enumerate() {
        let database = format!("upgraded_{number}");
        for server in [&old, &new] {
            server.succeed("createdb", ["-Ttemplate0", &database]);
        }
        old.load(&database, &case.path).unwrap();
        if new
            .connect(&database)
            .query("SELECT '<a/>'::xml", &[])
            .is_err()
        {
            remove_xml(&mut old.connect(&database));
        }
        let (dump, mut connection) =
            archiving::dump(old.connect(&database), &Options::default()).unwrap();
        let folder = old.scratch(&format!("archive-{}", case.name));
        archiving::write(&dump, &mut connection, &folder);
        let listed = old.succeed("pg_restore", ["-l", folder.to_str().unwrap()]);
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
        assert_eq!(lines.count(), expected, "{listed}");

        // The roles that the entries name are all that a restore needs to find.
        let mut target = new.connect(&database);
        for role in &dump.roles {
            let exists = target
                .query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[role])
                .unwrap()
                .is_some();
            if !exists {
                target
                    .batch_execute(&format!("CREATE ROLE {}", quote_identifier(role)))
                    .unwrap();
            }
        }
        let copy = new.scratch(&format!("archive-{}", case.name));
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        let restored = new.run(
            "pg_restore",
            [
                "-j4",
                "--exit-on-error",
                "-d",
                &database,
                copy.to_str().unwrap(),
            ],
        );
        assert!(
            restored.status.success(),
            "{}: {}",
            case.name,
            String::from_utf8_lossy(&restored.stderr)
        );
    }
}

/// A server that was built without libxml takes no values of that type, whoever restores them.
fn remove_xml(client: &mut postgres::Client) {
    let columns = "SELECT format('UPDATE %s SET %I = NULL', attrelid::regclass, attname) FROM pg_attribute \
         JOIN pg_class c ON c.oid = attrelid WHERE atttypid = 'xml'::regtype AND relkind = 'r' AND attnum > 0";
    for row in client.query(columns, &[]).unwrap() {
        client.batch_execute(row.get(0)).unwrap();
    }
}
