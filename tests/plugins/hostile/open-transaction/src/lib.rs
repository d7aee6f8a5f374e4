//! Ends without ending its transaction.

use attack::{attack, begin, json};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute("CREATE TABLE public.harm (id int)", &[])?;
    transaction.execute("LOCK TABLE public.\"User\"", &[])?;
    std::mem::forget(transaction);
    std::mem::forget(connection);
    Ok(json!({}))
});
