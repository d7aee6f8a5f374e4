//! Plugins as their authors make them: `plugin new`, `plugin build`, `plugin test`, and the guide in docs/plugins.md.

use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::{Outcome, PostgresServer, Project, Version, repository};
use serde_json::Value;

use crate::disaster::blocks;
use crate::text;

const PROGRAM: &str = env!("CARGO_BIN_EXE_orchestrator");

/// Where cargo keeps what it downloads and which compiler is the one: of this user, whose home the program does not see here.
fn cargo_of_this_user(project: &mut Project) {
    let home = std::env::home_dir().expect("a home folder");
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let folder = std::env::var_os(name).map_or_else(|| home.join(folder), PathBuf::from);
        project.set(name, folder.to_str().expect("UTF-8"));
    }
    project.set("CARGO_TARGET_DIR", target().to_str().expect("UTF-8"));
}

/// One for all plugins that are made here: what they depend on is compiled once.
fn target() -> PathBuf {
    let folder = Path::new(PROGRAM).parent().and_then(Path::parent);
    folder.expect("target/debug").join("authors")
}

/// A folder outside of the repository, without a configuration.
fn desk() -> Project {
    let mut project = Project::without_config(PROGRAM);
    cargo_of_this_user(&mut project);
    project
}

/// A desk with a plugin that counts rows, as `plugin new` writes it. Each test has a name of its own for it: cargo would take the one's
/// compiled code for the other's.
fn counting(name: &str) -> Project {
    let project = desk();
    project
        .run(["plugin", "new", name, "--template", "operation"])
        .expect_code(0);
    project
}

/// Replaces a part of a file that is there.
fn edit(project: &Project, file: &str, from: &str, to: &str) {
    let text = project.read(file);
    assert!(text.contains(from), "{from:?} in {file}: {text}");
    project.write(file, &text.replace(from, to));
}

fn build(project: &Project, folder: &str) -> Outcome {
    project.run(["plugin", "build", folder, "--output", "json"])
}

/// The whole way, outside of the repository: new, build, inspect, test, and a run by the configuration that was printed.
#[test]
fn from_nothing_to_a_running_plugin() {
    let mut project = desk();
    let made = project
        .run([
            "plugin",
            "new",
            "count-rows",
            "--template",
            "operation",
            "--output",
            "json",
        ])
        .expect_code(0)
        .json();
    assert_eq!(made["contract"], "0.1.0");
    let readme = project.read("count-rows/README.md");
    assert!(
        readme.contains("the SDK for the contract 0.1.0"),
        "{readme}"
    );

    let built = build(&project, "count-rows").expect_code(0);
    let built = built.json();
    let sha256 = text(&built["sha256"]);
    let inspected = project
        .run([
            "plugin",
            "inspect",
            "count-rows/count-rows.wasm",
            "--output",
            "json",
        ])
        .expect_code(0)
        .json();
    assert_eq!(inspected["sha256"], built["sha256"]);
    assert_eq!(inspected["manifest"]["asks"]["database"], "read");
    let imports = inspected["imports"].as_array().expect("imports");
    assert!(
        imports
            .iter()
            .all(|import| text(import).starts_with("orchestrator:plugin/")),
        "{imports:?}"
    );

    let server = PostgresServer::start(Version::V15);
    server.create_database("app");
    server.psql(
        "app",
        "CREATE TABLE \"User\" AS SELECT generate_series(1, 5) AS id",
    );
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"${{DATABASE_URL}}\"\n\n{}",
        text(&built["configuration"])
    );
    project.write("orchestrator.toml", &config);

    // The variable of the configuration is not set: neither a build nor a test needs it.
    let again = build(&project, "count-rows").expect_code(0).json();
    assert_eq!(
        again["sha256"],
        Value::from(sha256.clone()),
        "a second build gives the same"
    );
    assert_eq!(again["pinned"]["matches"], true, "{again}");
    let tested = project
        .run(["plugin", "test", "count-rows", "--output", "json"])
        .expect_code(0);
    assert_eq!(tested.json()["passed"], true);
    assert!(
        tested.stderr.contains("test rows_are_counted ... ok"),
        "{}",
        tested.stderr
    );

    project.set("DATABASE_URL", &server.url("app"));
    let run = project
        .run([
            "run",
            "count-rows",
            "--param",
            "table=User",
            "--output",
            "json",
        ])
        .expect_code(0)
        .json();
    assert_eq!(run["steps"][0]["result"]["rows"], 5, "{run}");

    // The same sources in another place are the same component.
    let elsewhere = project.path().join("elsewhere/count-rows");
    copy(&project.path().join("count-rows"), &elsewhere);
    let moved = build(&project, "elsewhere/count-rows")
        .expect_code(0)
        .json();
    assert_eq!(moved["sha256"], Value::from(sha256), "{moved}");

    // Another component than the one that is pinned.
    edit(
        &project,
        "count-rows/plugin.toml",
        "Counts the rows of a table",
        "Counts rows",
    );
    let changed = project
        .run(["plugin", "build", "count-rows"])
        .expect_code(0);
    let line = config
        .lines()
        .position(|line| line.starts_with("sha256"))
        .expect("a digest")
        + 1;
    assert!(
        changed
            .stdout
            .contains(&format!("orchestrator.toml:{line} pins another digest")),
        "{}",
        changed.stdout
    );
    project
        .run(["run", "count-rows", "--param", "table=User"])
        .expect_code(4);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

#[test]
fn a_lockfile_comes_with_the_plugin_and_is_complete() {
    let project = counting("count-locked");
    let before = project.read("count-locked/Cargo.lock");
    let cargo = std::process::Command::new("cargo")
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--format-version=1",
            "--filter-platform",
            "wasm32-unknown-unknown",
        ])
        .current_dir(project.path().join("count-locked"))
        .output()
        .expect("cargo");
    assert!(
        cargo.status.success(),
        "{}",
        String::from_utf8_lossy(&cargo.stderr)
    );
    assert_eq!(project.read("count-locked/Cargo.lock"), before);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let project = desk();
    for (name, expected) in [
        (
            "My-Seed",
            "is not lowercase words with hyphens between them",
        ),
        (
            "my_seed",
            "is not lowercase words with hyphens between them",
        ),
        ("../x", "is not lowercase words with hyphens between them"),
        ("backup", "the plugin backup is built in"),
        ("serde", "Rust has something else of the name serde"),
    ] {
        let refused = project.run(["plugin", "new", name]).expect_code(2);
        assert!(
            refused.stderr.contains(expected),
            "{name}: {}",
            refused.stderr
        );
    }
    project.write("taken/notes.txt", "mine");
    let refused = project.run(["plugin", "new", "taken"]).expect_code(4);
    assert!(
        refused
            .stderr
            .contains("is there already, and is not empty"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.contains("--folder DIR"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        fs::read_dir(project.path().join("taken"))
            .expect("a folder")
            .count(),
        1
    );
    project
        .run(["plugin", "new", "taken", "--folder", "plugins/free"])
        .expect_code(0);
    assert!(
        project
            .read("plugins/free/Cargo.toml")
            .contains("name = \"taken\"")
    );
    project.run(["plugin", "new"]).expect_code(2);
    project
        .run(["plugin", "new", "x", "--template", "nothing"])
        .expect_code(2);
}

#[test]
fn what_is_no_plugin_is_not_built() {
    let mut project = desk();
    let refused = project.run(["plugin", "build", "nowhere"]).expect_code(2);
    assert!(refused.stderr.contains("nowhere"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("orchestrator plugin new NAME"),
        "{}",
        refused.stderr
    );
    project.write("empty/Cargo.toml", "[package]\nname = \"empty\"\n");
    project.write("empty/src/lib.rs", "");
    let refused = project.run(["plugin", "build", "empty"]).expect_code(2);
    assert!(
        refused.stderr.contains("crate-type = [\"cdylib\"]"),
        "{}",
        refused.stderr
    );
    project.run(["plugin", "new", "odd"]).expect_code(0);
    edit(
        &project,
        "odd/plugin.toml",
        "database = \"read\"",
        "database = \"own\"",
    );
    let refused = project.run(["plugin", "build", "odd"]).expect_code(2);
    assert!(
        refused.stderr.contains("plugin.toml") && refused.stderr.contains("own"),
        "{}",
        refused.stderr
    );
    project.set("PATH", "/nowhere");
    let refused = project.run(["plugin", "build", "odd"]).expect_code(1);
    assert!(
        refused
            .stderr
            .contains("install Rust, as https://rustup.rs says"),
        "{}",
        refused.stderr
    );
}

#[test]
fn mistakes_in_the_code_are_the_compilers_to_tell() {
    let project = counting("count-mistakes");
    edit(
        &project,
        "count-mistakes/src/lib.rs",
        "let rows: i64",
        "let rows: Rows",
    );
    let failed = build(&project, "count-mistakes").expect_code(1);
    assert!(
        failed.stderr.contains("error[E0425]") || failed.stderr.contains("error[E0412]"),
        "{}",
        failed.stderr
    );
    assert!(failed.stderr.contains("src/lib.rs"), "{}", failed.stderr);
    assert!(
        !project
            .path()
            .join("count-mistakes/count-mistakes.wasm")
            .exists()
    );
    let failed = project
        .run(["plugin", "test", "count-mistakes"])
        .expect_code(1);
    assert!(
        failed.stderr.contains("compiling `count-mistakes`"),
        "{}",
        failed.stderr
    );
    edit(
        &project,
        "count-mistakes/src/lib.rs",
        "let rows: Rows",
        "let rows: i64",
    );
    edit(
        &project,
        "count-mistakes/src/lib.rs",
        "run::info(",
        "extern_call(); run::info(",
    );
    let lib = project.read("count-mistakes/src/lib.rs");
    let foreign = "#[link(wasm_import_module = \"env\")]\nunsafe extern \"C\" { fn outside(); }\nfn extern_call() { unsafe { outside() } }\n";
    project.write("count-mistakes/src/lib.rs", &format!("{lib}\n{foreign}"));
    let failed = build(&project, "count-mistakes").expect_code(1);
    assert!(
        failed.stderr.contains("imports `env.outside`"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_test_that_fails_fails_the_command() {
    let mut project = counting("count-failing");
    edit(
        &project,
        "count-failing/tests/behaviour.rs",
        "[\"rows\"], 3",
        "[\"rows\"], 4",
    );
    let failed = project
        .run(["plugin", "test", "count-failing"])
        .expect_code(1);
    assert!(
        failed.stdout.contains("the tests of count-failing failed"),
        "{}",
        failed.stdout
    );
    assert!(
        failed.stdout.contains("test rows_are_counted ... FAILED"),
        "{}",
        failed.stdout
    );
    // Arguments go to cargo; on a server that is there, nothing is left behind.
    let server = PostgresServer::start(Version::V15);
    let databases = "SELECT string_agg(datname, ',' ORDER BY datname) FROM pg_database";
    let before = server.psql("postgres", databases);
    let named = ["plugin", "test", "count-failing", "--database-url"];
    let url = server.url("postgres");
    let arguments = named.iter().copied().chain([
        url.as_str(),
        "--",
        "--test",
        "behaviour",
        "--",
        "a_table_that",
    ]);
    let passed = project.run(arguments).expect_code(0);
    assert!(
        passed.stdout.contains("1 passed; 0 failed"),
        "{}",
        passed.stdout
    );
    assert_eq!(server.psql("postgres", databases), before);

    let refused = project
        .run([
            "plugin",
            "test",
            "count-failing",
            "--database-url",
            "db.example",
        ])
        .expect_code(2);
    assert!(
        refused
            .stderr
            .contains("--database-url: this is no URL of PostgreSQL"),
        "{}",
        refused.stderr
    );
    server.psql("postgres", "CREATE ROLE clerk LOGIN PASSWORD 'clerk'");
    let clerk = url.replace(
        &format!("postgres:{}@", end_to_end::PASSWORD),
        "clerk:clerk@",
    );
    assert_ne!(clerk, url);
    let refused = project
        .run(["plugin", "test", "count-failing", "--database-url", &clerk])
        .expect_code(4);
    assert!(
        refused.stderr.contains("a role with CREATEDB"),
        "{}",
        refused.stderr
    );
    // A signal ends the tests, and what they have made goes all the same.
    project.write(
        "count-failing/tests/behaviour.rs",
        "use orchestrator_sdk::testing::Project;\n\n#[test]\nfn slow() {\n    let _project = Project::new();\n    \
         std::thread::sleep(std::time::Duration::from_secs(10));\n}\n",
    );
    let child = crate::start(
        &project,
        &["plugin", "test", "count-failing", "--database-url", &url],
    );
    let copies = "SELECT count(*) FROM pg_database WHERE datname ~ '^orchestrator_test_.*_0$'";
    end_to_end::wait_for("a test's database", || {
        // The compiler needs the machine more than this question does.
        std::thread::sleep(std::time::Duration::from_millis(200));
        server.psql("postgres", copies) == "1"
    });
    let signalled = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(signalled.expect("kill").success());
    let ended = child.wait_with_output().expect("the program ends");
    assert_eq!(
        ended.status.code(),
        Some(130),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    assert_eq!(server.psql("postgres", databases), before);
    project.set("ORCHESTRATOR_POSTGRES", "/nowhere");
    let refused = project
        .run(["plugin", "test", "count-failing"])
        .expect_code(1);
    assert!(
        refused.stderr.contains("--database-url URL"),
        "{}",
        refused.stderr
    );
}

/// The project's migrations are there; each test has its own copy, and a change of one is not seen by another.
#[test]
fn tests_have_the_projects_migrations_and_databases_of_their_own() {
    let project = counting("count-apart");
    let migrations = repository().join("migrations");
    project.write(
        "orchestrator.toml",
        &format!(
            "[databases.app]\nurl = \"${{NOT_SET}}\"\n[migrations]\nfolder = {migrations:?}\n"
        ),
    );
    project.write(
        "count-apart/tests/behaviour.rs",
        r##"
use orchestrator_sdk::testing::Project;
use std::sync::Barrier;

static BOTH: Barrier = Barrier::new(2);

fn one_user(email: &str) {
    let project = Project::new();
    BOTH.wait();
    project.query(&format!("INSERT INTO \"User\" (email, name, role) VALUES ('{email}', 'A', 'ADMIN')"));
    BOTH.wait();
    assert_eq!(project.query("SELECT email, phone FROM \"User\""), [[email, "NULL"]]);
    assert_eq!(project.run("count-apart", &[("table", "User")]).succeeded()["rows"], 1);
    let refused = project.run("count-apart", &[]);
    refused.failed("needs the parameter table");
}

#[test]
fn one() {
    one_user("a@example.com");
}

#[test]
fn other() {
    one_user("b@example.com");
}

#[test]
#[should_panic(expected = "syntax error")]
fn sql_that_is_wrong_is_told() {
    Project::new().query("SELEC 1");
}
"##,
    );
    let tested = project
        .run(["plugin", "test", "count-apart"])
        .expect_code(0);
    assert!(
        tested.stdout.contains("3 passed; 0 failed"),
        "{}",
        tested.stdout
    );

    project.write("orchestrator.toml", "[migrations]\nfolder = \"nowhere\"\n");
    let refused = project.run(["plugin", "test", "count-apart"]);
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains("nowhere"), "{}", refused.stderr);
    let alone = std::process::Command::new("cargo")
        .args(["test", "--test", "behaviour"])
        .current_dir(project.path().join("count-apart"))
        .env("CARGO_TARGET_DIR", target())
        .output()
        .expect("cargo");
    assert!(!alone.status.success());
    let said = String::from_utf8_lossy(&alone.stdout);
    assert!(said.contains("run `orchestrator plugin test`"), "{said}");
}

/// The block of a plugin, as `plugin build` prints it.
fn configuration(project: &Project, folder: &str) -> String {
    text(&build(project, folder).expect_code(0).json()["configuration"])
}

/// The template's own tests hold, with the example's migrations and without any; and its rows are written by a role that may do no more.
#[test]
fn a_seed_of_ones_own() {
    let mut project = desk();
    project
        .run(["plugin", "new", "my-users", "--template", "seed"])
        .expect_code(0);
    let tested = project.run(["plugin", "test", "my-users"]).expect_code(0);
    assert!(
        tested.stdout.contains("2 passed; 0 failed"),
        "{}",
        tested.stdout
    );
    let migrations = repository().join("migrations");
    let config = format!(
        "environment = \"local\"\n[databases.app]\nurl = \"${{DATABASE_URL}}\"\n[migrations]\nfolder = {migrations:?}\n"
    );
    project.write("orchestrator.toml", &config);
    let tested = project.run(["plugin", "test", "my-users"]).expect_code(0);
    assert!(
        tested.stderr.contains("applying the migrations"),
        "{}",
        tested.stderr
    );

    let block = configuration(&project, "my-users");
    assert!(
        block.contains("\"User\" = [\"select\", \"insert\", \"update\"]"),
        "{block}"
    );
    project.write("orchestrator.toml", &format!("{config}\n{block}"));
    let server = PostgresServer::start(Version::V15);
    server.create_database("app");
    project.set("DATABASE_URL", &server.url("app"));
    project.run(["migrate", "deploy"]).expect_code(0);
    let seed = [
        "run",
        "my-users",
        "--param",
        "count=100",
        "--output",
        "json",
    ];
    let first = project.run(seed).expect_code(0).json();
    let rows = "SELECT count(*), string_agg(xmin::text, ',' ORDER BY id) FROM \"User\"";
    let written = server.psql("app", rows);
    assert!(written.starts_with("100|"), "{first}: {written}");
    project.run(seed).expect_code(0);
    assert_eq!(server.psql("app", rows), written);

    // It asks for one table, and writes another.
    edit(
        &project,
        "my-users/src/lib.rs",
        "tx.table(\"User\")",
        "tx.table(\"Doctor\")",
    );
    let block = configuration(&project, "my-users");
    project.write("orchestrator.toml", &format!("{config}\n{block}"));
    let refused = project.run(seed);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert!(refused.stderr.contains("Doctor"), "{}", refused.stderr);
    assert_eq!(server.psql("app", "SELECT count(*) FROM \"Doctor\""), "0");
}

/// docs/plugins.md, command by command: what it says is what works.
#[test]
fn every_command_of_the_guide_works() {
    let page = fs::read_to_string(repository().join("docs/plugins.md")).expect("the page");
    let blocks = blocks(&page);
    assert!(blocks.len() >= 8, "{} blocks", blocks.len());
    let mut project = desk();
    copy(
        &repository().join("migrations"),
        &project.path().join("migrations"),
    );
    let server = PostgresServer::start(Version::V15);
    server.create_database("app");
    project.set("DATABASE_URL", &server.url("app"));
    let folder = Path::new(PROGRAM).parent().expect("a folder").to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path =
        std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&inherited)));
    project.set("PATH", path.expect("a path").to_str().expect("UTF-8"));
    for block in &blocks {
        match block.scene.as_deref() {
            Some("the block is pasted") => {
                let config = project.read("orchestrator.toml");
                let block = configuration(&project, "my-seed");
                project.write("orchestrator.toml", &format!("{config}\n{block}"));
            }
            Some(other) => panic!("the page has a scene that nobody sets: {other}"),
            None => {}
        }
        let program = project.command(["--version"]);
        let mut shell = std::process::Command::new("bash");
        shell
            .args(["-euo", "pipefail", "-c", &block.commands])
            .env_clear()
            .envs(
                program
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(project.path());
        let output = shell.output().expect("bash starts");
        let said = format!(
            "{}\n--- stdout\n{}\n--- stderr\n{}",
            block.commands,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.status.success(), "{said}");
        if block.commands.contains("plugin build my-seed") {
            // The block that the page shows is the one that is printed.
            let block = configuration(&project, "my-seed");
            for line in block.lines().filter(|line| !line.starts_with("sha256")) {
                assert!(page.contains(line), "{line}");
            }
        }
    }
    assert_eq!(server.psql("app", "SELECT count(*) FROM \"User\""), "100");
}
