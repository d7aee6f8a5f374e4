//! Looks at the settings of its session, and leaves others.

use attack::{attack, json};
use orchestrator_sdk::postgres::{Target, connect};

const SETTINGS: &str = "SELECT concat_ws(', ', current_setting('search_path'), current_setting('session_replication_role'), \
     current_setting('default_transaction_read_only'), to_regclass('pg_temp.harm')::text) AS settings";

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let before = connection.query_one(SETTINGS, &[])?;
    for sql in [
        "CREATE TEMPORARY TABLE harm (id int)",
        "SET search_path = harm, pg_catalog",
        "SET session_replication_role = replica",
        "SET default_transaction_read_only = on",
    ] {
        connection.execute(sql, &[])?;
    }
    Ok(json!({ "settings": before.get::<&str>("settings")? }))
});
