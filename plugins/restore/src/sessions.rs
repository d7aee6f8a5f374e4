//! The sessions of a restore: the settings that all of them need (`_doSetFixedOutputState` in `pg_backup_archiver.c`), and
//! scripts that are waited for.

use std::rc::Rc;

use archive::Toc;
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::{Connection, Scratch, Step, Target, connect};
use orchestrator_sdk::streams::{Receipt, TransferOptions};

/// In KiB, for each session: builds indexes well, and a usual number of sessions fits in a usual server.
const MAINTENANCE_MEMORY_KIB: u32 = 128 * 1024;

/// Every session of a restore holds this advisory lock of its database, shared: `orch`, `rest` in ASCII.
pub const LOCK: &str = "1869767528, 1919251316";

/// The encoding that the host speaks to the server in.
const ENCODING: &str = "UTF8";

/// Opens sessions that are ready for an archive's statements.
#[derive(Clone, Debug)]
pub struct Sessions {
    binding: String,
    /// Where the sessions are, when it is not in the binding's own database.
    scratch: Option<Rc<Scratch>>,
    settings: Vec<String>,
}

impl Sessions {
    /// Reads from the archive what its statements expect of a session.
    pub fn new(binding: &str, toc: &Toc) -> Result<Sessions, Error> {
        Ok(Sessions {
            binding: binding.to_owned(),
            scratch: None,
            settings: settings(toc)?,
        })
    }

    /// The same sessions in a scratch database.
    pub fn beside(&self, scratch: Scratch) -> Sessions {
        Sessions {
            scratch: Some(Rc::new(scratch)),
            ..self.clone()
        }
    }

    /// One more session.
    pub fn open(&self) -> Result<Connection, Error> {
        let connection = match &self.scratch {
            Some(scratch) => scratch.connect()?,
            None => connect(&self.binding, Target::Database)?,
        };
        let steps = self.settings.iter().cloned().map(Step::Statement).collect();
        script(&connection, steps, false, "preparing a session")?;
        Ok(connection)
    }

    /// Several more sessions.
    pub fn open_many(&self, count: usize) -> Result<Vec<Connection>, Error> {
        (0..count).map(|_| self.open()).collect()
    }
}

/// Runs a script and waits for its end.
pub fn script(
    connection: &Connection,
    steps: Vec<Step>,
    atomic: bool,
    label: &str,
) -> Result<Receipt, Error> {
    let options = TransferOptions {
        label: label.to_owned(),
        expected_bytes: 0,
    };
    connection.run_script(steps, atomic, &options)?.wait()
}

fn settings(toc: &Toc) -> Result<Vec<String>, Error> {
    let definition = |desc: &str| {
        let entry = toc.entries.iter().find(|entry| entry.desc == desc)?;
        entry.definition.as_deref().map(str::trim)
    };
    let encoding = definition("ENCODING").and_then(quoted).unwrap_or(ENCODING);
    if !matches!(encoding, ENCODING | "SQL_ASCII") {
        return Err(Error::unsupported(format!(
            "the backup's texts are written in the encoding {encoding}, not in {ENCODING}"
        ))
        .hint("pg_restore can read it"));
    }
    let strings = match definition("STDSTRINGS").and_then(quoted) {
        None | Some("on") => "on",
        Some("off") => "off",
        Some(other) => {
            return Err(Error::corrupt(format!(
                "the table of contents says that standard strings are {other:?}"
            )));
        }
    };
    let mut settings = vec![
        "SET statement_timeout = 0".to_owned(),
        "SET lock_timeout = 0".to_owned(),
        "SET idle_in_transaction_session_timeout = 0".to_owned(),
        format!("SET client_encoding = '{encoding}'"),
        format!("SET standard_conforming_strings = {strings}"),
        "SET check_function_bodies = false".to_owned(),
        "SET xmloption = content".to_owned(),
        "SET client_min_messages = warning".to_owned(),
        "SET row_security = off".to_owned(),
        "SET synchronous_commit = off".to_owned(),
        // Since versions 17 and 14.
        "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name IN ('transaction_timeout', 'idle_session_timeout')".to_owned(),
        format!(
            "SELECT pg_catalog.set_config('maintenance_work_mem', '{MAINTENANCE_MEMORY_KIB}', false) FROM \
             pg_catalog.pg_settings WHERE name = 'maintenance_work_mem' AND setting::bigint < {MAINTENANCE_MEMORY_KIB}"
        ),
    ];
    if strings == "off" {
        settings.push("SET escape_string_warning = off".to_owned());
    }
    settings.push(format!("SELECT pg_catalog.pg_advisory_lock_shared({LOCK})"));
    settings.extend(definition("SEARCHPATH").map(str::to_owned));
    Ok(settings)
}

/// The text between the first two single quotes: `SET client_encoding = 'UTF8';`
fn quoted(statement: &str) -> Option<&str> {
    statement.split('\'').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entries::tests::entry;

    fn toc(settings: &[(&str, &str)]) -> Toc {
        let mut toc = crate::selection::tests::toc();
        toc.entries.clear();
        for (index, (desc, definition)) in settings.iter().enumerate() {
            let mut entry = entry(index as u32 + 1, desc, "", desc, &[]);
            entry.definition = Some((*definition).to_owned());
            toc.entries.push(entry);
        }
        toc
    }

    #[test]
    fn sessions_are_as_the_archive_expects() {
        let path = "SELECT pg_catalog.set_config('search_path', '', false);\n";
        let toc = toc(&[
            ("ENCODING", "SET client_encoding = 'UTF8';\n"),
            ("STDSTRINGS", "SET standard_conforming_strings = 'off';\n"),
            ("SEARCHPATH", path),
        ]);
        let settings = settings(&toc).unwrap();
        for expected in [
            "SET client_encoding = 'UTF8'",
            "SET standard_conforming_strings = off",
            "SET escape_string_warning = off",
            path.trim(),
        ] {
            assert!(
                settings.iter().any(|setting| setting == expected),
                "{expected}"
            );
        }
    }

    #[test]
    fn another_encoding_is_refused() {
        let toc = toc(&[("ENCODING", "SET client_encoding = 'LATIN1';\n")]);
        assert!(settings(&toc).unwrap_err().message.contains("LATIN1"));
    }
}
