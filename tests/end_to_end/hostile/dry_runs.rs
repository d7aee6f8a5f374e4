//! A plugin that is told that this is a dry run, and goes on as if it were none.

use end_to_end::{Moto, Outcome, PostgresServer, Version};
use serde_json::Value;

use super::build;
use crate::{files, snapshots, text};

const ATTEMPTS: [&str; 7] = [
    "a new backup",
    "the end of a backup",
    "a new snapshot",
    "a pin",
    "no pin",
    "a new server",
    "the end of a snapshot",
];

fn outcomes(outcome: &Outcome) -> Vec<String> {
    let document = outcome.json();
    let tries = &document["facts"]["tries"];
    let of = |attempt: &&str| tries[*attempt].as_str().unwrap_or_default().to_owned();
    ATTEMPTS.iter().map(of).collect()
}

#[test]
fn what_is_stored_and_snapshots_can_only_be_read() {
    let [plugin]: [_; 1] = build(&["deaf-to-dry-runs"])
        .try_into()
        .unwrap_or_else(|_| panic!("one plugin"));
    let server = PostgresServer::start(Version::V15);
    let moto = Moto::start();
    snapshots::instance(&moto);
    let project = snapshots::on_instance(&server, &moto.endpoint());
    let name = &plugin.name;
    std::fs::write(project.path().join("plugin.wasm"), &plugin.component).expect("its file");
    let config = project.read("orchestrator.toml");
    let granted = format!(
        "[plugins.{name}]\nfile = \"plugin.wasm\"\nsha256 = \"{}\"\n[plugins.{name}.grants]\n\
         storage.main.rights = [\"read\", \"write\", \"delete\"]\n\
         snapshots.source.rights = [\"read\", \"create\", \"delete\", \"restore\"]\n\
         [jobs.deaf]\nsteps = [{{ plugin = \"{name}\", database = \"source\", storage = \"main\" }}]\n",
        plugin.sha256
    );
    project.write("orchestrator.toml", &(config + &granted));
    let backup = ["backup", "create", "--database", "source"];
    project.run(backup).expect_code(0);
    let stored = || files(&project.path().join("backups"));
    let before = stored();
    let runs = || {
        let list = project.run(["log", "list", "--output", "json"]);
        list.expect_code(0).json()["runs"]
            .as_array()
            .map_or(0, Vec::len)
    };
    let runs_before = runs();

    let dry = ["run", "deaf", "--dry-run", "--output", "json"];
    let dry = project.run(dry).expect_code(1);
    for (attempt, outcome) in ATTEMPTS.iter().zip(outcomes(&dry)) {
        assert!(
            outcome.contains("in a dry run a step may only read"),
            "{attempt}: {outcome}"
        );
    }
    let message = text(&dry.json()["error"]["message"]);
    assert!(message.contains("deaf-to-dry-runs"), "{message}");
    assert_eq!(stored(), before);
    let left = snapshots::manual(&moto);
    assert!(!left.contains("<DBSnapshot>"), "{left}");
    assert_eq!(runs(), runs_before);

    // Of what it was granted, all of it works where it is meant.
    let real = project.run(["run", "deaf", "--output", "json"]);
    let real = real.expect_code(0);
    assert_eq!(outcomes(&real), ["got through"; 7], "{}", real.stdout);
    assert!(stored().is_empty(), "{:?}", stored());
    assert_eq!(real.json()["error"], Value::Null);
}
