//! Writes under the access read.

use attack::{attack, begin, tries};
use orchestrator_sdk::Error;
use orchestrator_sdk::postgres::{Step, Target, Transaction, connect};
use orchestrator_sdk::streams::TransferOptions;

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let transaction = begin(&connection)?;
    let script = |sql: &str| {
        let steps = vec![Step::Statement(sql.to_owned())];
        let options = TransferOptions {
            label: "a script".into(),
            expected_bytes: 0,
        };
        transaction.run_script(steps, &options)?.wait().map(drop)
    };
    tries(vec![
        (
            "a table",
            Box::new(|| {
                transaction
                    .execute("CREATE TABLE public.harm (id int)", &[])
                    .map(drop)
            }),
        ),
        (
            "outside a transaction",
            Box::new(|| {
                connection
                    .execute("CREATE TABLE public.harm (id int)", &[])
                    .map(drop)
            }),
        ),
        (
            "a script after a COMMIT",
            Box::new(|| script("COMMIT; CREATE TABLE public.harm (id int)")),
        ),
        (
            "a script in strings",
            Box::new(|| {
                script(
                    "SET standard_conforming_strings = off; SELECT 'a\\''; COMMIT; CREATE TABLE public.harm (id int); --'",
                )
            }),
        ),
        (
            "two statements",
            Box::new(|| transaction.execute("SELECT 1; COMMIT", &[]).map(drop)),
        ),
        (
            "a COPY behind a string",
            Box::new(|| {
                transaction
                    .copy_out("COPY pg_class TO '/tmp/harm\\' TO STDOUT --'")
                    .map(drop)
            }),
        ),
        (
            "a COPY with two ends",
            Box::new(|| read(&transaction, "COPY pg_class TO STDOUT; COMMIT")),
        ),
        (
            "a program",
            Box::new(|| {
                transaction
                    .copy_out("COPY pg_class TO PROGRAM 'cat > /tmp/harm'")
                    .map(drop)
            }),
        ),
        (
            "a sequence",
            Box::new(|| {
                transaction
                    .execute("SELECT nextval('public.numbers')", &[])
                    .map(drop)
            }),
        ),
    ])
});

fn read(transaction: &Transaction, copy: &str) -> Result<(), Error> {
    transaction.copy_out(copy)?.read_all(1 << 20).map(drop)
}
