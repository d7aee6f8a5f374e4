//! Writes users, the same ones wherever it runs.

use orchestrator_sdk::Error;
use orchestrator_sdk::seed::{Context, Seed};
use serde::{Deserialize, Serialize};

struct Users;

/// As plugin.toml declares them; the host has checked them. `database` is the SDK's to use.
#[derive(Deserialize)]
struct Parameters {
    count: u64,
}

/// A row: its fields are columns. The others keep their value, or get their default.
///
/// A reference is given by key instead of by id: `user: by([("email", "user1@example.com")])`, with `orchestrator_sdk::seed::by`.
#[derive(Serialize)]
struct User {
    email: String,
    name: String,
    role: &'static str,
}

impl Seed for Users {
    type Parameters = Parameters;

    /// All of it or nothing, in one transaction. A second run finds its rows by their key, and changes nothing.
    fn seed(context: &Context<Parameters>) -> Result<(), Error> {
        let users = (1..=context.parameters.count).map(|number| user(context, number));
        context.transaction(|tx| {
            tx.table("User").key(["email"]).upsert(users)?;
            Ok(())
        })
    }
}

orchestrator_sdk::export_seed!(Users);

/// The numbers of a column of a row look random, and are the same in every run.
fn user(context: &Context<Parameters>, number: u64) -> User {
    let mut random = context.random("User", "name", number);
    User {
        email: format!("user{number}@example.com"),
        name: random.pick(&["Ada", "Edsger", "Grace"]).to_string(),
        role: "PATIENT",
    }
}
