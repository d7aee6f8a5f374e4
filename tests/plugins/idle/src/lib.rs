//! A plugin that does nothing.

use orchestrator_sdk::{Error, Operation};

struct Idle;

impl Operation for Idle {
    type Parameters = serde_json::Value;

    fn execute(_: serde_json::Value, _: bool) -> Result<serde_json::Value, Error> {
        Ok(serde_json::Value::Null)
    }
}

orchestrator_sdk::export!(Idle);
