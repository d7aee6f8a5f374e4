//! Tests of a plugin against real databases: plain Rust tests in `tests/`, which `orchestrator plugin test` runs.
//!
//! ```no_run
//! use orchestrator_sdk::testing::Project;
//!
//! let project = Project::new();
//! project.run("my-seed", &[("count", "10")]).succeeded();
//! assert_eq!(project.query("SELECT count(*) FROM \"User\""), [["10"]]);
//! ```
//!
//! The plugin runs as it will: the component, by the real program, with the grants that its `plugin.toml` asks for. Everything here
//! panics with a message that says what is wrong, as tests do. It is not there on wasm32.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// What this program tells its own children by.
const OWN_VARIABLES: &str = "ORCHESTRATOR_";
/// What the configuration of the tests takes the database's address from.
const DATABASE_URL: &str = "ORCHESTRATOR_TEST_DATABASE_URL";

/// A project with a database of its own, a copy of the one that has the project's migrations. Both are gone when it is dropped.
pub struct Project {
    surroundings: Surroundings,
    database: String,
    folder: PathBuf,
}

/// How a run of the plugin ended.
#[derive(Clone, Debug)]
pub struct Run {
    document: Value,
    log: String,
}

/// Where `orchestrator plugin test` has put things.
struct Surroundings {
    program: String,
    configuration: String,
    /// The URL of a database that others are made from.
    server: String,
    /// The URL of any database, with `{database}` in the place of its name.
    url: String,
    template: String,
}

impl Project {
    /// Makes the database. Panics where the tests were not started by `orchestrator plugin test`.
    #[track_caller]
    pub fn new() -> Self {
        let surroundings = Surroundings::read(|name| std::env::var(name).ok())
            .unwrap_or_else(|problem| panic!("{problem}"));
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let database = format!("{}_{}_{number}", surroundings.template, std::process::id());
        let folder = std::env::temp_dir().join(&database);
        let project = Self {
            surroundings,
            database,
            folder,
        };
        let sql = format!(
            "CREATE DATABASE {} TEMPLATE {}",
            project.database, project.surroundings.template
        );
        project
            .surroundings
            .query(&project.surroundings.server, &sql);
        let configuration = project.folder.join("orchestrator.toml");
        fs::create_dir(&project.folder)
            .and_then(|()| fs::copy(&project.surroundings.configuration, &configuration))
            .unwrap_or_else(|error| panic!("writing {}: {error}", configuration.display()));
        project
    }

    /// Runs the plugin, with parameters that are written as on the command line.
    #[track_caller]
    pub fn run(&self, plugin: &str, parameters: &[(&str, &str)]) -> Run {
        self.start(plugin, parameters, false)
    }

    /// The same with `--dry-run`.
    #[track_caller]
    pub fn dry_run(&self, plugin: &str, parameters: &[(&str, &str)]) -> Run {
        self.start(plugin, parameters, true)
    }

    /// Runs statements, and gives the rows of all of them: each cell as PostgreSQL writes it, NULL as `NULL`.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        self.surroundings.query(&self.url(), sql)
    }

    /// The address of the database, for a client of one's own.
    pub fn url(&self) -> String {
        self.surroundings.url.replace("{database}", &self.database)
    }

    #[track_caller]
    fn start(&self, plugin: &str, parameters: &[(&str, &str)], dry_run: bool) -> Run {
        let mut command = self.surroundings.program();
        command
            .args(["--output", "json", "--config"])
            .arg(self.folder.join("orchestrator.toml"))
            .args(["run", plugin])
            .env(DATABASE_URL, self.url())
            .current_dir(&self.folder);
        if dry_run {
            command.arg("--dry-run");
        }
        for (name, value) in parameters {
            command.arg("--param").arg(format!("{name}={value}"));
        }
        let output = self.surroundings.output(&mut command, "");
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        match serde_json::from_slice(&output.stdout) {
            Ok(document) => Run { document, log },
            Err(error) => panic!(
                "{plugin} ended with {}, and what it printed is no JSON: {error}\n{log}",
                output.status
            ),
        }
    }
}

/// Without the addresses, which may hold a password.
impl fmt::Debug for Project {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Project")
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Default for Project {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        // What cannot be removed here goes with everything else at the end of `orchestrator plugin test`; a panic would hide the test's own.
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.database);
        let _ = self.surroundings.try_query(&self.surroundings.server, &sql);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Run {
    /// What the plugin returned. Panics, with the run's log, when it did not succeed.
    #[track_caller]
    pub fn succeeded(&self) -> &Value {
        assert!(
            self.status() == "succeeded",
            "the run did not succeed: {self}"
        );
        self.result()
    }

    /// Makes sure that it did not succeed, and that this is part of the error. Gives the whole error.
    #[track_caller]
    pub fn failed(&self, expected: &str) -> String {
        assert!(self.status() != "succeeded", "the run succeeded: {self}");
        let error = self.error().unwrap_or_default();
        assert!(
            error.contains(expected),
            "{expected:?} is no part of the error: {self}"
        );
        error
    }

    /// `succeeded`, `failed`, `refused`, …
    pub fn status(&self) -> &str {
        self.document["status"].as_str().unwrap_or("unknown")
    }

    /// What the plugin returned; null when it failed.
    pub fn result(&self) -> &Value {
        &self.document["steps"][0]["result"]
    }

    /// The error's message, its detail and its hint, each on a line.
    pub fn error(&self) -> Option<String> {
        let error = self
            .document
            .get("error")
            .filter(|error| !error.is_null())?;
        let parts = ["message", "detail", "hint"].map(|part| error[part].as_str());
        Some(parts.into_iter().flatten().collect::<Vec<_>>().join("\n"))
    }

    /// What the run logged.
    pub fn log(&self) -> &str {
        &self.log
    }

    /// All that `orchestrator run --output json` prints.
    pub fn document(&self) -> &Value {
        &self.document
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}\n{}\n{}",
            self.status(),
            self.error().unwrap_or_default(),
            self.log
        )
    }
}

impl Surroundings {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let read = |name: &str| {
            variable(name).ok_or_else(|| format!("run `orchestrator plugin test`: {name} is not set, which says where the tests' database is"))
        };
        Ok(Self {
            program: read("ORCHESTRATOR_TEST_PROGRAM")?,
            configuration: read("ORCHESTRATOR_TEST_CONFIG")?,
            server: read("ORCHESTRATOR_TEST_SERVER")?,
            url: read("ORCHESTRATOR_TEST_URL")?,
            template: read("ORCHESTRATOR_TEST_TEMPLATE")?,
        })
    }

    /// The program, which must not take settings of whoever runs the tests for the project's.
    fn program(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| name.starts_with(OWN_VARIABLES))
            {
                command.env_remove(name);
            }
        }
        command
    }

    #[track_caller]
    fn query(&self, url: &str, sql: &str) -> Vec<Vec<String>> {
        self.try_query(url, sql)
            .unwrap_or_else(|problem| panic!("{sql}: {problem}"))
    }

    /// By the program, which has a client of PostgreSQL already: so the tests need none. The address, which may hold a password, and the
    /// SQL are not for the list of processes.
    fn try_query(&self, url: &str, sql: &str) -> Result<Vec<Vec<String>>, String> {
        let mut command = self.program();
        command.args(["plugin", "query"]).env(DATABASE_URL, url);
        let output = self.output(&mut command, sql);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let rows: Vec<Vec<Option<String>>> =
            serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
        Ok(rows
            .into_iter()
            .map(|row| row.into_iter().map(cell).collect())
            .collect())
    }

    #[track_caller]
    fn output(&self, command: &mut Command, input: &str) -> Output {
        let mut run = || {
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes())?;
            }
            child.wait_with_output()
        };
        run().unwrap_or_else(|error: std::io::Error| panic!("running {}: {error}", self.program))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Run, Surroundings};

    #[test]
    fn without_the_program_a_test_says_what_to_run() {
        let problem = Surroundings::read(|_| None).err().unwrap();
        assert!(
            problem.starts_with("run `orchestrator plugin test`: "),
            "{problem}"
        );
        let Ok(found) = Surroundings::read(|name| Some(name.to_lowercase())) else {
            panic!("everything is set");
        };
        assert_eq!(found.template, "orchestrator_test_template");
    }

    #[test]
    fn a_run_tells_how_it_ended() {
        let run = Run {
            document: json!({"status": "failed", "steps": [], "error": {"message": "no table", "detail": null, "hint": "make one"}}),
            log: "a line".to_owned(),
        };
        assert_eq!(run.failed("no table"), "no table\nmake one");
        assert_eq!(run.to_string(), "failed\nno table\nmake one\na line");
        assert!(std::panic::catch_unwind(|| run.succeeded().clone()).is_err());
        assert!(std::panic::catch_unwind(|| run.failed("another")).is_err());
        let run = Run {
            document: json!({"status": "succeeded", "steps": [{"result": {"rows": 3}}], "error": null}),
            log: String::new(),
        };
        assert_eq!(run.succeeded()["rows"], 3);
        assert!(std::panic::catch_unwind(|| run.failed("")).is_err());
    }
}
