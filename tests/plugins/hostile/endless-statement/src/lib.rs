//! Sleeps in a statement without a time limit.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    connection.execute("SET statement_timeout = 0", &[])?;
    connection.execute("SELECT pg_sleep(3600)", &[])?;
    Ok(json!({}))
});
