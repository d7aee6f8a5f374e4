//! Reads a backup back and checks every byte against its manifest.

use orchestrator_sdk::{Error, Operation};
use serde::Deserialize;

struct Verify;

#[derive(Deserialize)]
#[expect(dead_code, reason = "the operation is refused before it looks at them")]
struct Parameters {
    storage: String,
}

impl Operation for Verify {
    type Parameters = Parameters;

    fn execute(_parameters: Parameters, _dry_run: bool) -> Result<serde_json::Value, Error> {
        Err(Error::unsupported(
            "this version of `verify` does nothing yet",
        ))
    }
}

orchestrator_sdk::export!(Verify);
