//! Warns and tells facts a hundred thousand times.

use attack::{attack, json};
use orchestrator_sdk::run;

attack!(|_| {
    for number in 0..100_000 {
        run::warn("x");
        if let Err(error) = run::fact(&format!("f{number}"), &1) {
            run::fact("f0", &error.message)?;
            break;
        }
    }
    for _ in 0..100_000 {
        run::warn("y");
    }
    Ok(json!({}))
});
