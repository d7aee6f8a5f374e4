//! The program against real servers: what it does, what it refuses, and what it leaves.

mod authoring;
mod bad_input;
mod bulk_seeding;
mod continuing;
mod daemon;
mod deletions;
mod deploying;
mod disaster;
mod drills;
mod encryption;
mod faults;
mod full_disks;
mod globals;
mod hostile;
mod http;
mod interruptions;
mod kills;
mod last_good;
mod locking;
mod migrating;
mod notifying;
mod odd_content;
mod pipelines;
mod prisma;
mod privileges;
mod random_schemas;
mod replacing;
mod restoring;
mod retention;
mod reusing;
mod round_trips;
mod scheduling;
mod scripts;
mod seed_plugins;
mod seeding;
mod showing;
mod snapshots;
mod stock_archives;
mod storages;
mod surroundings;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use end_to_end::{PostgresServer, Project};
use serde_json::Value;

/// A project with the databases `source`, `target` and, for the log, `records`; backups go into `backups/`.
fn project(server: &PostgresServer) -> Project {
    server.create_database("records");
    let binding = |name: &str| format!("[databases.{name}]\nurl = \"{}\"\n", server.url(name));
    let config = format!(
        "environment = \"local\"\n{}{}{}[storage.main]\nurl = \"file:backups\"\n[log]\ndatabase = \"records\"\n",
        binding("source"),
        binding("target"),
        binding("records"),
    );
    Project::new(env!("CARGO_BIN_EXE_orchestrator"), &config)
}

/// The same with backups in the bucket `backups`, below `team/`.
fn project_in_bucket(server: &PostgresServer, endpoint: &str) -> Project {
    let project = project(server);
    let config = project.read("orchestrator.toml").replace(
        "url = \"file:backups\"",
        &format!(
            "url = \"s3://backups/team\"\nendpoint = \"{endpoint}\"\npath_style = true\naccess_key = \"any\"\nsecret_key = \"the-secret-of-s3\""
        ),
    );
    project.write("orchestrator.toml", &config);
    project
}

/// Takes as long as a backup of `source` can.
const SLOW_BACKUP: [&str; 8] = [
    "backup",
    "create",
    "--database",
    "source",
    "--jobs",
    "1",
    "--compress",
    "9",
];

/// Starts the program, to be watched or interrupted.
fn start(project: &Project, arguments: &[&str]) -> Child {
    project
        .command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// Backs up `source`; the folder of the backup.
fn back_up(project: &Project) -> PathBuf {
    back_up_with(project, &[])
}

fn back_up_with(project: &Project, options: &[&str]) -> PathBuf {
    let mut arguments = vec![
        "backup",
        "create",
        "--database",
        "source",
        "--output",
        "json",
    ];
    arguments.extend(options);
    let outcome = project.run(arguments).expect_code(0);
    let prefix = outcome.json()["steps"][0]["result"]["prefix"]
        .as_str()
        .expect("a prefix")
        .to_owned();
    project.path().join("backups").join(prefix)
}

/// The status of each run in the three places of the log, newest first: they must say the same.
fn statuses(project: &Project, server: &PostgresServer) -> Vec<String> {
    let listed = project
        .run(["log", "list", "-n", "1000", "--output", "json"])
        .expect_code(0)
        .json();
    let listed: Vec<(String, String)> = listed["runs"]
        .as_array()
        .expect("a list of runs")
        .iter()
        .map(|run| (text(&run["run_id"]), text(&run["status"])))
        .collect();
    let table = server.psql(
        "records",
        "SELECT run_id, status FROM orchestrator.deployment_log ORDER BY run_id DESC",
    );
    let table: Vec<(String, String)> = table
        .lines()
        .map(|line| {
            let (run, status) = line.split_once('|').expect("two columns");
            (run.to_owned(), status.to_owned())
        })
        .collect();
    // Two that began in the same millisecond are in any order.
    let mut in_order = listed.clone();
    in_order.sort_by(|one, other| other.cmp(one));
    assert_eq!(in_order, table, "log list and the table");
    let markdown = project.read("DEPLOYMENT_LOG.md");
    for (run, status) in &listed {
        assert!(
            markdown.contains(&format!("<!-- orchestrator run {run} {status} -->")),
            "{run} {status} in DEPLOYMENT_LOG.md:\n{markdown}"
        );
        assert!(
            project.path().join(format!("reports/{run}.md")).exists(),
            "the report of {run}"
        );
    }
    assert_eq!(
        markdown.matches("<!-- orchestrator run ").count(),
        listed.len()
    );
    listed.into_iter().map(|(_, status)| status).collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// All files below a folder, hidden ones too.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push(path),
            }
        }
    }
    found.sort();
    found
}
