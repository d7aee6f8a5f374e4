//! PostgreSQL backups, restores, migrations and seeds; every operation a sandboxed WASM plugin.
//!
//! Imports point one way: cli -> jobs -> plugins -> capabilities -> transfer, storage, snapshots, database. Nothing below `cli` prints.

pub mod authoring;
pub mod aws;
pub mod backups;
pub mod capabilities;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod database;
pub mod demo;
pub mod deployment_log;
pub mod exit;
pub mod failure;
pub mod jobs;
pub mod notifications;
pub mod plugins;
pub mod private_server;
pub mod schedules;
pub mod secret_url;
pub mod snapshots;
pub mod storage;
pub mod text;
pub mod transfer;
