//! Calls itself for ever.

use attack::{attack, json};

attack!(|_| Ok(json!(deeper(0))));

fn deeper(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if frame[1] == u64::MAX {
        return 0;
    }
    deeper(depth + 1) + frame[0]
}
