//! Databases in other encodings than UTF8, and one whose bytes mean nothing in particular.

mod support;

use catalog::Options;
use support::{archiving, server::Server};

#[test]
fn of_every_byte() {
    let server = Server::start(15);
    let sql_ascii = "CREATE TABLE t (a text); INSERT INTO t VALUES (E'\\xff\\xfe\\xe4'), ('plain')";
    // Client programs send UTF-8 to it.
    let latin_1 = "CREATE TABLE \"größe\" (a text DEFAULT 'ä'); INSERT INTO \"größe\" VALUES ('öüß'); COMMENT ON TABLE \"größe\" IS 'é'";
    for (encoding, statements, client) in [
        ("SQL_ASCII", sql_ascii, "SQL_ASCII"),
        ("LATIN1", latin_1, "UTF8"),
    ] {
        let name = encoding.to_lowercase();
        let (before, after) = (format!("{name}_before"), format!("{name}_after"));
        for database in [&before, &after] {
            server.succeed(
                "createdb",
                ["-Ttemplate0", "-E", encoding, "--locale=C", database],
            );
        }
        let mut connection = server.connect(&before);
        connection.batch_execute(statements).unwrap();
        let (dump, mut connection) = archiving::dump(connection, &Options::default()).unwrap();
        assert_eq!(
            (dump.encoding.as_str(), dump.client_encoding.as_str()),
            (encoding, client)
        );
        let folder = server.scratch(&format!("archive-{name}"));
        archiving::write(&dump, &mut connection, &folder);
        drop(connection);
        server.succeed(
            "pg_restore",
            ["--exit-on-error", "-d", &after, folder.to_str().unwrap()],
        );
        let output = |database: &str| {
            let output = server.run("pg_dump", [database]).stdout;
            let lines = output.split(|byte| *byte == b'\n').filter(|line| {
                !line.starts_with(b"\\restrict") && !line.starts_with(b"\\unrestrict")
            });
            lines.map(<[u8]>::to_vec).collect::<Vec<_>>()
        };
        assert_eq!(output(&before), output(&after));
    }
}
