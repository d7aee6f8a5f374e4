//! orchestrator.toml -> typed, validated values. Order: flag, environment variable, file, default.
//!
//! ```text
//! reference   every key: its kind, default and description, in one place
//! reader      TOML with line numbers, ${NAME}, unknown keys, defaults
//! glance      what can be known without the variables
//! schedules   schedules/*.toml, each by itself
//! databases storage log daemon http notifications jobs plugins limits    one section each
//! ```

mod check;
mod configuration;
mod daemon;
mod databases;
mod environment;
mod error;
mod glance;
pub(crate) mod http;
mod interpolation;
mod jobs;
mod limits;
mod log;
mod name;
mod notifications;
mod plugins;
mod quantities;
mod reader;
mod reference;
mod schedules;
mod storage;
mod value;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod config_tests;
#[cfg(test)]
mod schedules_tests;

pub use check::CheckSettings;
pub use configuration::{Config, MigrationSettings, Sources};
pub use daemon::DaemonSettings;
pub use databases::DatabaseBinding;
pub use environment::Environment;
pub use error::{ConfigError, Place};
pub use glance::{Glance, Pin};
pub use http::{HttpSettings, Token, TokenAccess};
pub use jobs::{BUILT_IN_PLUGINS, Job, SafetyNet, Step};
pub use limits::Limits;
pub use log::LogSettings;
pub use name::Name;
pub use notifications::{Channel, EmailSettings, NoticeKind, NotifyTarget, SmtpEncryption};
pub use plugins::{DatabaseGrant, Grants, PluginGrant, StorageGrant};
pub use reference::{KeyDoc, reference, schedule_reference};
pub use schedules::Schedules;
pub use storage::{StorageBinding, StorageLocation};
