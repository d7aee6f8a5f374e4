//! Does what a plugin should not, to see it contained.

use orchestrator_sdk::postgres::{self, Isolation, Target, TransactionOptions};
use orchestrator_sdk::streams::{ByteSource, TransferOptions};
use orchestrator_sdk::{Error, Operation, run, storage};
use serde::Deserialize;
use serde_json::json;

struct Misbehave;

#[derive(Deserialize)]
struct Parameters {
    database: String,
    storage: String,
    how: String,
}

impl Operation for Misbehave {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, _dry_run: bool) -> Result<serde_json::Value, Error> {
        match parameters.how.as_str() {
            "trap" => panic!("this plugin panics"),
            "loop" => loop {
                std::hint::spin_loop();
            },
            "memory" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1u8; 1 << 20]);
                    std::hint::black_box(&hoard);
                }
            }
            "half-backup" => {
                let store = storage::open(&parameters.storage)?;
                let draft = store.create("shop/2026-01-17T02-00-00Z-full-0a1b2c3d")?;
                let options = TransferOptions {
                    label: "half".into(),
                    expected_bytes: 4,
                };
                draft
                    .put("toc.dat", vec![ByteSource::from_bytes(b"half")], &options)?
                    .wait()?;
                panic!("in the middle of a backup");
            }
            "write" => in_transaction(&parameters.database, "CREATE TABLE public.harm (id int)"),
            "read-write" => in_transaction(&parameters.database, "SET TRANSACTION READ WRITE"),
            "commit" => in_transaction(&parameters.database, "/* quiet */ ;COMMIT"),
            "program" => {
                let connection = postgres::connect(&parameters.database, Target::Database)?;
                let transaction = begin(&connection)?;
                transaction.copy_out("COPY (SELECT 1) TO PROGRAM 'true'")?;
                Ok(json!({}))
            }
            "other-binding" => {
                postgres::connect("secret", Target::Database)?;
                Ok(json!({}))
            }
            "maintenance" => {
                postgres::connect(&parameters.database, Target::Maintenance)?;
                Ok(json!({}))
            }
            "handles" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(ByteSource::gzip(ByteSource::from_bytes(b""), 1)?);
                }
            }
            "log-flood" => {
                for _ in 0..10_000 {
                    run::info(&"x".repeat(1_000));
                }
                Ok(json!({}))
            }
            "escapes" => {
                run::warn("\u{1b}[2J\u{1b}[31m<script>alert(1)</script> | **bold**");
                Ok(json!({}))
            }
            other => Err(Error::invalid_input(format!(
                "there is no way called {other}"
            ))),
        }
    }
}

fn begin(connection: &postgres::Connection) -> Result<postgres::Transaction, Error> {
    connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: false,
        snapshot: None,
    })
}

fn in_transaction(database: &str, sql: &str) -> Result<serde_json::Value, Error> {
    let connection = postgres::connect(database, Target::Database)?;
    let transaction = begin(&connection)?;
    transaction.execute(sql, &[])?;
    postgres::Transaction::commit(transaction)?;
    Ok(json!({}))
}

orchestrator_sdk::export!(Misbehave);
