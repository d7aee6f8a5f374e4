//! What a prune deletes with whose consent, what stays although it was to go, and what a cut one leaves.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use end_to_end::Project;
use serde_json::{Value, json};

use crate::interruptions::signal;
use crate::retention::{CONFIG, NIGHTS, folder_project, prefixes, put, there};

/// Backups of so many files that a prune of them takes a while.
fn many(project: &Project) -> Vec<String> {
    let ids: Vec<String> = (0..40)
        .map(|number| format!("app/2026-01-17T02-00-{number:02}Z-full-000000{number:02}"))
        .collect();
    for id in &ids {
        for file in 0..300 {
            project.write(&format!("backups/{id}/{file}.dat"), "");
        }
        put(project, &[id]);
    }
    ids
}

/// Without its manifest, and not gone yet.
fn is_half(project: &Project, id: &str) -> bool {
    let folder = project.path().join("backups").join(id);
    folder.exists() && !folder.join("manifest.json").exists()
}

/// A prune that keeps one of many, when it has begun to delete.
fn prune_under_way(project: &Project, ids: &[String]) -> Child {
    let mut child = project
        .command(["backup", "prune", "--keep-last", "1", "--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let begun = Instant::now();
    while !ids.iter().any(|id| is_half(project, id)) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is deleted"
        );
        assert!(
            child.try_wait().expect("a child").is_none(),
            "it ended before it was cut"
        );
    }
    child
}

/// Killed between two deletions: the next start removes what is left of the backup, and the next prune goes on.
#[test]
fn a_deletion_that_was_cut_is_gone_on_with() {
    let project = folder_project(CONFIG);
    let ids = many(&project);
    let mut child = prune_under_way(&project, &ids);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let whole = there(&project).len();
    assert!((1..40).contains(&whole), "{whole} are left");
    let cut = last_run(&project);
    assert_eq!(cut["status"], "interrupted");
    let planned = cut["facts"]["plan"]["delete"].as_array();
    assert_eq!(planned.map(Vec::len), Some(39), "{cut}");
    let is_half = |id: &String| is_half(&project, id);
    assert!(
        !ids.iter().any(is_half),
        "the next start removes what is left of the backup"
    );
    project
        .run(["backup", "prune", "--keep-last", "1", "--yes"])
        .expect_code(0);
    assert_eq!(there(&project), [ids[39].as_str()]);
    assert_eq!(crate::files(&project.path().join("backups")).len(), 302);
}

/// What a killed prune had sent may still arrive, so each start looks again for a while; what comes long after was put there by somebody.
#[test]
fn a_backup_that_is_put_back_after_a_cut_deletion_stays() {
    let project = folder_project(CONFIG);
    let ids = many(&project);
    let mut child = prune_under_way(&project, &ids);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    last_run(&project);
    let left = there(&project);
    let gone = ids
        .iter()
        .find(|id| !left.contains(id))
        .expect("one is gone");
    let manifest = project
        .path()
        .join("backups")
        .join(gone)
        .join("manifest.json");
    put(&project, &[gone]);
    last_run(&project);
    assert!(!manifest.exists(), "it has arrived late");
    put(&project, &[gone]);
    let file = std::fs::File::options().write(true).open(&manifest);
    let later = std::time::SystemTime::now() + Duration::from_secs(3600);
    file.and_then(|file| file.set_modified(later))
        .expect("its time");
    for _ in 0..2 {
        last_run(&project);
        assert!(manifest.exists(), "somebody has put it back");
    }
}

/// The newest run, as the log shows it.
fn last_run(project: &Project) -> Value {
    let listed = project.run(["log", "list", "-n", "1", "--output", "json"]);
    listed.expect_code(0).json()["runs"][0].clone()
}

#[test]
fn a_prune_that_is_cancelled_has_told_what_it_would_delete_and_what_it_has() {
    let project = folder_project(CONFIG);
    let ids = many(&project);
    let mut child = prune_under_way(&project, &ids);
    signal(&child, "INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    let facts = last_run(&project)["facts"].clone();
    let planned = facts["plan"]["delete"].as_array().expect("a plan");
    assert_eq!(planned.len(), 39);
    assert_eq!(
        planned[38],
        json!({ "prefix": ids[0], "why": "no rule keeps it among the backups of app of the kind full" })
    );
    assert_eq!(
        facts["plan"]["keep"],
        json!([{ "prefix": ids[39], "why": "last 1: number 1; the last good one; the last good one of its kind" }])
    );
    let left = there(&project);
    let gone = |id: &&String| !left.contains(id);
    let change = facts["change"].as_str().unwrap_or_default();
    // The one in hand is removed with the end of the step, and was not deleted as a whole before.
    let told = ids.iter().filter(|id| change.contains(id.as_str())).count();
    let gone = ids.iter().filter(gone).count();
    assert!(told == gone || told + 1 == gone, "{told} of {gone}");
}

#[test]
fn what_is_pinned_during_a_prune_stays() {
    let project = folder_project(CONFIG);
    let ids = many(&project);
    let child = prune_under_way(&project, &ids);
    // The oldest goes last.
    project.write(
        &format!("backups/pins/{}", ids[0]),
        "{\"reason\":\"just now\"}",
    );
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains(&format!(
            "the backup {} was pinned after the plan was made",
            ids[0]
        )),
        "{said}"
    );
    assert_eq!(there(&project), [ids[0].as_str(), ids[39].as_str()]);
}

#[test]
fn what_is_being_written_is_not_deleted_by_its_name() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    let draft = "app/2026-01-18T02-00-00Z-full-00000009";
    project.write(&format!("backups/{draft}/toc.dat"), "half of one");
    let named = format!("backups={},{draft}", NIGHTS[0]);
    let refused = project
        .run(["run", "prune", "--param", &named])
        .expect_code(1);
    assert!(
        refused.stderr.contains(&format!(
            "{draft} has no manifest.json: it is being written"
        )),
        "{}",
        refused.stderr
    );
    assert!(project.path().join("backups").join(draft).exists());
    assert_eq!(there(&project), NIGHTS);
}

/// What was shown is deleted, and nothing that came since; who was shown nothing has agreed to nothing.
#[test]
fn nothing_is_deleted_that_nobody_was_shown() {
    let project = folder_project(CONFIG);
    put(&project, &NIGHTS);
    let prune = |agreed: &str| {
        let agreed = format!("agreed={agreed}");
        let job = ["run", "prune", "--param", "keep_last=1", "--param"];
        let job = [&job[..], &[&agreed, "--output", "json"]].concat();
        project.run(job).expect_code(0).json()
    };
    let run = prune("");
    assert_eq!(prefixes(&run, "deleted"), [""; 0]);
    assert_eq!(
        run["steps"][0]["result"]["not_agreed"],
        json!([NIGHTS[2], NIGHTS[1], NIGHTS[0]])
    );
    assert_eq!(there(&project), NIGHTS);
    assert_eq!(prefixes(&prune(NIGHTS[1]), "deleted"), [NIGHTS[1]]);
    // The command says so of itself, when it has nothing to show.
    project
        .run(["backup", "prune", "--keep-last", "3"])
        .expect_code(0);
    let step = last_run(&project)["steps"][0].clone();
    assert_eq!(step["parameters"]["agreed"], json!([]), "{step}");
    // A plan that cannot be made is no consent, and no run follows it.
    put(&project, &["app/2199-01-01T00-00-00Z-full-00000007"]);
    let before = last_run(&project)["run_id"].clone();
    let refused = project
        .run(["backup", "prune", "--keep-last", "1"])
        .expect_code(1);
    assert!(
        refused.stderr.contains("one of the clocks is wrong"),
        "{}",
        refused.stderr
    );
    assert_eq!(last_run(&project)["run_id"], before);
    assert_eq!(there(&project).len(), 4);
}
