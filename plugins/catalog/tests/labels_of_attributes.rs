//! Security labels on columns of composite types, which pg_dump leaves out: the corpus, which is compared with it, has none.

mod support;

use catalog::Options;
use support::{archiving, server::Server};

#[test]
fn columns_of_composite_types_keep_their_labels() {
    let server = Server::start(15);
    for database in ["from", "to"] {
        server.succeed("createdb", ["-Ttemplate0", database]);
    }
    server
        .connect("from")
        .batch_execute(
            "CREATE SCHEMA s; CREATE TYPE s.\"Pair\" AS (a int, gone int, \"B\" text); ALTER TYPE s.\"Pair\" DROP ATTRIBUTE gone;
             SECURITY LABEL FOR tests ON TYPE s.\"Pair\" IS 'whole';
             SECURITY LABEL FOR tests ON COLUMN s.\"Pair\".\"B\" IS 'it''s a part'",
        )
        .unwrap();
    let (dump, mut connection) =
        archiving::dump(server.connect("from"), &Options::default()).unwrap();
    let folder = server.scratch("archive");
    archiving::write(&dump, &mut connection, &folder);
    let archive = folder.to_str().unwrap();
    server.succeed("pg_restore", ["--exit-on-error", "-d", "to", archive]);
    let labels = |database| -> Vec<String> {
        let rows = server.connect(database).query(
            "SELECT pg_describe_object(classoid, objoid, objsubid) || ': ' || label FROM pg_seclabel ORDER BY 1",
            &[],
        );
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(labels("from").len(), 2);
    assert_eq!(labels("from"), labels("to"));
}
