//! Has the server send a row of 200 MB.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let row = connection.query("SELECT repeat('x', 200000000) AS filler", &[])?;
    row.next()?;
    Ok(json!({}))
});
