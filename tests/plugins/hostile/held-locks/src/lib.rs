//! Keeps advisory locks and locks of tables.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    connection.execute("SELECT pg_advisory_lock(72707369)", &[])?;
    connection.execute(
        "SELECT pg_advisory_lock(number) FROM generate_series(1, 100) AS number",
        &[],
    )?;
    std::mem::forget(connection);
    Ok(json!({}))
});
