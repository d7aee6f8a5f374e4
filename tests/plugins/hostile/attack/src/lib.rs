//! What the hostile plugins share.

pub use orchestrator_sdk;
pub use serde_json::{Value, json};

use orchestrator_sdk::postgres::{
    Connection, Isolation, Target, Transaction, TransactionOptions, connect,
};
use orchestrator_sdk::{Error, run};
use serde::Deserialize;

/// What a step tells a plugin: the bindings that it may reach, if any.
#[derive(Deserialize)]
pub struct Parameters {
    /// The name of a database.
    #[serde(default)]
    pub database: String,
    /// The name of a storage.
    #[serde(default)]
    pub storage: String,
}

/// Makes a function of the parameters the plugin of this crate.
#[macro_export]
macro_rules! attack {
    ($function:expr) => {
        struct Attack;

        impl $crate::orchestrator_sdk::Operation for Attack {
            type Parameters = $crate::Parameters;

            fn execute(
                parameters: $crate::Parameters,
                _dry_run: bool,
            ) -> Result<$crate::Value, $crate::orchestrator_sdk::Error> {
                let function: fn($crate::Parameters) -> Result<$crate::Value, _> = $function;
                function(parameters)
            }
        }

        $crate::orchestrator_sdk::export!(Attack);
    };
}

/// A transaction that may write, if the access allows it.
pub fn begin(connection: &Connection) -> Result<Transaction, Error> {
    connection.begin(&TransactionOptions {
        isolation: Isolation::ReadCommitted,
        read_only: false,
        snapshot: None,
    })
}

/// One way to do harm.
pub type Attempt<'a> = Box<dyn Fn() -> Result<(), Error> + 'a>;

/// Tries all of them, and tells as the fact `tries` what came of each. Fails with the first error when none got through.
pub fn tries(attempts: Vec<(&str, Attempt<'_>)>) -> Result<Value, Error> {
    let mut outcomes = serde_json::Map::new();
    let mut errors = Vec::new();
    let count = attempts.len();
    for (name, attempt) in attempts {
        let outcome = match attempt() {
            Ok(()) => "got through".to_owned(),
            Err(error) => {
                let outcome = error.message.clone();
                errors.push(error);
                outcome
            }
        };
        outcomes.insert(name.to_owned(), outcome.into());
    }
    run::fact("tries", &outcomes)?;
    if errors.len() == count {
        return Err(errors.swap_remove(0));
    }
    Ok(json!({}))
}

/// Tries each of the statements on a connection to the database, as [`tries`].
pub fn statements(parameters: &Parameters, named: &[(&str, &str)]) -> Result<Value, Error> {
    let connection = connect(&parameters.database, Target::Database)?;
    let attempts = named.iter().map(|(name, sql)| {
        let attempt: Attempt<'_> = Box::new(|| connection.execute(sql, &[]).map(drop));
        (*name, attempt)
    });
    tries(attempts.collect())
}
