//! Traps while a transaction is open.

use attack::{attack, begin};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute("DELETE FROM public.\"User\"", &[])?;
    panic!("in the middle of a transaction");
});
