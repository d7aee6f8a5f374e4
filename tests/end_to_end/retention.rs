//! Backups by rule: what a policy keeps and deletes, and why.

use std::path::PathBuf;

use archive::{BackupId, Manifest};
use end_to_end::{Moto, PostgresServer, Project, Version};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::encryption::{age_encrypt, keygen};
use crate::{back_up, project, text};

pub(crate) const CONFIG: &str = "environment = \"local\"\n[storage.main]\nurl = \"file:backups\"\n";

pub(crate) fn folder_project(config: &str) -> Project {
    Project::new(env!("CARGO_BIN_EXE_orchestrator"), config)
}

const TOC: &str = "PGDMP";

/// Folders of backups as their names and manifests make them; what is in them is nobody's business here.
pub(crate) fn put(project: &Project, ids: &[&str]) {
    for id in ids {
        project.write(&format!("backups/{id}/toc.dat"), TOC);
        project.write(&format!("backups/{id}/manifest.json"), &manifest(id));
    }
}

/// The manifest of a whole backup that lies there.
fn manifest(prefix: &str) -> String {
    let (database, id) = prefix.split_once('/').expect("a prefix");
    let id: BackupId = id.parse().expect("an id");
    let manifest = json!({
        "format_version": 1,
        "backup": id,
        "kind": id.kind(),
        "database": database,
        "tool": { "name": "orchestrator", "version": "0.1.0" },
        "plugin": { "name": "backup", "version": "0.1.0" },
        "server": { "version_number": 150_018, "version": "15.18" },
        "snapshot": { "time": id.created().to_string() },
        "encoding": "UTF8",
        "locale": { "provider": "libc", "collate": "C", "ctype": "C" },
        "extensions": [],
        "roles": [],
        "archive": { "version": "1.14", "compression": "gzip" },
        "filters": {},
        "totals": { "bytes": TOC.len(), "plain_bytes": 0, "rows": 0, "tables": 0 },
        "objects": [{
            "name": "toc.dat",
            "bytes": TOC.len(),
            "sha256": hex::encode(Sha256::digest(TOC)),
        }],
    });
    let manifest: Manifest = serde_json::from_value(manifest).expect("a manifest");
    let bytes = manifest.write().expect("a manifest");
    assert_eq!(Manifest::read(&bytes), Ok(manifest));
    String::from_utf8(bytes).expect("text")
}

fn put_in_bucket(moto: &Moto, id: &str) {
    for (name, text) in [("toc.dat", TOC), ("manifest.json", &manifest(id))] {
        let path = format!("/backups/team/{id}/{name}");
        assert_eq!(moto.request("PUT", &path, text.as_bytes()).status, 200);
    }
}

pub(crate) const NIGHTS: [&str; 4] = [
    "app/2026-01-14T02-00-00Z-full-00000001",
    "app/2026-01-15T02-00-00Z-full-00000002",
    "app/2026-01-16T02-00-00Z-full-00000003",
    "app/2026-01-17T02-00-00Z-full-00000004",
];

pub(crate) fn prefixes(result: &Value, which: &str) -> Vec<String> {
    let items = result["steps"][0]["result"][which].as_array();
    let items = items.unwrap_or_else(|| panic!("no {which} in {result}"));
    items.iter().map(|item| text(&item["prefix"])).collect()
}

/// The backups that are there: folders with a manifest.
pub(crate) fn there(project: &Project) -> Vec<String> {
    crate::files(&project.path().join("backups"))
        .into_iter()
        .filter(|file| {
            let name = file.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with("manifest.json"))
        })
        .map(|file| {
            let parent = file.parent().expect("a folder").to_owned();
            let below = parent.strip_prefix(project.path().join("backups"));
            below.expect("below backups").display().to_string()
        })
        .collect()
}

#[test]
fn a_policy_keeps_and_deletes_with_reasons() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    let manual = "app/2025-06-01T12-00-00Z-manual-00000005";
    let shop = "shop/2025-05-01T12-00-00Z-full-00000006";
    put(&project, &[manual, shop]);
    project.write("backups/app/notes.txt", "not a backup");
    project.write(
        "backups/app/2026-01-18T02-00-00Z-full-00000009/toc.dat",
        "half of one",
    );
    let dry = [
        "backup",
        "prune",
        "--keep-last",
        "2",
        "--dry-run",
        "--output",
        "json",
    ];
    let planned = project.run(dry).expect_code(0).json();
    assert_eq!(prefixes(&planned, "would_delete"), [NIGHTS[1], NIGHTS[0]]);
    assert_eq!(
        prefixes(&planned, "kept"),
        [NIGHTS[3], NIGHTS[2], manual, shop]
    );
    let why = |which: &str, at: usize| text(&planned["steps"][0]["result"][which][at]["why"]);
    assert_eq!(
        why("kept", 0),
        "last 2: number 1; the last good one; the last good one of its kind"
    );
    assert_eq!(
        why("would_delete", 0),
        "no rule keeps it among the backups of app of the kind full"
    );
    assert_eq!(there(&project).len(), 6);

    // Nobody has agreed, and nobody can be asked.
    let refused = project
        .run(["backup", "prune", "--keep-last", "2"])
        .expect_code(4);
    assert!(
        refused.stderr.contains("agree with --yes"),
        "{}",
        refused.stderr
    );
    assert!(
        refused
            .stderr
            .contains(&format!("{}: no rule keeps it", NIGHTS[0])),
        "{}",
        refused.stderr
    );
    assert_eq!(there(&project).len(), 6);

    let done = [
        "backup",
        "prune",
        "--keep-last",
        "2",
        "--yes",
        "--output",
        "json",
    ];
    let deleted = project.run(done).expect_code(0).json();
    assert_eq!(prefixes(&deleted, "deleted"), [NIGHTS[1], NIGHTS[0]]);
    assert_eq!(there(&project), [manual, NIGHTS[2], NIGHTS[3], shop]);
    assert!(!project.path().join("backups").join(NIGHTS[0]).exists());
    assert!(project.path().join("backups/app/notes.txt").exists());
    assert!(
        project
            .path()
            .join("backups/app/2026-01-18T02-00-00Z-full-00000009/toc.dat")
            .exists()
    );
    // Again: nothing more, and no question.
    project
        .run(["backup", "prune", "--keep-last", "2"])
        .expect_code(0);
    assert_eq!(there(&project).len(), 4);
    let filtered = [
        "backup",
        "prune",
        "--keep-last",
        "1",
        "--database",
        "app",
        "--kind",
        "full",
        "--yes",
    ];
    project.run(filtered).expect_code(0);
    assert_eq!(there(&project), [manual, NIGHTS[3], shop]);
    // Nothing of that name: a warning.
    let none = project
        .run([
            "backup",
            "prune",
            "--keep-last",
            "1",
            "--kind",
            "nigthly",
            "--yes",
        ])
        .expect_code(3);
    assert!(
        none.stdout
            .contains("there is no backup of the kind nigthly"),
        "{}",
        none.stdout
    );
}

#[test]
fn a_job_follows_its_policy_and_the_built_in_one_asks_for_one() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    // Names are enough: this machine cannot read what is encrypted.
    let keys = tempfile::tempdir().expect("a folder");
    let keys = keygen(keys.path(), "theirs.txt");
    for id in NIGHTS {
        let plain = project
            .path()
            .join("backups")
            .join(id)
            .join("manifest.json");
        age_encrypt(&keys, &plain, &plain.with_extension("json.age"));
        std::fs::remove_file(plain).expect("a manifest");
    }
    let refused = project.run(["run", "prune"]).expect_code(2);
    assert!(
        refused.stderr.contains("the policy keeps nothing by rule"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("name at least one of keep_last"),
        "{}",
        refused.stderr
    );
    project
        .run(["run", "prune", "--param", "keep-daily=3"])
        .expect_code(0);
    assert_eq!(there(&project).len(), 3);
    project.write(
        "orchestrator.toml",
        &format!("{CONFIG}[jobs.prune]\nsteps = [{{ plugin = \"prune\", keep_last = 1, keep_minimum = 2 }}]\n"),
    );
    let run = project
        .run(["run", "prune", "--output", "json"])
        .expect_code(0)
        .json();
    assert_eq!(run["steps"][0]["result"]["kept"][1]["why"], "minimum of 2");
    assert_eq!(there(&project), NIGHTS[2..]);
}

#[test]
fn bad_policies_are_refused() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    for (flags, expected) in [
        (&[][..], "the policy keeps nothing by rule"),
        (&["--keep-minimum", "3"], "the policy keeps nothing by rule"),
        (&["--keep-last", "0"], "keep_last is 0, and has to be 1 to"),
        (&["--keep-daily=-1"], "keep_daily is -1, and has to be 1 to"),
        (&["--keep-within", "30"], "\"30\" is no duration"),
        (&["--keep-within", "0d"], "\"0d\" is nothing at all"),
        (
            &["--keep-last", "1", "--time-zone", "Berlin"],
            "there is no time zone \"Berlin\"",
        ),
    ] {
        let mut arguments = vec!["backup", "prune", "--yes"];
        arguments.extend(flags);
        let outcome = project.run(arguments).expect_code(2);
        assert!(
            outcome.stderr.contains(expected),
            "{flags:?}: {}",
            outcome.stderr
        );
    }
    let both = [
        "run",
        "prune",
        "--param",
        "keep_last=1",
        "--param",
        "backups=app/x",
    ];
    let outcome = project.run(both).expect_code(2);
    assert!(
        outcome.stderr.contains("both backups and a policy"),
        "{}",
        outcome.stderr
    );
    assert_eq!(there(&project), NIGHTS);
}

#[test]
fn a_backup_of_the_future_stops_everything() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    put(&project, &["app/2199-01-01T00-00-00Z-full-00000007"]);
    let outcome = project
        .run(["backup", "prune", "--keep-last", "1", "--yes"])
        .expect_code(1);
    assert!(
        outcome
            .stderr
            .contains("the backup app/2199-01-01T00-00-00Z-full-00000007 is of 2199"),
        "{}",
        outcome.stderr
    );
    assert!(
        outcome.stderr.contains("one of the clocks is wrong"),
        "{}",
        outcome.stderr
    );
    assert_eq!(there(&project).len(), 5);
}

#[test]
fn a_pinned_backup_stays_and_is_a_backup_like_any_other() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_database("target");
    let project = project(&server);
    let first = back_up(&project);
    let second = back_up(&project);
    let id = |folder: &PathBuf| {
        folder
            .file_name()
            .and_then(|name| name.to_str())
            .expect("an id")
            .to_owned()
    };
    project
        .run(["backup", "pin", &id(&first), "--reason", "before the audit"])
        .expect_code(0);
    let listed = project.run(["backup", "list"]).expect_code(0);
    assert!(
        listed.stdout.contains("PINNED") && listed.stdout.contains("before the audit"),
        "{}",
        listed.stdout
    );
    project
        .run(["backup", "verify", &id(&first)])
        .expect_code(0);
    project
        .run(["restore", &id(&first), "--to", "target"])
        .expect_code(0);
    let refused = project
        .run(["backup", "delete", &id(&first), "--yes"])
        .expect_code(1);
    assert!(
        refused.stderr.contains("is pinned: before the audit"),
        "{}",
        refused.stderr
    );
    project
        .run(["backup", "prune", "--keep-last", "1", "--yes"])
        .expect_code(0);
    assert!(first.join("manifest.json").exists() && second.join("manifest.json").exists());
    project.run(["backup", "unpin", &id(&first)]).expect_code(0);
    let again = project.run(["backup", "unpin", &id(&first)]).expect_code(1);
    assert!(again.stderr.contains("is not pinned"), "{}", again.stderr);
    project
        .run(["backup", "prune", "--keep-last", "1", "--yes"])
        .expect_code(0);
    assert!(!first.exists() && second.join("manifest.json").exists());
}

#[test]
fn what_the_bucket_holds_is_kept() {
    let moto = Moto::start();
    moto.create_locked_bucket("backups");
    let mut project = folder_project(&format!(
        "environment = \"local\"\n[storage.main]\nurl = \"s3://backups/team\"\nendpoint = \"{}\"\npath_style = true\n",
        moto.endpoint()
    ));
    project.set("AWS_ACCESS_KEY_ID", "any");
    project.set("AWS_SECRET_ACCESS_KEY", "any");
    project.set("AWS_REGION", "us-east-1");
    for id in NIGHTS {
        put_in_bucket(&moto, id);
    }
    let retention = b"<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>COMPLIANCE</Mode><RetainUntilDate>2099-01-01T00:00:00Z</RetainUntilDate></Retention>";
    let legal = b"<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>ON</Status></LegalHold>";
    // One by its manifest, one by another object.
    let held = moto.request(
        "PUT",
        &format!("/backups/team/{}/manifest.json?retention", NIGHTS[0]),
        retention,
    );
    assert_eq!(held.status, 200);
    let held = moto.request(
        "PUT",
        &format!("/backups/team/{}/toc.dat?legal-hold", NIGHTS[1]),
        legal,
    );
    assert_eq!(held.status, 200);
    let pruned = [
        "backup",
        "prune",
        "--keep-last",
        "1",
        "--yes",
        "--output",
        "json",
    ];
    let run = project.run(pruned).expect_code(0).json();
    assert_eq!(prefixes(&run, "deleted"), [NIGHTS[2]]);
    let kept = &run["steps"][0]["result"]["kept"];
    assert_eq!(kept[1]["why"], "under a legal hold");
    assert_eq!(
        kept[2]["why"],
        "held by the storage until 2099-01-01T00:00:00Z"
    );
    let id = NIGHTS[0].rsplit_once('/').expect("an id").1;
    let named = format!("backups={}", NIGHTS[0]);
    let refused = project
        .run(["run", "prune", "--param", &named])
        .expect_code(1);
    assert!(
        refused.stderr.contains("does not let go of the backup") && refused.stderr.contains(id),
        "{}",
        refused.stderr
    );
    assert_eq!(
        moto.request(
            "HEAD",
            &format!("/backups/team/{}/manifest.json", NIGHTS[0]),
            b""
        )
        .status,
        200
    );
    assert_eq!(
        moto.request("HEAD", &format!("/backups/team/{}/toc.dat", NIGHTS[1]), b"")
            .status,
        200
    );
}

#[test]
fn a_bucket_without_locks_is_pruned() {
    let moto = Moto::start();
    moto.create_bucket("backups");
    let mut project = folder_project(&format!(
        "environment = \"local\"\n[storage.main]\nurl = \"s3://backups/team\"\nendpoint = \"{}\"\npath_style = true\n",
        moto.endpoint()
    ));
    project.set("AWS_ACCESS_KEY_ID", "any");
    project.set("AWS_SECRET_ACCESS_KEY", "any");
    project.set("AWS_REGION", "us-east-1");
    for id in NIGHTS {
        put_in_bucket(&moto, id);
    }
    let pruned = [
        "backup",
        "prune",
        "--keep-last",
        "1",
        "--yes",
        "--output",
        "json",
    ];
    let run = project.run(pruned).expect_code(0).json();
    assert_eq!(prefixes(&run, "deleted").len(), NIGHTS.len() - 1);
    let status = |id: &str| {
        let path = format!("/backups/team/{id}/manifest.json");
        moto.request("HEAD", &path, b"").status
    };
    let left: Vec<_> = NIGHTS.into_iter().filter(|id| status(id) == 200).collect();
    assert_eq!(left, [*NIGHTS.iter().max().expect("a night")]);
}
