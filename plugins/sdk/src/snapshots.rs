//! The managed server that a database is on, and the snapshots that its provider keeps of it.

pub use crate::bindings::orchestrator::plugin::snapshots::{
    Kind, ManagedServer, Origin, Server, Settings, Snapshot, open,
};
