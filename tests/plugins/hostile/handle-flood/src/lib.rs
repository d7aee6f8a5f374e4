//! Opens streams and keeps them all.

use attack::attack;
use orchestrator_sdk::streams::ByteSource;

attack!(|_| {
    let mut hoard = Vec::new();
    loop {
        hoard.push(ByteSource::gzip(ByteSource::from_bytes(b""), 1)?);
    }
});
