//! The servers are what they say, and leave nothing behind.

use std::net::TcpStream;
use std::process::Command;
use std::{env, fs, process};

use crate::guarded::wait_until;
use crate::{Moto, PASSWORD, PostgresServer, S3sFs, Version, http};

/// Set in the process that starts a server and dies.
const CHILD: &str = "ORCHESTRATOR_TESTS_DIE_WITH_A_SERVER";

#[test]
fn both_releases_hold_the_example_and_seed_it_twice() {
    for version in [Version::V15, Version::V18] {
        let server = PostgresServer::start(version);
        let number: u32 = server
            .psql("postgres", "SHOW server_version_num")
            .parse()
            .unwrap();
        assert_eq!(number / 10_000, version.major());

        server.create_example("example");
        let once = server.pg_dump("example");
        let seed =
            fs::read_to_string(crate::repository().join("tests/support/example_rows.sql")).unwrap();
        server.psql("example", &seed);
        assert_eq!(server.pg_dump("example"), once);
        let rows = server.psql(
            "example",
            r#"SELECT (SELECT count(*) FROM "User"), (SELECT count(*) FROM "Doctor"), (SELECT count(*) FROM "Queue"),
               (SELECT count(*) FROM "Appointment"), (SELECT count(*) FROM "File")"#,
        );
        assert_eq!(rows, "5|4|4|4|3");
    }
}

#[test]
fn stock_archives_go_through_the_tools_of_the_release() {
    let server = PostgresServer::start(Version::V18);
    server.create_example("example");
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let dumped = server
        .tool("pg_dump")
        .args(["--format=directory", "--dbname=example", "--file"])
        .arg(&archive)
        .status();
    assert!(dumped.unwrap().success());
    server.create_database("copy");
    server.pg_restore(&archive, "copy", &[]);
    assert_eq!(server.pg_dump("copy"), server.pg_dump("example"));
}

#[test]
fn connections_over_tcp_need_the_password() {
    let server = PostgresServer::start_with(Version::V15, &[("wal_level", "logical")]);
    let query = |url: &str| {
        let output = server
            .tool("psql")
            .args(["-XAtqc", "SHOW wal_level", url])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let url = server.url("postgres");
    assert_eq!(query(&url), "logical\n");
    assert_eq!(query(&url.replace(PASSWORD, "wrong")), "");
}

#[test]
fn a_crash_loses_nothing_that_was_committed() {
    let mut server = PostgresServer::start(Version::V15);
    server.psql("postgres", "CREATE TABLE kept AS SELECT 1");
    let port = server.port();
    server.crash_and_restart();
    assert_eq!(server.port(), port);
    assert_eq!(server.psql("postgres", "SELECT count(*) FROM kept"), "1");
}

#[test]
fn a_server_dies_with_its_test() {
    if env::var_os(CHILD).is_some() {
        let server = PostgresServer::start(Version::V15);
        eprintln!("port={}", server.port());
        process::abort();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::a_server_dies_with_its_test",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(!child.status.success());
    let said = String::from_utf8(child.stderr).unwrap();
    let (_, port) = said.split_once("port=").expect(&said);
    let port: u16 = port.split_whitespace().next().unwrap().parse().unwrap();
    assert!(wait_until(
        || TcpStream::connect(("127.0.0.1", port)).is_err()
    ));
}

#[test]
fn moto_keeps_objects() {
    let moto = Moto::start();
    moto.create_bucket("backups");
    assert_eq!(moto.request("PUT", "/backups/a/b", b"bytes").status, 200);
    assert_eq!(moto.request("GET", "/backups/a/b", b"").body, b"bytes");
    let listing = moto
        .request("GET", "/backups?list-type=2&prefix=a/", b"")
        .body;
    assert!(
        String::from_utf8(listing)
            .unwrap()
            .contains("<Key>a/b</Key>")
    );
    assert_eq!(moto.request("GET", "/backups/c", b"").status, 404);
}

#[test]
fn s3s_fs_refuses_requests_without_a_signature() {
    let server = S3sFs::start();
    assert!(server.create_bucket("backups").is_dir());
    let port = server
        .endpoint()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(
        http::request(port, "GET", "/backups?list-type=2", &[], b"")
            .unwrap()
            .status,
        403
    );
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}
