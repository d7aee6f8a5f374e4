//! The SDK's sources, as `build/sdk.rs` has collected them.

include!(concat!(env!("OUT_DIR"), "/sdk.rs"));
