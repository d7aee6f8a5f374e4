//! Catches the cancellation of its statement and goes on.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    connection.execute(
        "DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$",
        &[],
    )?;
    Ok(json!({}))
});
