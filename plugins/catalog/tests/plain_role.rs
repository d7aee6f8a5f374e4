//! A role that owns a database's objects dumps them without being a superuser.

mod support;

use catalog::Options;
use support::{archiving, server::Server};

#[test]
fn an_owner_dumps_on_15() {
    an_owner_dumps(15);
}

#[test]
fn an_owner_dumps_on_18() {
    an_owner_dumps(18);
}

fn an_owner_dumps(major: u32) {
    let server = Server::start(major);
    server
        .connect("postgres")
        .batch_execute("CREATE ROLE owner LOGIN CREATEDB")
        .unwrap();
    for database in ["before", "after"] {
        server.succeed("createdb", ["-Ttemplate0", "-Oowner", database]);
    }
    let mut client = server.connect_as("before", "owner");
    client
        .batch_execute(
            "CREATE SCHEMA s;
             CREATE TABLE s.t (id serial PRIMARY KEY, a text DEFAULT 'x', UNIQUE (a));
             INSERT INTO s.t (a) VALUES ('one'), ('two');
             CREATE VIEW s.v AS SELECT a FROM s.t;
             CREATE EXTENSION citext;
             SELECT lo_create(77);",
        )
        .unwrap();
    let (dump, mut connection) = archiving::dump(client, &Options::default()).unwrap();
    let folder = server.scratch("archive");
    archiving::write(&dump, &mut connection, &folder);
    server.succeed(
        "pg_restore",
        [
            "--exit-on-error",
            "-Uowner",
            "-d",
            "after",
            folder.to_str().unwrap(),
        ],
    );
    assert_eq!(server.pg_dump("before"), server.pg_dump("after"));
}
