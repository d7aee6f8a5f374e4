//! Which backups count as good: whole ones before parts of a database, and none that is known to be damaged.

use std::fs;
use std::path::Path;

use end_to_end::{PostgresServer, Project, Version};

use crate::encryption::{keygen, writer};
use crate::retention::{CONFIG, NIGHTS, folder_project, put, there};
use crate::{back_up, back_up_with, files, project};

fn id(folder: &Path) -> String {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.expect("an id").to_owned()
}

fn prune_to_the_last(project: &Project, code: i32) -> String {
    let prune = ["backup", "prune", "--keep-last", "1", "--yes"];
    project.run(prune).expect_code(code).stdout
}

/// Changes a byte of a table's rows.
fn flip(folder: &Path) {
    let data = files(folder).into_iter().find(|file| {
        let name = file.to_string_lossy();
        name.ends_with(".dat.gz") || name.ends_with(".dat.gz.age")
    });
    let data = data.expect("data");
    let mut bytes = fs::read(&data).expect("data");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&data, bytes).expect("data");
}

#[test]
fn a_part_of_a_database_takes_no_place_of_a_whole() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_database("target");
    let project = project(&server);
    let whole = back_up(&project);
    let schema = back_up_with(&project, &["--schema-only"]);
    assert!(id(&schema).contains("Z-partial-"), "{}", schema.display());
    let tables = back_up_with(&project, &["--exclude-table-data", "\"User\""]);
    assert!(id(&tables).contains("Z-partial-"), "{}", tables.display());
    let create = ["backup", "create", "-d", "source", "--kind", "full"];
    let refused = project
        .run(create.iter().chain(&["--table", "\"User\""]))
        .expect_code(1);
    assert!(
        refused.stderr.contains("not of the kind full")
            && refused.stderr.contains("leave out the kind"),
        "{}",
        refused.stderr
    );
    prune_to_the_last(&project, 0);
    assert!(whole.exists() && !schema.exists() && tables.exists());
    // Under one name of the operator's own, the manifests say which is which.
    let nightly = back_up_with(&project, &["--kind", "nightly"]);
    let part = back_up_with(&project, &["--kind", "nightly", "--schema-only"]);
    let told = prune_to_the_last(&project, 0);
    assert!(nightly.exists() && part.exists(), "{told}");
    assert!(
        told.contains("the last good one; the last good one of its kind"),
        "{told}"
    );
}

#[test]
fn what_is_known_to_be_damaged_is_no_last_good_one() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_database("target");
    let project = project(&server);
    let yesterday = back_up(&project);
    let today = back_up(&project);
    flip(&today);
    let found = project.run(["backup", "verify"]).expect_code(1);
    assert!(
        found.stderr.contains("missing, cut off or changed"),
        "{}",
        found.stderr
    );
    let told = prune_to_the_last(&project, 3);
    assert!(
        told.contains(&format!(
            "{} does not count as a good one: it was damaged when it was last verified",
            id(&today)
        )),
        "{told}"
    );
    assert!(yesterday.exists() && today.exists());
    // By the flip of the same bit it is as it was, and verified again.
    flip(&today);
    project.run(["backup", "verify"]).expect_code(0);
    prune_to_the_last(&project, 0);
    assert!(!yesterday.exists() && today.exists());
}

#[test]
fn a_manifest_that_cannot_be_read_is_no_good_backup_s() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    let newest = format!("backups/{}/manifest.json", NIGHTS[3]);
    let whole = project.read(&newest);
    project.write(&newest, &whole[..whole.len() / 2]);
    let told = prune_to_the_last(&project, 3);
    assert!(
        told.contains(&format!("{} does not count as a good one", NIGHTS[3])),
        "{told}"
    );
    assert_eq!(there(&project), NIGHTS[2..]);
    // A later program's is as good as any.
    let later = whole.replacen("\"format_version\": 1", "\"format_version\": 99", 1);
    assert_ne!(later, whole);
    project.write(&newest, &later);
    prune_to_the_last(&project, 0);
    assert_eq!(there(&project), NIGHTS[3..]);
}

/// A machine that writes and cannot read prunes by names, and heeds what the log tells.
#[test]
fn encrypted_backups_are_pruned() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let folder = tempfile::tempdir().expect("a folder");
    let keys = keygen(folder.path(), "key.txt");
    let project = writer(&server, &[&keys]);
    let identity = keys.identity.to_string_lossy();
    let [first, second, third] = [(); 3].map(|()| back_up(&project));
    prune_to_the_last(&project, 0);
    assert!(!first.exists() && !second.exists() && third.exists());
    let part = back_up_with(&project, &["--kind", "nightly", "--schema-only"]);
    let whole = back_up_with(&project, &["--kind", "nightly"]);
    let newest = back_up_with(&project, &["--kind", "nightly", "--schema-only"]);
    // With the identity, the newest is known to be a part.
    let prune = ["backup", "prune", "--keep-last", "1", "--yes", "--identity"];
    project
        .run(prune.iter().copied().chain([&*identity]))
        .expect_code(0);
    assert!(!part.exists() && whole.exists() && newest.exists());
    flip(&whole);
    let verify = ["backup", "verify", &id(&whole), "--identity", &identity];
    project.run(verify).expect_code(1);
    let told = project.run(prune.iter().copied().chain([&*identity]));
    let told = told.expect_code(3).stdout;
    assert!(
        told.contains(&format!("{} does not count as a good one", id(&whole))),
        "{told}"
    );
    assert!(!whole.exists() && newest.exists() && third.exists());
}
