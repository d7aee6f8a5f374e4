//! Asks for everything.

use attack::{attack, json};

attack!(|_| Ok(json!({})));
