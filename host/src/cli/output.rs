//! What is printed: results on stdout, log and errors on stderr.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use super::globals::{Format, Globals};
use crate::failure::Failure;
use crate::text::{indented, printable, visible_json};

/// How this command speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    format: Format,
    quiet: bool,
}

impl Output {
    pub fn new(globals: &Globals) -> Self {
        Self {
            format: globals.output,
            quiet: globals.quiet,
        }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The result: the document for a program, the text for a person.
    pub fn result(&self, document: &Value, text: impl FnOnce() -> String) -> Result<(), Failure> {
        let printed = match self.format {
            Format::Json => serde_json::to_string_pretty(document)
                .map(|json| visible_json(&json))
                .map_err(|error| Failure::internal(format!("writing JSON: {error}")))?,
            Format::Human => printable(&text()),
        };
        let mut stdout = std::io::stdout().lock();
        match writeln!(stdout, "{}", printed.trim_end_matches('\n')).and_then(|()| stdout.flush()) {
            // Whoever read it has had enough: `| head`.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => {
                result.map_err(|error| Failure::internal(format!("writing to stdout: {error}")))
            }
        }
    }

    /// The error on stderr, and as a document on stdout where a program reads it.
    pub fn failure(&self, failure: &Failure, code: u8) -> ExitCode {
        eprint!("{}", explained(failure));
        if self.is_json() {
            let document = json!({ "status": "failed", "error": failure, "exit_code": code });
            // The error stands on stderr already; a closed stdout changes nothing.
            let _ = self.result(&document, String::new);
        }
        ExitCode::from(code)
    }
}

/// `error: ...`, with what is known beyond the message, each on a line of its own.
pub(super) fn explained(failure: &Failure) -> String {
    let mut text = format!("error: {}\n", indented(&failure.to_string()));
    if let Some(detail) = &failure.detail {
        text.push_str(&format!("  detail: {}\n", indented(detail)));
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("  hint: {}\n", indented(hint)));
    }
    text
}

/// Who reads the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// A person
    Human,
    /// A program: a JSON object a line
    Json,
}

/// Log lines on stderr. `ORCHESTRATOR_LOG` says more than -v and -q: a filter as tracing has them. A daemon, which has a `format`, tells
/// what it does and when.
pub(super) fn start_log(globals: &Globals, format: Option<LogFormat>) {
    let level = match (globals.quiet, globals.verbose, format) {
        (true, ..) => "error",
        (false, 0, None) => "warn,plugin=info",
        (false, 0, Some(_)) => "warn,orchestrator=info,plugin=info",
        (false, 1, _) => "info,orchestrator=debug,plugin=debug",
        (false, ..) => "debug",
    };
    let filter =
        EnvFilter::try_from_env("ORCHESTRATOR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let colour = std::io::stderr().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false);
    match format {
        Some(LogFormat::Json) => log.json().flatten_event(true).init(),
        None if globals.verbose == 0 => log.without_time().init(),
        _ => log.init(),
    }
}
