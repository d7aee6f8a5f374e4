//! Ends without ending its transaction.

use attack::{attack, begin, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute("CREATE TABLE public.harm (id int)", &[])?;
    // Others who write wait for it; the backup beside it, which reads, does not.
    let lock = "LOCK TABLE public.\"User\" IN SHARE ROW EXCLUSIVE MODE";
    transaction.execute(lock, &[])?;
    std::mem::forget(transaction);
    std::mem::forget(connection);
    Ok(json!({}))
});
