//! Ends the transaction of the host.

use attack::{attack, begin, tries};
use orchestrator_sdk::postgres::{Step, Target, connect};
use orchestrator_sdk::streams::TransferOptions;

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    connection.execute(
        "CREATE PROCEDURE public.ends() LANGUAGE plpgsql AS 'BEGIN COMMIT; END'",
        &[],
    )?;
    let within = |sql: &str| {
        let transaction = begin(&connection)?;
        transaction.execute("CREATE TABLE public.harm (id int)", &[])?;
        transaction.execute(sql, &[]).map(drop)
    };
    let script = |sql: &str| {
        let transaction = begin(&connection)?;
        let steps = vec![Step::Statement(sql.to_owned())];
        transaction.run_script(steps, &options())?.wait().map(drop)
    };
    let atomic = |sql: &str| {
        let steps = vec![Step::Statement(sql.to_owned())];
        connection
            .run_script(steps, true, &options())?
            .wait()
            .map(drop)
    };
    let outcome = tries(vec![
        ("COMMIT", Box::new(|| within("/* quiet */ ;COMMIT"))),
        ("END", Box::new(|| within("--\n eNd work"))),
        ("ROLLBACK", Box::new(|| within("rollback and chain"))),
        (
            "behind a savepoint",
            Box::new(|| within("rollback to savepoint a; commit")),
        ),
        (
            "several statements",
            Box::new(|| within("SELECT 1; COMMIT")),
        ),
        ("DO", Box::new(|| within("DO $$ BEGIN COMMIT; END $$"))),
        ("CALL", Box::new(|| within("CALL public.ends()"))),
        (
            "EXECUTE in DO",
            Box::new(|| within("DO $$ BEGIN EXECUTE 'COMMIT'; END $$")),
        ),
        (
            "PREPARE TRANSACTION",
            Box::new(|| within("PREPARE TRANSACTION 'harm'")),
        ),
        (
            "a script",
            Box::new(|| script("CREATE TABLE public.harm (id int); COMMIT")),
        ),
        (
            "an atomic script",
            Box::new(|| atomic("SELECT 1; COMMIT; BEGIN; SELECT 1")),
        ),
    ]);
    connection.execute("DROP PROCEDURE public.ends()", &[])?;
    outcome
});

fn options() -> TransferOptions {
    TransferOptions {
        label: "a script".into(),
        expected_bytes: 0,
    }
}
