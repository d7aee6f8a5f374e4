//! Writes one backup of a database into a storage.

use orchestrator_sdk::{Error, Operation};
use serde::Deserialize;

struct Backup;

#[derive(Deserialize)]
#[expect(dead_code, reason = "the operation is refused before it looks at them")]
struct Parameters {
    storage: String,
}

impl Operation for Backup {
    type Parameters = Parameters;

    fn execute(_parameters: Parameters, _dry_run: bool) -> Result<serde_json::Value, Error> {
        Err(Error::unsupported(
            "this version of `backup` does nothing yet",
        ))
    }
}

orchestrator_sdk::export!(Backup);
