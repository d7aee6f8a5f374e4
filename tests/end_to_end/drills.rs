//! Drills: a backup is restored, asked and compared, and the record says so.

use end_to_end::{PostgresServer, Project, Version};

use crate::{back_up, project};

fn drill_project(server: &PostgresServer, queries: &str) -> Project {
    server.create_example("source");
    server.create_database("target");
    let project = project(server);
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &format!("{config}[check]\nproven_within = \"24h\"\n[jobs.drill]\nsteps = [{{ plugin = \"restore\", mode = \"check\", database = \"source\", queries = [{queries}] }}]\n"),
    );
    project
}

fn a_backup_is_proven(version: Version) {
    let server = PostgresServer::start(version);
    let users = "{ name = \"users\", sql = \"SELECT count(*) FROM \\\"User\\\"\", at_least = 1 }";
    let project = drill_project(&server, users);
    let folder = back_up(&project);
    let id = folder
        .file_name()
        .and_then(|name| name.to_str())
        .expect("an id");
    let before = project.run(["check"]).expect_code(3);
    assert!(
        before
            .stdout
            .contains("none of its backups was ever proven"),
        "{}",
        before.stdout
    );
    let run = project
        .run(["run", "drill", "--output", "json"])
        .expect_code(0)
        .json();
    let proven = &run["facts"]["proven"];
    assert_eq!(
        (proven["backup"].as_str(), proven["database"].as_str()),
        (Some(id), Some("source"))
    );
    assert!(
        proven["seconds"]
            .as_f64()
            .is_some_and(|seconds| seconds > 0.0),
        "{proven}"
    );
    assert!(
        proven["rows"].as_u64().is_some_and(|rows| rows >= 20),
        "{proven}"
    );
    assert!(
        proven["backup_age_seconds"]
            .as_i64()
            .is_some_and(|age| (0..600).contains(&age)),
        "{proven}"
    );
    println!("{proven}");
    assert_eq!(proven["queries"], 1);
    assert_eq!(run["facts"]["verification"][0]["ok"], true);
    let after = project.run(["check"]).expect_code(0);
    assert!(
        after
            .stdout
            .contains(&format!("last proven backup of source: {id}")),
        "{}",
        after.stdout
    );
    let left = server.psql("records", "SELECT count(*) FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', 'source', 'target', 'records')");
    assert_eq!(left.trim(), "0");
    // What was proven stays, whatever is newer.
    let second = back_up(&project);
    back_up(&project);
    project
        .run(["backup", "prune", "--keep-last", "1", "--yes"])
        .expect_code(0);
    assert!(folder.join("manifest.json").exists() && !second.exists());
}

#[test]
fn a_backup_of_13_is_proven() {
    a_backup_is_proven(Version::V13);
}

#[test]
fn a_backup_of_18_is_proven() {
    a_backup_is_proven(Version::V18);
}

#[test]
fn a_query_that_is_not_answered_as_expected_fails_the_drill() {
    let server = PostgresServer::start(Version::V15);
    let users = "{ name = \"enough users\", sql = \"SELECT count(*) FROM \\\"User\\\"\", at_least = 1000000 }";
    let project = drill_project(&server, users);
    let folder = back_up(&project);
    let failed = project.run(["run", "drill"]).expect_code(1);
    assert!(
        failed
            .stderr
            .contains("1 of 1 queries as expected: enough users:"),
        "{}",
        failed.stderr
    );
    let check = project.run(["check"]).expect_code(3);
    assert!(check.stdout.contains("was ever proven"), "{}", check.stdout);
    let run = |queries: &str| {
        let queries = format!("queries={queries}");
        project.run(["run", "drill", "--param", &queries])
    };
    let wrong = run(r#"[{"name":"gone","sql":"SELECT 1 FROM nowhere","expect":1}]"#).expect_code(1);
    assert!(
        wrong
            .stderr
            .contains("asking the restored database \"gone\""),
        "{}",
        wrong.stderr
    );
    let writes =
        run(r#"[{"name":"writes","sql":"DELETE FROM \"User\"","expect":1}]"#).expect_code(1);
    assert!(
        writes.stderr.contains("read-only transaction"),
        "{}",
        writes.stderr
    );
    let nothing = run(r#"[{"name":"q","sql":"SELECT 1"}]"#).expect_code(1);
    assert!(
        nothing.stderr.contains("expects nothing"),
        "{}",
        nothing.stderr
    );
    // A byte of the backup is another one.
    let data = crate::files(&folder)
        .into_iter()
        .find(|file| file.to_string_lossy().ends_with(".dat.gz"))
        .expect("data");
    let mut bytes = std::fs::read(&data).expect("data");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&data, bytes).expect("data");
    let corrupt = run("[]").expect_code(1);
    assert!(
        corrupt.stderr.contains("restoring TABLE DATA public."),
        "{}",
        corrupt.stderr
    );
}
