//! Configuration tables of extensions: their rows are dumped, as far as the extension says, their definition is not.

mod support;

use catalog::Options;
use support::{archiving, server::Server};

const SCRIPT: &str = "
CREATE TABLE settings (name text PRIMARY KEY, value text, is_own boolean DEFAULT true);
INSERT INTO settings VALUES ('built in', 'x', false);
CREATE TABLE uses (id int PRIMARY KEY, setting text REFERENCES settings);
CREATE SEQUENCE numbers;
CREATE TABLE not_configuration (a int);
CREATE TYPE kind AS ENUM ('one', 'two');
CREATE FUNCTION helper() RETURNS int LANGUAGE sql AS 'SELECT 1';
GRANT SELECT ON settings TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('settings', 'WHERE is_own');
SELECT pg_catalog.pg_extension_config_dump('uses', '');
SELECT pg_catalog.pg_extension_config_dump('numbers', '');
";

#[test]
fn rows_of_the_user_are_dumped() {
    let folder = tempfile::tempdir().unwrap();
    let extensions = folder.path().join("extension");
    std::fs::create_dir(&extensions).unwrap();
    std::fs::write(
        extensions.join("configured.control"),
        "default_version = '1.0'\nschema = conf\n",
    )
    .unwrap();
    std::fs::write(extensions.join("configured--1.0.sql"), SCRIPT).unwrap();
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    // Where extensions are found is a setting from 18 on.
    let settings = format!(
        "-c extension_control_path='$system:{}'",
        folder.path().display()
    );
    let server = Server::start_with(18, &settings);
    for database in ["before", "after"] {
        server.succeed("createdb", ["-Ttemplate0", database]);
    }
    let mut client = server.connect("before");
    client
        .batch_execute(
            "CREATE EXTENSION configured;
             INSERT INTO conf.settings VALUES ('mine', 'y'), ('also', 'z');
             INSERT INTO conf.uses VALUES (1, 'mine');
             SELECT setval('conf.numbers', 7);
             REVOKE SELECT ON conf.settings FROM PUBLIC;
             CREATE TABLE own (k conf.kind);",
        )
        .unwrap();
    let (dump, mut connection) = archiving::dump(client, &Options::default()).unwrap();
    assert_eq!(
        dump.extensions
            .iter()
            .map(|found| (&*found.name, &*found.version))
            .collect::<Vec<_>>(),
        [("configured", "1.0")]
    );
    let tables: Vec<_> = dump
        .tables
        .iter()
        .map(|table| {
            (
                &*table.name,
                table.is_extension_configuration,
                table.condition.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        tables,
        [
            ("settings", true, Some("WHERE is_own")),
            ("uses", true, None),
            ("own", false, None)
        ]
    );
    let archive = server.scratch("archive");
    archiving::write(&dump, &mut connection, &archive);
    server.succeed(
        "pg_restore",
        ["--exit-on-error", "-d", "after", archive.to_str().unwrap()],
    );
    assert_eq!(server.pg_dump("before"), server.pg_dump("after"));
}
