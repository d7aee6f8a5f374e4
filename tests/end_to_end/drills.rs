//! Drills: a backup is restored, asked and compared, and the record says so.

use std::path::Path;

use end_to_end::{PostgresServer, Project, Version};

use crate::encryption::{keygen, writer};
use crate::{back_up, back_up_with, project};

fn drill_project(server: &PostgresServer, queries: &str) -> Project {
    server.create_example("source");
    server.create_database("target");
    let project = project(server);
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &format!("{config}[check]\nproven_within = \"24h\"\nwithout_backups = [\"target\", \"records\"]\n[jobs.drill]\nsteps = [{{ plugin = \"restore\", mode = \"check\", database = \"source\", queries = [{queries}] }}]\n"),
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
            .contains(&format!("ok       last proven backup of source: {id}, ")),
        "{}",
        after.stdout
    );
    assert!(
        after.stdout.contains(" s old, proven ") && after.stdout.contains(" s ago, in "),
        "{}",
        after.stdout
    );
    // Both ages are held to the limit, and so is the newest backup's.
    let config = project.read("orchestrator.toml");
    let short = "proven_within = \"1ms\"\nbackup_within = \"1ms\"";
    project.write(
        "orchestrator.toml",
        &config.replace("proven_within = \"24h\"", short),
    );
    let late = project.run(["check"]).expect_code(3);
    for said in [
        "warning  newest backup of source: ",
        "warning  last proven backup of source: ",
    ] {
        assert!(late.stdout.contains(said), "{said}: {}", late.stdout);
    }
    project.write("orchestrator.toml", &config);
    let left = server.psql("records", "SELECT count(*) FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', 'source', 'target', 'records')");
    assert_eq!(left.trim(), "0");
    // What was proven stays, whatever is newer.
    let second = back_up(&project);
    back_up(&project);
    project
        .run(["backup", "prune", "--keep-last", "1", "--yes"])
        .expect_code(0);
    assert!(folder.join("manifest.json").exists() && !second.exists());
    std::fs::remove_dir_all(&folder).expect("somebody removes it by hand");
    let gone = project.run(["check"]).expect_code(3);
    assert!(
        gone.stdout.contains("; it is in no storage any more\n"),
        "{}",
        gone.stdout
    );
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
fn a_drill_of_several_databases_proves_each() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    server.create_example("target");
    let project = project(&server);
    let step = |database: &str| {
        format!(
            "{{ plugin = \"restore\", mode = \"check\", database = \"{database}\", backup = \"{database}/latest\" }}"
        )
    };
    let config = project.read("orchestrator.toml");
    project.write(
        "orchestrator.toml",
        &format!(
            "{config}[check]\nproven_within = \"24h\"\n[jobs.drill]\nsteps = [{}, {}]\n",
            step("source"),
            step("target")
        ),
    );
    let back_up = |database: &str| {
        let create = [
            "backup",
            "create",
            "--database",
            database,
            "--output",
            "json",
        ];
        let created = project.run(create).expect_code(0).json();
        crate::text(&created["facts"]["backup"]["id"])
    };
    let proven = ["source", "target"].map(|database| (database, back_up(database)));
    let run = project
        .run(["run", "drill", "--output", "json"])
        .expect_code(0)
        .json();
    let facts = run["facts"]["proven"].as_array().expect("a list");
    assert_eq!(facts.len(), 2, "{facts:?}");
    for (fact, (database, id)) in facts.iter().zip(&proven) {
        assert_eq!(fact["database"], *database);
        assert_eq!(fact["backup"], id.as_str());
    }
    let shown = project.run(["run", "drill"]).expect_code(0).stdout;
    // The log's own database is configured, and nobody has ever backed it up.
    let check = project.run(["check"]).expect_code(3).stdout;
    assert!(
        check.contains("warning  newest backup of records: there is none"),
        "{check}"
    );
    for (database, id) in &proven {
        let told = format!("proven: {id} of {database}, ");
        assert!(shown.contains(&told), "{shown}");
        let told = format!("ok       last proven backup of {database}: {id}, ");
        assert!(check.contains(&told), "{check}");
    }
    // Retention knows both, also on a machine whose journal does not: by the table.
    for (database, _) in &proven {
        back_up(database);
        back_up(database);
    }
    std::fs::remove_dir_all(project.path().join(".orchestrator")).expect("the state's folder");
    let prune = ["backup", "prune", "--keep-last", "1", "--yes"];
    project.run(prune).expect_code(0);
    for (database, id) in &proven {
        let folder = project.path().join("backups").join(database);
        assert!(folder.join(id).join("manifest.json").exists(), "{database}");
        let left = std::fs::read_dir(folder).expect("backups").count();
        assert_eq!(left, 2, "{database}: the newest, and the proven one");
    }
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

#[test]
fn the_command_and_the_job_leave_the_same_record() {
    let server = PostgresServer::start(Version::V15);
    let users = "{ name = \"users\", sql = \"SELECT count(*) FROM \\\"User\\\"\", at_least = 1 }";
    let project = drill_project(&server, users);
    let folder = back_up(&project);
    let id = folder
        .file_name()
        .and_then(|name| name.to_str())
        .expect("an id");
    let document = |arguments: &[&str]| {
        let mut run = project.run(arguments).expect_code(0).json();
        // What differs from run to run.
        for (place, name) in [
            ("", "run_id"),
            ("", "started"),
            ("", "finished"),
            ("", "report"),
            ("/facts/proven", "seconds"),
            ("/facts/proven", "backup_age_seconds"),
            ("/steps/0/result", "seconds"),
            ("/steps/0/result", "seconds_to_recover"),
        ] {
            let object = run
                .pointer_mut(place)
                .and_then(|value| value.as_object_mut());
            let removed = object.and_then(|object| object.remove(name));
            assert!(removed.is_some(), "{place}/{name} of {arguments:?}");
        }
        for step in run["steps"].as_array_mut().expect("steps") {
            let result = step["result"].as_object_mut().expect("a result");
            for phase in result["phases"].as_array_mut().expect("phases") {
                let took = phase
                    .as_object_mut()
                    .and_then(|phase| phase.remove("seconds"));
                assert!(took.is_some(), "{phase}");
            }
        }
        run
    };
    let job = document(&["run", "drill", "--output", "json"]);
    assert_eq!(job["job"], "drill");
    assert_eq!(job["facts"]["proven"]["backup"], id);
    assert_eq!(document(&["drill", "--output", "json"]), job);
    let last_part = id.rsplit('-').next().expect("the last part of an id");
    let named = ["drill", "--database", "source", "--storage", "main"];
    let named = [&named[..], &["--backup", last_part, "--output", "json"]].concat();
    assert_eq!(document(&named), job);
    // Another server: the backup is the same.
    let on = ["drill", "-d", "source", "--on", &server.url("postgres")];
    let on = project.run(on).expect_code(0);
    for part in [
        format!("proven: {id} of source, "),
        " rows of 6 tables compared, 1 queries answered\nrecovered in ".to_owned(),
        "drill: succeeded in ".to_owned(),
    ] {
        assert!(on.stdout.contains(&part), "{part}: {}", on.stdout);
    }
    let records = "SELECT count(*) FROM orchestrator.deployment_log WHERE job = 'drill' AND status = 'succeeded' AND facts -> 'proven' ->> 'queries' = '1'";
    assert_eq!(server.psql("records", records).trim(), "4");
    project.run(["drill", "--dry-run"]).expect_code(0);
    assert_eq!(server.psql("records", records).trim(), "4");
}

#[test]
fn a_drill_of_one_database_among_several() {
    let server = PostgresServer::start(Version::V15);
    let project = drill_project(&server, "");
    let folder = back_up(&project);
    let create = ["backup", "create", "--database", "target"];
    project.run(create).expect_code(0);
    let config = project.read("orchestrator.toml");
    let built_in = config.split("[jobs.drill]").next().expect("what is before");
    project.write("orchestrator.toml", built_in);
    // The newest one is of the other database, and nobody has said which is meant.
    let which = project.run(["drill", "--on", "source"]).expect_code(1);
    assert!(
        which.stderr.contains("backups of several databases"),
        "{}",
        which.stderr
    );
    let drill = ["drill", "--database", "source", "--output", "json"];
    let proven = project.run(drill).expect_code(0).json()["facts"]["proven"].clone();
    assert_eq!(
        folder.file_name().and_then(|name| name.to_str()),
        proven["backup"].as_str()
    );
    for (arguments, said) in [
        (&["--database", "sorce"][..], "did you mean \"source\"?"),
        (&["--on", "sorce"], "did you mean \"source\"?"),
        (
            &["-d", "source", "--storage", "mian"],
            "did you mean \"main\"?",
        ),
    ] {
        let wrong = project
            .run(["drill"].iter().chain(arguments))
            .expect_code(2);
        assert!(wrong.stderr.contains(said), "{said}: {}", wrong.stderr);
    }
    let twice = ["drill", "-d", "source", "--backup", "target/latest"];
    let twice = project.run(twice).expect_code(2);
    assert!(
        twice.stderr.contains("names a database already"),
        "{}",
        twice.stderr
    );
}

fn id(folder: &Path) -> &str {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.expect("an id")
}

#[test]
fn a_part_of_a_database_proves_nothing_and_what_was_left_out_is_named() {
    let server = PostgresServer::start(Version::V15);
    let project = drill_project(&server, "");
    server.psql("source", "CREATE TABLE plain AS SELECT 1 AS id");
    for (options, said) in [
        (&["--schema-only"][..], "it holds definitions alone"),
        (&["--table", "plain"], "it holds some tables alone: plain"),
    ] {
        let folder = back_up_with(&project, options);
        for command in [
            &["drill", "--output", "json"][..],
            &[
                "backup", "verify", "--deep", "--on", "source", "--output", "json",
            ],
        ] {
            let run = project.run(command).expect_code(3).json();
            assert!(run["facts"].get("proven").is_none(), "{run}");
            let warning = run["warnings"][0].as_str().unwrap_or_default();
            assert!(
                warning.contains(id(&folder)) && warning.contains(said),
                "{run}"
            );
        }
    }
    let check = project.run(["check"]).expect_code(3);
    assert!(check.stdout.contains("was ever proven"), "{}", check.stdout);
    let folder = back_up_with(&project, &["--exclude-table-data", "plain"]);
    let run = project
        .run(["drill", "--output", "json"])
        .expect_code(0)
        .json();
    let proven = &run["facts"]["proven"];
    assert_eq!(proven["backup"], id(&folder));
    assert_eq!(proven["left_out"], serde_json::json!(["plain"]));
    let told = project.run(["drill"]).expect_code(0).stdout;
    assert!(told.contains("of source, without plain, "), "{told}");
    assert!(told.contains("and nothing asked"), "{told}");
}

#[test]
fn an_encrypted_backup_is_proven_by_who_can_read_it() {
    let server = PostgresServer::start(Version::V15);
    server.create_example("source");
    let folder = tempfile::tempdir().expect("a folder");
    let keys = keygen(folder.path(), "key.txt");
    let project = writer(&server, &[&keys]);
    let backup = back_up(&project);
    let identity = keys.identity.to_string_lossy().into_owned();
    let drill = ["drill", "--database", "source"];
    let deep = ["backup", "verify", "--deep", "--on", "source"];
    for command in [&drill[..], &deep] {
        let refused = project.run(command).expect_code(1);
        assert!(
            refused.stderr.contains("no identity is known")
                && refused.stderr.contains("--identity"),
            "{}",
            refused.stderr
        );
        let known = [command, &["--identity", &identity, "--output", "json"]].concat();
        let run = project.run(known).expect_code(0).json();
        assert_eq!(run["facts"]["proven"]["backup"], id(&backup), "{run}");
    }
    let left = server.psql("records", "SELECT count(*) FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', 'source', 'target', 'records')");
    assert_eq!(left.trim(), "0");
}
