//! What a plugin asks for, what it was granted, and what is there.

use end_to_end::Version;

use super::Stage;
use crate::{statuses, text};

#[test]
fn what_is_granted_is_compared_table_by_table() {
    let stage = Stage::with(
        Version::V15,
        &[],
        "{ \"public.User\" = [\"select\", \"insert\", \"delete\"] }",
    );
    let outcome = stage.run(&["SELECT 1"], &[]).expect_code(4);
    for expected in [
        "table public.User of the database source: the plugin asks for select, insert, update, the configuration grants select, insert, delete",
        "table shop.Item of the database source: the plugin asks for insert, the configuration grants nothing",
    ] {
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    }
    assert_eq!(statuses(&stage.project, &stage.server), ["refused"]);
    assert_eq!(stage.roles(), "");
}

#[test]
fn a_table_that_is_not_there_is_named() {
    let stage = Stage::new(Version::V15);
    stage
        .server
        .psql("source", "ALTER TABLE \"User\" RENAME TO \"Users\"");
    let outcome = stage.run(&["SELECT 1"], &[]).expect_code(1);
    for expected in [
        "the plugin confined uses the table public.User, and the database source has none of that name",
        "did you mean \"Users\"?",
    ] {
        assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
    }
    assert_eq!(stage.roles(), "");
}

#[test]
fn a_server_that_is_away_leaves_nothing_to_clean_up() {
    let stage = Stage::new(Version::V15);
    let config = stage.project.read("orchestrator.toml");
    let nowhere = stage
        .url_of("postgres")
        .replace(&stage.server.port().to_string(), "1");
    let away = config.replace(&stage.url_of("postgres"), &nowhere);
    stage.project.write("orchestrator.toml", &away);
    let outcome = stage.project.run(["run", "try"]).expect_code(1);
    let error = "making a role for the plugin confined on the database source: connecting to database \"source\"";
    assert!(
        outcome.stderr.contains(error) && !outcome.stderr.contains("could not drop"),
        "{}",
        outcome.stderr
    );
    assert!(
        !stage
            .project
            .read(".orchestrator/journal.jsonl")
            .contains("orchestrator_run_")
    );
}

#[test]
fn row_security_is_told_of() {
    let stage = Stage::new(Version::V15);
    stage
        .server
        .psql("source", "ALTER TABLE \"User\" ENABLE ROW LEVEL SECURITY");
    let outcome = stage
        .run(&["SELECT count(*)::text FROM \"User\""], &[])
        .expect_code(3);
    let document = outcome.json();
    assert_eq!(document["steps"][0]["result"]["answers"][0][0], "0");
    let warning = text(&document["warnings"][0]);
    assert!(
        warning.contains("row security is on for public.User"),
        "{warning}"
    );
}

#[test]
fn folders_are_read_where_they_are_granted() {
    let stage = Stage::new(Version::V15);
    stage.project.write("data/a.csv", "in it");
    stage.project.write("data/deeper/b.csv", "below it");
    stage.project.write("outside/c.csv", "elsewhere");
    let at = |path: &str| stage.project.path().join(path);
    std::os::unix::fs::symlink(at("outside"), at("data/link")).expect("a link out");
    std::os::unix::fs::symlink(at("data/deeper"), at("inwards")).expect("a link in");
    let read = |folder: &str| stage.run(&[], &["--param", &format!("folder={folder}")]);
    let files = |folder: &str| {
        read(folder).expect_code(0).json()["steps"][0]["result"]["files"].to_string()
    };
    assert_eq!(
        files("data"),
        r#"[["a.csv","in it"],["deeper/b.csv","below it"]]"#
    );
    assert_eq!(files("data/deeper"), r#"[["b.csv","below it"]]"#);
    assert_eq!(
        files("./outside/../data/deeper"),
        r#"[["b.csv","below it"]]"#
    );
    assert_eq!(files("inwards"), r#"[["b.csv","below it"]]"#);
    let absolute = at("data/deeper");
    assert_eq!(
        files(absolute.to_str().expect("UTF-8")),
        r#"[["b.csv","below it"]]"#
    );
    for folder in [
        "outside",
        "data/../outside",
        "data/link",
        ".",
        "/etc",
        "migrations/../outside",
    ] {
        std::fs::create_dir_all(at("migrations")).expect("a folder");
        let outcome = read(folder).expect_code(4);
        assert!(
            outcome.stderr.contains(&format!("folder {folder} ("))
                && outcome
                    .stderr
                    .contains("the configuration grants what lies in"),
            "{folder}: {}",
            outcome.stderr
        );
    }
    let outcome = read("nowhere").expect_code(2);
    assert!(
        outcome
            .stderr
            .contains("nowhere: No such file or directory"),
        "{}",
        outcome.stderr
    );
    let list = statuses(&stage.project, &stage.server);
    assert_eq!(
        list.iter().filter(|status| *status == "refused").count(),
        6,
        "{list:?}"
    );
}

#[test]
fn what_a_plugin_asks_for_is_shown() {
    let stage = Stage::new(Version::V15);
    let inspected = stage
        .project
        .run(["plugin", "inspect", "plugin.wasm"])
        .expect_code(0);
    for expected in [
        "table User: select, insert, update",
        "table shop.Item: insert",
        "files",
    ] {
        assert!(inspected.stdout.contains(expected), "{}", inspected.stdout);
    }
    let checked = stage.project.run(["check"]);
    assert!(
        checked
            .stdout
            .contains("plugins that are granted tables get roles of their own"),
        "{}",
        checked.stdout
    );
    let listed = stage.project.run(["plugin", "list"]).expect_code(0);
    assert!(
        listed
            .stdout
            .contains("files; table User: select, insert, update; table shop.Item: insert"),
        "{}",
        listed.stdout
    );
}
