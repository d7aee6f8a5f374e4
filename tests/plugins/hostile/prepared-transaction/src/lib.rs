//! Leaves a prepared transaction behind.

use attack::{attack, tries};
use orchestrator_sdk::postgres::{Step, Target, connect};
use orchestrator_sdk::streams::TransferOptions;

attack!(|parameters| {
    let connection = connect(&parameters.database, Target::Database)?;
    let script = |sql: &str| {
        let steps = vec![Step::Statement(sql.to_owned())];
        let options = TransferOptions {
            label: "a script".into(),
            expected_bytes: 0,
        };
        connection
            .run_script(steps, false, &options)?
            .wait()
            .map(drop)
    };
    tries(vec![
        (
            "a statement",
            Box::new(|| {
                connection
                    .execute("PREPARE TRANSACTION 'harm'", &[])
                    .map(drop)
            }),
        ),
        (
            "a script",
            Box::new(|| {
                script("BEGIN; LOCK TABLE public.\"User\"; prepare /**/ transaction 'harm'")
            }),
        ),
    ])
});
