//! What the end-to-end tests stand on: real servers that stop with the test, and projects in which the program runs.
//!
//! Everything panics with a message that says what is missing: these are tests, and none skips itself. `make setup`
//! installs what they need.

mod faulty_proxy;
mod guarded;
mod http;
mod moto;
mod pgbouncer;
mod postgres;
mod prisma;
mod project;
mod rds;
mod receiver;
mod s3s_fs;
mod small_disk;
mod smtp;
#[cfg(test)]
mod tests;
mod wire;

pub use faulty_proxy::{Fault, FaultyProxy, Strike};
pub use guarded::wait_for;
pub use http::Response;
pub use moto::Moto;
pub use pgbouncer::PgBouncer;
pub use postgres::{PASSWORD, PostgresServer, Version};
pub use prisma::Prisma;
pub use project::{Outcome, Project};
pub use rds::{Answer, RdsProxy};
pub use receiver::{Received, Receiver};
pub use s3s_fs::S3sFs;
pub use small_disk::SmallDisk;
pub use smtp::{MAIL_LOGIN, MailServer};
pub use wire::Wire;

use std::path::PathBuf;

/// Where `scripts/setup.sh` puts what the tests need: `$ORCHESTRATOR_CACHE`, else `~/.cache/orchestrator`.
pub fn cache_folder() -> PathBuf {
    match std::env::var_os("ORCHESTRATOR_CACHE") {
        Some(folder) => folder.into(),
        None => std::env::home_dir()
            .expect("a home folder")
            .join(".cache/orchestrator"),
    }
}

/// The root of the repository, where `migrations/`, `seeds/` and `schedules/` are.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the repository")
        .to_owned()
}
