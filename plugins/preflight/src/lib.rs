//! Looks whether a database is ready to be migrated. Each check has a verdict and what to do; one that fails ends the run before anything
//! was changed.

mod activity;
mod check;
mod pending;
mod replication;
mod server;

use history::session;
use orchestrator_sdk::postgres::{self, Target};
use orchestrator_sdk::{Error, Operation, run};
use serde::Deserialize;
use serde_json::{Value, json};

use check::{Check, Verdict};

struct Preflight;

#[derive(Clone, Debug, Deserialize)]
struct Parameters {
    database: String,
    folder: String,
    out_of_order: String,
    long_transaction: u32,
    replication_lag: u32,
}

impl Operation for Preflight {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, _dry_run: bool) -> Result<Value, Error> {
        run::phase("looking");
        let connection = postgres::connect(&parameters.database, Target::Database)?;
        let session = session::read(&connection)?;
        let mut checks = server::checks(&session)?;
        let pending = pending::look(&session, &parameters)?;
        checks.extend(pending.checks);
        checks.extend(activity::checks(
            &session,
            parameters.long_transaction,
            &pending.names_in_scripts,
        )?);
        checks.extend(replication::checks(&session, parameters.replication_lag)?);
        run::fact("preflight", &checks)?;
        run::fact("pending", &pending.migrations)?;
        let told = |verdict: Verdict| checks.iter().filter(move |check| check.verdict == verdict);
        for check in told(Verdict::Warn) {
            run::warn(&check.sentence());
        }
        let failed: Vec<String> = told(Verdict::Fail).map(Check::sentence).collect();
        if !failed.is_empty() {
            let advice: Vec<&str> = told(Verdict::Fail)
                .filter_map(|check| check.advice.as_deref())
                .collect();
            return Err(
                Error::conflict(format!("not ready to migrate: {}", failed.join("; ")))
                    .hint(advice.join("; ")),
            );
        }
        Ok(json!({ "checks": checks, "pending": pending.migrations }))
    }
}

orchestrator_sdk::export!(Preflight);
