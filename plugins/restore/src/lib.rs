//! Restores a backup into a database, after checking every byte of it.
//!
//! `restoring` tells the whole story, `decision` is made before anything changes and `changing` carries it out; the other modules
//! each own one rule. What pg_restore does is done in the same
//! way, and the modules name the functions of PostgreSQL's `pg_backup_archiver.c` that they follow.

mod backup;
mod batches;
mod changing;
mod cleaning;
mod comparison;
mod data;
mod database;
mod decision;
mod deployment_log;
mod drill;
mod entries;
mod failures;
mod globals;
mod large_objects;
mod names;
mod parallel;
mod parameters;
mod pieces;
mod place;
mod plan;
mod post_data;
mod preconditions;
mod progress;
mod report;
mod restoring;
mod schedule;
mod selection;
mod sessions;
mod statements;
mod target;
mod undo;
mod verification;

use orchestrator_sdk::{Error, Operation};

use parameters::Parameters;

struct Restore;

impl Operation for Restore {
    type Parameters = Parameters;

    fn execute(parameters: Parameters, dry_run: bool) -> Result<serde_json::Value, Error> {
        restoring::restore(parameters, dry_run)
    }
}

orchestrator_sdk::export!(Restore);
