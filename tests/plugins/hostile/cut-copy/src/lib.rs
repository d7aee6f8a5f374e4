//! Drops a COPY in the middle, in both directions.

use attack::{attack, begin, json};
use orchestrator_sdk::postgres::{Target, connect};
use orchestrator_sdk::streams::TransferOptions;

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    let out = transaction
        .copy_out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT")?;
    out.read(1)?;
    drop(out);
    drop(transaction);
    drop(connection);
    let (connection, reader) = (
        connect(&parameters.database, Target::Database)?,
        connect(&parameters.database, Target::Database)?,
    );
    let (transaction, reading) = (begin(&connection)?, begin(&reader)?);
    let rows = reading.copy_out(
        "COPY (SELECT pg_sleep(0.01)::text FROM generate_series(1, 1000000)) TO STDOUT",
    )?;
    let options = TransferOptions {
        label: "half".into(),
        expected_bytes: 0,
    };
    let transfer = transaction.copy_in("COPY public.cut FROM STDIN", rows, &options)?;
    transfer.wait_up_to(300)?;
    drop(transfer);
    Ok(json!({}))
});
