//! The archive format: PostgreSQL's directory format plus `manifest.json`. No I/O, no clock and no randomness here: the
//! same code runs in the plugins and in the host.

pub mod civil_time;
pub mod custom;
pub mod entry;
pub mod identifiers;
pub mod kinds;
pub mod layout;
pub mod manifest;
pub mod ownership;
pub mod script;
pub mod table_of_large_objects;
pub mod toc;

pub use civil_time::CivilTime;
pub use entry::{Entry, Section};
pub use layout::{BackupFolder, BackupId, BackupKind};
pub use manifest::Manifest;
pub use table_of_large_objects::TableOfLargeObjects;
pub use toc::{Compression, Created, Format, Header, Toc, TocError, Version};
