//! Tells facts, and ends with a result, that are nested deeper than JSON is read.

use attack::{Value, attack, json};
use orchestrator_sdk::run;

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("x"), |value, _| json!([value]))
}

attack!(|_| {
    run::fact("deep", &nested(64))?;
    let told: Vec<String> = [65, 126, 127, 500]
        .into_iter()
        .filter_map(|levels| run::fact("deeper", &nested(levels)).err())
        .map(|error| error.message)
        .collect();
    run::fact("told", &told)?;
    Ok(nested(126))
});
