//! `orchestrator daemon token`: a secret for the HTTP API. Only its digest is kept, and that by whoever writes the configuration.

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::output::Output;
use crate::config::Name;
use crate::daemon::http::new_token;
use crate::exit;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(in crate::cli) struct TokenCommand {
    /// What the log calls whoever uses it
    #[arg(default_value = "operator", value_parser = parse_name)]
    name: Name,
    /// What may be done with it
    #[arg(long, value_enum, default_value_t = Access::Read)]
    access: Access,
}

/// See `daemon.tokens.<name>.access`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Access {
    /// Look at everything
    Read,
    /// Also run and cancel jobs
    Run,
}

fn parse_name(text: &str) -> Result<Name, String> {
    text.parse::<Name>()
        .map_err(|error| format!("{}; {}", error.message, error.hint))
}

pub(in crate::cli) fn execute(command: TokenCommand, output: &Output) -> Result<u8, Failure> {
    let (token, sha256) =
        new_token().ok_or_else(|| Failure::internal("this machine gives no random numbers"))?;
    let access = match command.access {
        Access::Read => "read",
        Access::Run => "run",
    };
    let configuration = format!(
        "[daemon.tokens.{}]\nsha256 = \"{sha256}\"\naccess = \"{access}\"\n",
        command.name
    );
    let document = json!({
        "name": command.name.as_str(),
        "token": token,
        "sha256": sha256,
        "access": access,
        "configuration": configuration,
    });
    output.result(&document, || {
        format!(
            "{token}\n\nIt is shown this once. Write into orchestrator.toml:\n\n{configuration}"
        )
    })?;
    Ok(exit::DONE)
}
