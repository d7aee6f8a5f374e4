//! Has the host keep its bytes.

use attack::attack;
use orchestrator_sdk::streams::ByteSource;

attack!(|_| {
    let mebibyte = vec![0u8; 1 << 20];
    let mut hoard = Vec::new();
    loop {
        hoard.push(ByteSource::from_bytes(&mebibyte));
    }
});
