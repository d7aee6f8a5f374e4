//! Commits in strings that no lexer outside of the session can follow, and begins another transaction in its place.

use attack::{attack, begin, json};
use orchestrator_sdk::postgres::{Step, Target, Transaction, connect};
use orchestrator_sdk::streams::TransferOptions;

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute("SET standard_conforming_strings = off", &[])?;
    let sql = "SELECT 'a\\''; COMMIT; BEGIN; SET LOCAL orchestrator.script = 'atomic'; --'";
    let options = TransferOptions {
        label: "a script".into(),
        expected_bytes: 0,
    };
    let steps = vec![Step::Statement(sql.to_owned())];
    transaction.run_script(steps, &options)?.wait()?;
    Transaction::commit(transaction)?;
    Ok(json!({}))
});
