//! Logs ten megabytes.

use attack::{attack, json};
use orchestrator_sdk::run;

attack!(|_| {
    for _ in 0..10_000 {
        run::info(&"x".repeat(1_000));
    }
    Ok(json!({}))
});
