//! Turns a read-only transaction into another one.

use attack::{attack, begin, json};
use orchestrator_sdk::postgres::{Target, Transaction, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute("SET TRANSACTION READ WRITE", &[])?;
    transaction.execute("CREATE TABLE public.harm (id int)", &[])?;
    Transaction::commit(transaction)?;
    Ok(json!({}))
});
