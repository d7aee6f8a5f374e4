//! Stores an object and traps.

use attack::attack;
use orchestrator_sdk::storage;
use orchestrator_sdk::streams::{ByteSource, TransferOptions};

attack!(|parameters| {
    let store = storage::open(&parameters.storage)?;
    let draft = store.create("source/2026-01-17T02-00-00Z-full-0a1b2c3d")?;
    let options = TransferOptions {
        label: "half".into(),
        expected_bytes: 4,
    };
    let half = vec![ByteSource::from_bytes(b"half")];
    draft.put("toc.dat", half, &options)?.wait()?;
    panic!("in the middle of a backup");
});
