//! Restores a backup into a database.

use orchestrator_sdk::{Error, Operation};
use serde::Deserialize;

struct Restore;

#[derive(Deserialize)]
#[expect(dead_code, reason = "the operation is refused before it looks at them")]
struct Parameters {
    storage: String,
}

impl Operation for Restore {
    type Parameters = Parameters;

    fn execute(_parameters: Parameters, _dry_run: bool) -> Result<serde_json::Value, Error> {
        Err(Error::unsupported(
            "this version of `restore` does nothing yet",
        ))
    }
}

orchestrator_sdk::export!(Restore);
