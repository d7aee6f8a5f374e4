//! Fills the disk with temporary tables.

use attack::{attack, begin};
use orchestrator_sdk::postgres::{Target, connect};

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute("CREATE TEMPORARY TABLE harm (filler text)", &[])?;
    transaction.execute("ALTER TABLE harm ALTER filler SET STORAGE EXTERNAL", &[])?;
    loop {
        transaction.execute(
            "INSERT INTO harm SELECT repeat('x', 1000000) FROM generate_series(1, 16)",
            &[],
        )?;
    }
});
