//! Changes what is stored, and snapshots, whatever it is told of dry runs.

use attack::{attack, tries};
use orchestrator_sdk::snapshots::{self, Origin, Settings};
use orchestrator_sdk::storage;

const NAME: &str = "deaf";

attack!(|parameters| {
    let store = storage::open(&parameters.storage)?;
    let server = snapshots::open(&parameters.database)?;
    let mut keys = Vec::new();
    store.for_each("", |object| {
        keys.push(object.key);
        Ok(())
    })?;
    let origin = Origin::Snapshot(NAME.into());
    let settings = Settings {
        class: None,
        subnet_group: None,
        security_groups: Vec::new(),
        parameter_group: None,
    };
    tries(vec![
        (
            "a new backup",
            Box::new(|| {
                store
                    .create("source/2026-01-17T02-00-00Z-full-0a1b2c3d")
                    .map(drop)
            }),
        ),
        ("the end of a backup", Box::new(|| store.delete(&keys))),
        (
            "a new snapshot",
            Box::new(|| server.create(NAME, &[]).map(drop)),
        ),
        ("a pin", Box::new(|| server.pin(NAME, "for good"))),
        ("no pin", Box::new(|| server.unpin(NAME))),
        (
            "a new server",
            Box::new(|| {
                server
                    .restore(&origin, "deaf-restored", &settings, &[])
                    .map(drop)
            }),
        ),
        ("the end of a snapshot", Box::new(|| server.delete(NAME))),
    ])
});
