//! orchestrator.toml -> typed, validated values. Order: flag, environment variable, file, default.
//!
//! ```text
//! reference   every key: its kind, default and description, in one place
//! reader      TOML with line numbers, ${NAME}, unknown keys, defaults
//! glance      what can be known without the variables
//! databases storage log jobs plugins limits    one section each
//! ```

mod configuration;
mod databases;
mod environment;
mod error;
mod glance;
mod interpolation;
mod jobs;
mod limits;
mod log;
mod name;
mod plugins;
mod quantities;
mod reader;
mod reference;
mod storage;
mod value;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod config_tests;

pub use configuration::{Config, MigrationSettings, Sources};
pub use databases::DatabaseBinding;
pub use environment::Environment;
pub use error::{ConfigError, Place};
pub use glance::{Glance, Pin};
pub use jobs::{BUILT_IN_PLUGINS, Job, SafetyNet, Step};
pub use limits::Limits;
pub use log::LogSettings;
pub use name::Name;
pub use plugins::{DatabaseGrant, Grants, PluginGrant, StorageGrant};
pub use reference::{KeyDoc, reference};
pub use storage::{StorageBinding, StorageLocation};
