//! What the plugin does, run by the real program against a database of its own: `orchestrator plugin test`.

use orchestrator_sdk::testing::Project;

#[test]
fn rows_are_counted() {
    let project = Project::new();
    project.query("CREATE TABLE parts AS SELECT generate_series(1, 3) AS id");
    let run = project.run("{{name}}", &[("table", "parts")]);
    assert_eq!(run.succeeded()["rows"], 3);
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let project = Project::new();
    let run = project.run("{{name}}", &[("table", "nothing")]);
    run.failed("relation \"nothing\" does not exist");
}
