//! Ctrl-C, SIGTERM and kill -9 in the middle: a closed record, no half backup, and a next run that works.

use std::process::{Child, Command};
use std::time::Duration;

use end_to_end::{Fault, FaultyProxy, Moto, PostgresServer, Project, Strike, Version, wait_for};

use crate::{SLOW_BACKUP, files, project, project_in_bucket, start, statuses};

/// A table that takes seconds to back up with one connection, so that there is a middle.
fn fill(server: &PostgresServer) {
    server.create_database("source");
    server.psql(
        "source",
        "CREATE TABLE big AS SELECT i AS id, md5(i::text) || md5((i * 7)::text) AS text FROM generate_series(1, 3000000) i",
    );
}

/// Waits until bytes of the backup lie in the storage.
fn wait_for_bytes(project: &Project) {
    let backups = project.path().join("backups");
    wait_for("a backup begins", || !files(&backups).is_empty());
}

pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &child.id().to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "the signal {name} is sent"
    );
}

fn assert_nothing_runs(server: &PostgresServer) {
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'source' AND pid <> pg_backend_pid() AND state <> 'idle'";
    wait_for("the end of all statements", || {
        server.psql("source", busy) == "0"
    });
}

#[test]
fn a_signal_ends_a_backup_in_good_order() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let project = project(&server);
    for name in ["INT", "TERM"] {
        let mut child = start(&project, &SLOW_BACKUP);
        wait_for_bytes(&project);
        signal(&child, name);
        let status = child.wait().expect("the program ends");
        assert_eq!(status.code(), Some(130), "after {name}");
        assert!(
            files(&project.path().join("backups")).is_empty(),
            "after {name}"
        );
        assert_nothing_runs(&server);
    }
    assert_eq!(statuses(&project, &server), ["cancelled", "cancelled"]);
}

#[test]
fn a_killed_backup_is_closed_and_cleaned_up_by_the_next_start() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let project = project(&server);
    let mut child = start(&project, &SLOW_BACKUP);
    wait_for_bytes(&project);
    signal(&child, "KILL");
    child.wait().expect("the program ends");
    assert!(
        !files(&project.path().join("backups")).is_empty(),
        "kill -9 leaves half a backup"
    );
    let listed = project
        .run(["backup", "list", "--output", "json"])
        .expect_code(0);
    assert_eq!(listed.json()["backups"].as_array().map(Vec::len), Some(0));
    assert!(listed.stderr.contains("interrupted"), "{}", listed.stderr);
    assert!(files(&project.path().join("backups")).is_empty());
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
    project.run(["backup", "verify"]).expect_code(0);
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "succeeded", "interrupted"]
    );
}

#[test]
fn a_signal_in_a_restore_leaves_no_half_database() {
    let server = PostgresServer::start(Version::V15);
    fill(&server);
    let project = project(&server);
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
    let restore = [
        "restore",
        "latest",
        "--to",
        "target",
        "--create",
        "--skip-verify",
    ];
    let mut child = start(&project, &restore);
    let exists = "SELECT count(*) FROM pg_database WHERE datname = 'target'";
    wait_for("a restore begins", || {
        server.psql("postgres", exists) == "1"
    });
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "INT");
    let status = child.wait().expect("the program ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(server.psql("postgres", exists), "0");
    assert_eq!(statuses(&project, &server), ["cancelled", "succeeded"]);
}

#[test]
fn what_a_killed_backup_had_on_its_way_makes_no_backup_when_it_arrives() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let moto = Moto::start();
    moto.create_bucket("backups");
    let proxy = FaultyProxy::start(moto.address());
    let project = project_in_bucket(&server, &proxy.endpoint());
    let held = Fault::Delay(Duration::from_secs(4));
    proxy.set([Strike::new(held).on("PUT").at("/manifest.json")]);
    let mut child = start(&project, &SLOW_BACKUP);
    wait_for("the manifest is sent", || proxy.struck() == 1);
    signal(&child, "KILL");
    child.wait().expect("the program ends");

    let keys = || {
        let listed = moto.request("GET", "/backups?list-type=2", b"").body;
        String::from_utf8_lossy(&listed).matches("<Key>").count()
    };
    assert!(keys() > 1, "everything else has arrived");
    let listed = project.run(["backup", "list"]).expect_code(0);
    assert!(listed.stderr.contains("was removed"), "{}", listed.stderr);
    assert_eq!(keys(), 0);
    wait_for("the manifest arrives", || keys() == 1);
    let listed = project.run(["backup", "list"]).expect_code(0);
    assert!(listed.stdout.contains("no backups"), "{}", listed.stdout);
    assert_eq!(keys(), 0);
    // A third start finds nothing, and says nothing.
    let listed = project.run(["backup", "list"]).expect_code(0);
    assert!(!listed.stderr.contains("unfinished"), "{}", listed.stderr);
    project
        .run(["backup", "create", "--database", "source"])
        .expect_code(0);
    project.run(["backup", "verify"]).expect_code(0);
    assert_eq!(
        statuses(&project, &server),
        ["succeeded", "succeeded", "interrupted"]
    );
}
