//! Guesses names that it was not given.

use attack::{attack, tries};
use orchestrator_sdk::postgres::{Target, connect, take_scratch};
use orchestrator_sdk::{files, snapshots, storage};

attack!(|parameters| {
    let database = &parameters.database;
    tries(vec![
        (
            "another database",
            Box::new(|| connect("records", Target::Database).map(drop)),
        ),
        (
            "a database that is not there",
            Box::new(|| connect("secret", Target::Database).map(drop)),
        ),
        (
            "a URL",
            Box::new(|| {
                connect("postgres://postgres@127.0.0.1/postgres", Target::Database).map(drop)
            }),
        ),
        (
            "nothing",
            Box::new(|| connect("", Target::Database).map(drop)),
        ),
        (
            "the maintenance database",
            Box::new(|| connect(database, Target::Maintenance).map(drop)),
        ),
        (
            "a scratch database",
            Box::new(|| take_scratch(database).map(drop)),
        ),
        ("a storage", Box::new(|| storage::open("main").map(drop))),
        (
            "a folder by its path",
            Box::new(|| files::open("/etc").map(drop)),
        ),
        ("a folder above", Box::new(|| files::open("..").map(drop))),
        (
            "the provider",
            Box::new(|| snapshots::open(database).map(drop)),
        ),
    ])
});
