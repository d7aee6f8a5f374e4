//! Listens, and notifies itself.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    connection.execute("LISTEN harm", &[])?;
    let other = connect(&parameters.database, Target::Database)?;
    for _ in 0..20 {
        other.execute(
            "SELECT pg_notify('harm', repeat('x', 7000) || number) FROM generate_series(1, 200) AS number",
            &[],
        )?;
    }
    connection.execute("SELECT 1", &[])?;
    Ok(json!({}))
});
