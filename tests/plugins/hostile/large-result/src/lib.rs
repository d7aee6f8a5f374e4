//! Ends with a result of 2 MiB.

use attack::{attack, json};

attack!(|_| Ok(json!("x".repeat(2 << 20))));
