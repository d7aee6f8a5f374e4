//! Snapshots by the provider of a managed server: begins them, waits for them, looks whether they are whole, pins and deletes them, and makes
//! new servers of them. The provider does the work; nothing of the database passes through here.

mod creating;
mod deleting;
mod naming;
mod pinning;
mod pruning;
mod restoring;
mod verifying;
mod waiting;

use orchestrator_sdk::{Error, Operation};
use serde::Deserialize;
use serde_json::Value;

struct Snapshot;

#[derive(Clone, Debug, Deserialize)]
struct Parameters {
    database: String,
    command: String,
    kind: Option<String>,
    snapshot: Option<String>,
    reason: Option<String>,
    snapshots: Vec<String>,
    #[serde(flatten)]
    rules: retention::Rules,
    /// Of what somebody has looked at; `None` where a job's policy is the operator's word.
    agreed: Option<Vec<String>>,
    at: Option<String>,
    server: Option<String>,
    class: Option<String>,
    subnet_group: Option<String>,
    security_groups: Vec<String>,
    parameter_group: Option<String>,
    wait: bool,
    timeout: u32,
}

impl Operation for Snapshot {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<Value, Error> {
        match parameters.command.as_str() {
            "create" => creating::create(&parameters, dry_run),
            "verify" => verifying::verify(&parameters),
            "pin" => pinning::pin(&parameters, dry_run),
            "unpin" => pinning::unpin(&parameters, dry_run),
            "delete" => deleting::delete(&parameters, dry_run),
            "prune" => pruning::prune(&parameters, dry_run),
            "restore" => restoring::restore(&parameters, dry_run),
            other => Err(Error::invalid_input(format!(
                "the parameter command is {other:?}, not one of create, verify, pin, unpin, delete, prune, restore"
            ))),
        }
    }
}

orchestrator_sdk::export!(Snapshot);
