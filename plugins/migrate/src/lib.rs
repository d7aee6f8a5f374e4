//! Applies migrations. What is to be done is decided by the crate `migrations`; here it is done.

mod applying;
mod baselining;
mod checking;
mod deploying;
mod downtime;
mod leftovers;
mod opening;
mod originals;
mod progress;
mod resetting;
mod resolving;
mod scripts;
mod status;
mod taking_back;

use orchestrator_sdk::{Error, Operation};
use serde::Deserialize;
use serde_json::Value;

struct Migrate;

#[derive(Clone, Debug, Deserialize)]
struct Parameters {
    database: String,
    folder: String,
    command: String,
    to: Option<String>,
    all: bool,
    out_of_order: String,
    allow_edited: Vec<String>,
    allow_comment_edits: bool,
    lock_timeout: String,
    lock_attempts: u32,
    statement_timeout: Option<String>,
    lock_wait: u32,
    applied: Option<String>,
    rolled_back: Option<String>,
}

impl Operation for Migrate {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        match parameters.command.as_str() {
            "status" => status::tell(&parameters),
            "deploy" => deploying::deploy(&parameters, dry_run),
            "resolve" => resolving::resolve(&parameters, dry_run),
            "reset" => resetting::reset(&parameters, dry_run),
            "baseline" => baselining::baseline(&parameters, dry_run),
            "down" => taking_back::down(&parameters, dry_run),
            other => Err(Error::invalid_input(format!(
                "the parameter command is {other:?}, not one of status, deploy, resolve, reset, baseline, down"
            ))),
        }
    }
}

orchestrator_sdk::export!(Migrate);
