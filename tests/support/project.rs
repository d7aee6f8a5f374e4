//! A folder with an `orchestrator.toml`, and the program run in it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// What the program needs of its surroundings; nothing else of this process's environment reaches it.
const INHERITED: [&str; 4] = ["PATH", "TMPDIR", "TZDIR", "LLVM_PROFILE_FILE"];

/// A project in a temporary folder.
#[derive(Debug)]
pub struct Project {
    folder: TempDir,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

/// How a run of the program ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Data, for people or (with `--output json`) for programs.
    pub stdout: String,
    /// The log.
    pub stderr: String,
    /// The exit code; 128 and the signal's number when a signal ended it.
    pub code: i32,
}

impl Project {
    /// A project whose `orchestrator.toml` has this text. The program is `env!("CARGO_BIN_EXE_orchestrator")`.
    pub fn new(program: impl Into<PathBuf>, config: &str) -> Self {
        let project = Self::without_config(program);
        project.write("orchestrator.toml", config);
        project
    }

    /// A folder without any configuration.
    pub fn without_config(program: impl Into<PathBuf>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // Compiled plugins are the same for every project.
        let cache = std::env::temp_dir().join("orchestrator-tests-cache");
        let home = folder.path().join("home");
        fs::create_dir(&home).expect("a folder in a temporary folder");
        let environment = INHERITED
            .iter()
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
            .chain([
                ("HOME".into(), home.into()),
                ("XDG_CACHE_HOME".into(), cache.into()),
                // What would otherwise be asked of a server in the cloud.
                ("AWS_EC2_METADATA_DISABLED".into(), "true".into()),
            ])
            .collect();
        Self {
            folder,
            program: program.into(),
            environment,
        }
    }

    /// The project's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        let parent = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(parent).expect("folders in a temporary folder");
        fs::write(&path, text).expect("a file in a temporary folder");
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Sets a variable for every run that follows.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.into(), value.into()));
    }

    /// Runs the program to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Outcome {
        let output = self
            .command(arguments)
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        Outcome {
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
            code: exit_code(output.status),
        }
    }

    /// The program, ready to be started: for runs that are to be watched or interrupted.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.path());
        command
    }
}

impl Outcome {
    /// The same, after making sure that the exit code is this one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "the exit code\n--- stdout\n{}\n--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "{error} on stdout: {}\n--- stderr\n{}",
                self.stdout, self.stderr
            )
        })
    }
}

pub(crate) fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(-1)
}
