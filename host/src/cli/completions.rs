//! `orchestrator completions SHELL`

use clap::{Args, CommandFactory};

use super::Cli;
use crate::exit;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct CompletionsCommand {
    /// bash, elvish, fish, powershell or zsh
    shell: clap_complete::Shell,
}

pub(super) fn execute(command: CompletionsCommand) -> Result<u8, Failure> {
    clap_complete::generate(
        command.shell,
        &mut Cli::command(),
        "orchestrator",
        &mut std::io::stdout(),
    );
    Ok(exit::DONE)
}
