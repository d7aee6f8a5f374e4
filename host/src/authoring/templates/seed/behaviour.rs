//! What the plugin does, run by the real program against a database of its own: `orchestrator plugin test`.

use orchestrator_sdk::testing::Project;

/// With the project's migrations, if there are any; else with a table such as they could make.
fn project() -> Project {
    let project = Project::new();
    project.query(
        "CREATE TABLE IF NOT EXISTS \"User\" \
         (id serial PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, role text NOT NULL)",
    );
    project
}

#[test]
fn a_second_run_changes_nothing() {
    let project = project();
    project.run("{{name}}", &[("count", "10")]).succeeded();
    assert_eq!(project.query("SELECT count(*) FROM \"User\""), [["10"]]);
    // Which transactions have written the rows.
    let written = project.query("SELECT email, xmin FROM \"User\" ORDER BY email");
    project.run("{{name}}", &[("count", "10")]).succeeded();
    assert_eq!(
        project.query("SELECT email, xmin FROM \"User\" ORDER BY email"),
        written
    );
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let project = project();
    project.dry_run("{{name}}", &[]).succeeded();
    assert_eq!(project.query("SELECT count(*) FROM \"User\""), [["0"]]);
}
