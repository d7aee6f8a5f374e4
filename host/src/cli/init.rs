//! `orchestrator init`: a configuration to begin with.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::globals::Globals;
use super::output::Output;
use crate::exit;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct InitCommand {
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

/// What a new project begins with; a test reads it as configuration.
pub(super) const TEMPLATE: &str = r#"# What orchestrator works with. All keys: docs/reference.md; `orchestrator check` tests what stands here.

# local, staging or production: decides what may be destroyed without being asked.
environment = "local"

[databases.app]
url = "${DATABASE_URL}"
# Around a pooler such as PgBouncer, which cannot share snapshots:
# direct_url = "${DIRECT_URL}"

[storage.main]
url = "file:backups"
# url = "s3://bucket/prefix"

[log]
# Where the table orchestrator.deployment_log lives.
database = "app"

[jobs.nightly]
steps = [
  { plugin = "backup", database = "app", storage = "main", kind = "nightly" },
  { plugin = "verify" },
]
"#;

pub(super) fn execute(
    command: InitCommand,
    globals: &Globals,
    output: &Output,
) -> Result<u8, Failure> {
    let file = globals
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from("orchestrator.toml"));
    let mut options = OpenOptions::new();
    options.write(true);
    if command.force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let mut opened = options.open(&file).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Failure::refused(format!("{} is there already", file.display()))
                .hint("replace it with --force")
        }
        _ => Failure::invalid_input(format!("writing {}: {error}", file.display())),
    })?;
    opened
        .write_all(TEMPLATE.as_bytes())
        .map_err(|error| Failure::internal(format!("writing {}: {error}", file.display())))?;
    output.result(&json!({ "file": file }), || {
        format!(
            "wrote {}\nnext: set DATABASE_URL, then `orchestrator check`, then `orchestrator run backup`\n\
             keep backups/ and .orchestrator/ out of version control",
            file.display()
        )
    })?;
    Ok(exit::DONE)
}

#[cfg(test)]
mod tests {
    use super::TEMPLATE;
    use crate::config::{Config, Sources};
    use crate::database::ProcessEnvironment;
    use std::path::Path;

    #[test]
    fn the_template_is_a_configuration() {
        let process = ProcessEnvironment::of([("DATABASE_URL", "postgresql://me@localhost/app")]);
        let sources = Sources {
            file: None,
            environment: None,
            working_folder: Path::new("/"),
            process: &process,
        };
        let config =
            Config::parse(TEMPLATE, Some(Path::new("orchestrator.toml")), &sources).unwrap();
        assert_eq!(config.job("nightly").unwrap().steps.len(), 2);
    }
}
