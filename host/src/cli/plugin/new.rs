//! `orchestrator plugin new`: a crate that builds, and what to type next.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::authoring::{Template, scaffold};
use crate::cli::output::Output;
use crate::exit;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(in crate::cli) struct NewCommand {
    /// Lowercase words with hyphens between them
    name: String,
    /// What it begins with
    #[arg(long, value_enum, default_value_t = Choice::Operation)]
    template: Choice,
    /// Where to write it [default: a folder of the plugin's name]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Choice {
    /// Rows by their key: it writes users
    Seed,
    /// Any operation: it counts the rows of a table
    Operation,
}

impl From<Choice> for Template {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Seed => Self::Seed,
            Choice::Operation => Self::Operation,
        }
    }
}

pub(super) fn execute(command: NewCommand, output: &Output) -> Result<u8, Failure> {
    let name = command.name;
    let template = Template::from(command.template);
    let folder = command.folder.unwrap_or_else(|| PathBuf::from(&name));
    let files = scaffold::write(&name, template, &folder)?;
    let shown = folder.display();
    let run = template.command(&name);
    let next = [
        format!("cd {shown}"),
        "orchestrator plugin build".to_owned(),
        "orchestrator plugin test".to_owned(),
    ];
    let document = json!({
        "name": name,
        "folder": folder,
        "contract": manifest::CONTRACT,
        "files": files,
        "next": next,
        "run": run,
    });
    output.result(&document, || {
        format!(
            "wrote {shown}: a plugin for the contract {}, with its SDK\n\n  {}\n\n\
             then put into orchestrator.toml what `orchestrator plugin build` prints:\n\n  \
             [plugins.{name}]\n  file = \"{shown}/{name}.wasm\"\n  sha256 = \"…\"\n  and the grants that plugin.toml asks for\n\n\
             and run it:\n\n  {run}\n",
            manifest::CONTRACT,
            next.join("\n  "),
        )
    })?;
    Ok(exit::DONE)
}
