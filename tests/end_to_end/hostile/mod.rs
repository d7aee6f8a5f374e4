//! Plugins that do what they should not: contained, named, recorded, and nobody else harmed. One plugin for each way: crates of
//! tests/plugins/hostile/, and where no compiler of Rust makes it, WAT (`components.rs`). docs/security.md names these tests.

mod components;
mod databases;
mod dry_runs;
mod files;
mod machine;
mod roles;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use builder::Builder;
use end_to_end::{PostgresServer, Project, Version, repository};
use serde_json::Value;

pub(crate) use files::sha256;

use crate::{project, text};

/// A plugin as an operator has it.
struct Hostile {
    name: String,
    component: Vec<u8>,
    sha256: String,
}

/// Those of tests/plugins/hostile/, built by one run of cargo.
fn build(names: &[&str]) -> Vec<Hostile> {
    let names: Vec<String> = names.iter().map(|name| format!("hostile/{name}")).collect();
    built(&names).into_iter().map(Hostile::from).collect()
}

/// Plugins of tests/plugins/.
pub(crate) fn built(names: &[impl AsRef<Path>]) -> Vec<builder::Plugin> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_orchestrator"));
    let builder = Builder {
        target_folder: program
            .parent()
            .and_then(|folder| folder.parent())
            .map(|folder| folder.join("plugins")),
        locked: true,
    };
    let room = repository().join("tests/plugins");
    let folders: Vec<_> = names.iter().map(|name| room.join(name)).collect();
    let built = builder.build(&folders);
    built.unwrap_or_else(|error| panic!("{error}"))
}

impl From<builder::Plugin> for Hostile {
    fn from(plugin: builder::Plugin) -> Self {
        Self {
            name: plugin.manifest.name,
            component: plugin.component,
            sha256: plugin.sha256,
        }
    }
}

/// How a run has to end.
struct End {
    code: i32,
    status: &'static str,
    /// In the error; empty where there is none.
    error: &'static str,
}

const fn failed(error: &'static str) -> End {
    End {
        code: 1,
        status: "failed",
        error,
    }
}

const fn refused(error: &'static str) -> End {
    End {
        code: 4,
        status: "refused",
        error,
    }
}

/// It did all that it wanted, and that was harmless.
const HARMLESS: End = End {
    code: 0,
    status: "succeeded",
    error: "",
};

/// The same, with warnings.
const WARNED: End = End {
    code: 3,
    ..HARMLESS
};

/// What a run left to look at.
struct Attack {
    document: Value,
    stderr: String,
    report: String,
}

/// Of each plugin, and short, so that a test is. Innocent runs have time.
const LIMITS: &str =
    "memory = \"64MiB\"\ndeadline = \"2s\"\ngrace = \"1s\"\ndatabase_growth = \"64MiB\"\n";

/// The deadline, the grace, and what it takes to compile a plugin and to see its sessions out on a busy machine.
const LONGEST: Duration = Duration::from_secs(40);

/// A server with the example application, whose role is no superuser, and a project that runs plugins against it.
struct Stage {
    server: PostgresServer,
    project: Project,
    /// What the database holds.
    before: String,
    innocent_backups: usize,
}

impl Stage {
    /// `granted` goes into the table of grants of each plugin.
    fn new(plugins: &[Hostile], granted: &str) -> Self {
        Self::with_limits(plugins, granted, LIMITS)
    }

    fn with_limits(plugins: &[Hostile], granted: &str, limits: &str) -> Self {
        let server = PostgresServer::start_with(
            Version::V15,
            &[("max_prepared_transactions", "4"), ("fsync", "off")],
        );
        server.create_example("source");
        server.psql(
            "source",
            "CREATE ROLE owner LOGIN PASSWORD 'the-secret-of-owner'; GRANT ALL ON SCHEMA public TO owner; \
             GRANT ALL ON ALL TABLES IN SCHEMA public TO owner; CREATE SEQUENCE public.numbers; GRANT ALL ON public.numbers TO owner",
        );
        let project = project(&server);
        let mut config = project.read("orchestrator.toml");
        let url = server.url("source");
        let port = server.port();
        // A plugin that is granted all of a database gets no superuser here: nothing would keep that one in.
        write!(
            config,
            "[databases.owned]\nurl = \"postgres://owner:the-secret-of-owner@127.0.0.1:{port}/source\"\n\
             [databases.secret]\nurl = \"{url}\"\n"
        )
        .expect("a text");
        for plugin in plugins {
            let name = &plugin.name;
            let file = format!("{name}.wasm");
            std::fs::write(project.path().join(&file), &plugin.component).expect("a plugin's file");
            write!(
                config,
                "[plugins.{name}]\nfile = \"{file}\"\nsha256 = \"{}\"\n[plugins.{name}.limits]\n{limits}[plugins.{name}.grants]\n{granted}\n\
                 [jobs.{name}]\nsteps = [{{ plugin = \"{name}\"{} }}]\n",
                plugin.sha256,
                bindings(&plugin.component, granted),
            )
            .expect("a text");
        }
        project.write("orchestrator.toml", &config);
        let mut stage = Self {
            server,
            project,
            before: String::new(),
            innocent_backups: 0,
        };
        stage.before = stage.contents();
        stage
    }

    /// Runs a job while an innocent one backs up the same database, and sees that the one ended as it had to and the other well.
    #[track_caller]
    fn attack(&mut self, job: &str, end: &End) -> Attack {
        let began = Instant::now();
        let hostile = self
            .project
            .command(["run", job, "--output", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        self.project
            .run(["backup", "create", "--database", "source", "--jobs", "1"])
            .expect_code(0);
        self.innocent_backups += 1;
        let output = hostile.wait_with_output().expect("the program ends");
        let took = began.elapsed();
        let (stdout, stderr) = (
            String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        );
        assert_eq!(
            output.status.code(),
            Some(end.code),
            "{job}: the exit code\n{stdout}\n{stderr}"
        );
        let document: Value = serde_json::from_str(&stdout)
            .unwrap_or_else(|error| panic!("{job}: {error}: {stdout}\n{stderr}"));
        assert_eq!(text(&document["status"]), end.status, "{job}: {stderr}");
        let message = document["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(end.error), "{job}: {message}");
        assert_eq!(message.is_empty(), end.error.is_empty(), "{job}: {message}");
        assert!(took < LONGEST, "{job} took {took:?}");
        let report = std::fs::read_to_string(text(&document["report"])).expect("the report");
        assert!(report.contains(job), "{job} is not named: {report}");
        if end.code != 0 {
            assert!(
                stderr.contains(job) || end.code == 3,
                "{job} is not named: {stderr}"
            );
        }
        self.check_nothing_left(job);
        Attack {
            document,
            stderr,
            report,
        }
    }

    /// The server, the storage and the record after a run.
    #[track_caller]
    fn check_nothing_left(&self, job: &str) {
        let sessions = "SELECT coalesce(string_agg(application_name || ': ' || query, '; '), 'none') FROM pg_stat_activity \
                        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        let mut left = String::new();
        // A process of the server needs a moment to go after its client has said goodbye.
        for _ in 0..40 {
            left = self.server.psql("source", sessions);
            if left == "none" {
                break;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        assert_eq!(left, "none", "{job}: sessions are left");
        let kept = "SELECT (SELECT count(*) FROM pg_class WHERE relpersistence = 't') || ' temporary tables, ' || \
                    (SELECT count(*) FROM pg_prepared_xacts) || ' prepared transactions, ' || \
                    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') || ' advisory locks, ' || \
                    (SELECT count(*) FROM pg_roles WHERE rolname ~ '^orchestrator_run|harm') || ' roles'";
        assert_eq!(
            self.server.psql("source", kept),
            "0 temporary tables, 0 prepared transactions, 0 advisory locks, 0 roles",
            "{job}"
        );
        assert_eq!(self.contents(), self.before, "{job} changed the database");
        let stored = crate::files(&self.project.path().join("backups"));
        let manifests = stored.iter().filter(|file| file.ends_with("manifest.json"));
        assert_eq!(
            manifests.count(),
            self.innocent_backups,
            "{job}: {stored:?}"
        );
        let is_half = |file: &&PathBuf| !file.with_file_name("manifest.json").exists();
        let half: Vec<_> = stored.iter().filter(is_half).collect();
        assert!(half.is_empty(), "{job}: half a backup is left: {half:?}");
    }

    /// Tables, functions and rows of the application.
    fn contents(&self) -> String {
        self.server.psql(
            "source",
            "SELECT (SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace) || \
             (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace) || \
             (SELECT string_agg(u::text, ',' ORDER BY u.id) FROM public.\"User\" u)",
        )
    }

    /// The three places of the log say the same of all runs, and none is open.
    #[track_caller]
    fn check_log(&self) {
        for status in crate::statuses(&self.project, &self.server) {
            assert!(
                ["succeeded", "failed", "refused"].contains(&status.as_str()),
                "{status}"
            );
        }
    }
}

/// The parameters of a step: the bindings that a plugin asks for.
fn bindings(component: &[u8], granted: &str) -> String {
    let asks = |kind: &str| {
        let needle = format!("\"kind\":\"{kind}\"");
        component
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    };
    let mut parameters = String::new();
    if asks("database") {
        let name = if granted.contains("databases.owned") {
            "owned"
        } else {
            "source"
        };
        parameters.push_str(&format!(", database = \"{name}\""));
    }
    if asks("storage") {
        parameters.push_str(", storage = \"main\"");
    }
    parameters
}

/// What came of each attempt of a plugin that makes several: none got through.
#[track_caller]
fn check_tries(attack: &Attack, expected: &[(&str, &str)]) {
    let tries = attack.document["facts"]["tries"]
        .as_object()
        .unwrap_or_else(|| panic!("no tries: {}", attack.document));
    assert_eq!(tries.len(), expected.len(), "{tries:?}");
    let others: Vec<String> = expected
        .iter()
        .filter_map(|(name, message)| {
            let outcome = tries.get(*name).and_then(Value::as_str).unwrap_or_default();
            let is_expected = outcome.contains(message) && outcome != "got through";
            (!is_expected).then(|| format!("{name}: {outcome:?} instead of {message:?}"))
        })
        .collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
}
