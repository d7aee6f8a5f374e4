//! `[limits]`: what a step's plugin may use up.

use super::error::ConfigError;
use super::reader::Section;
use super::reference::{
    Key, LIMIT_CALL, LIMIT_COMPONENT, LIMIT_CONNECTIONS, LIMIT_DATABASE_GROWTH, LIMIT_DEADLINE,
    LIMIT_GRACE, LIMIT_LOG, LIMIT_MEMORY, LIMIT_RESOURCES, LIMIT_RESULT, LIMIT_TRANSFERS,
};
use super::value::Bytes;
use std::time::Duration;

/// What a step's plugin may use up; sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memories and tables, summed.
    pub memory: u64,
    /// Wall time of a step.
    pub deadline: Duration,
    /// Time to return after a cancellation.
    pub grace: Duration,
    /// The component's file.
    pub component: u64,
    /// What one call may pass to the host.
    pub call: u64,
    /// Everything that a step logs.
    pub log: u64,
    /// The step's result.
    pub result: u64,
    /// Open connections to databases.
    pub connections: u32,
    /// Transfers under way.
    pub transfers: u32,
    /// Entries of the table of resources.
    pub resources: u32,
    /// By which a database may grow while a plugin that is not built in is connected to it.
    pub database_growth: u64,
}

/// Limits of one table; what it leaves open comes from `others`, else from the reference.
pub(super) fn read(section: &Section<'_>, others: Option<&Limits>) -> Result<Limits, ConfigError> {
    let size = |key: &Key, other: fn(&Limits) -> u64| match others {
        Some(limits) if !section.gives(key) => Ok(other(limits)),
        _ => section.required::<Bytes>(key).map(|found| found.value.0),
    };
    let duration = |key: &Key, other: fn(&Limits) -> Duration| match others {
        Some(limits) if !section.gives(key) => Ok(other(limits)),
        _ => section.required::<Duration>(key).map(|found| found.value),
    };
    let number = |key: &Key, other: fn(&Limits) -> u32| match others {
        Some(limits) if !section.gives(key) => Ok(other(limits)),
        _ => section.required::<u32>(key).map(|found| found.value),
    };
    Ok(Limits {
        memory: size(&LIMIT_MEMORY, |limits| limits.memory)?,
        deadline: duration(&LIMIT_DEADLINE, |limits| limits.deadline)?,
        grace: duration(&LIMIT_GRACE, |limits| limits.grace)?,
        component: size(&LIMIT_COMPONENT, |limits| limits.component)?,
        call: size(&LIMIT_CALL, |limits| limits.call)?,
        log: size(&LIMIT_LOG, |limits| limits.log)?,
        result: size(&LIMIT_RESULT, |limits| limits.result)?,
        connections: number(&LIMIT_CONNECTIONS, |limits| limits.connections)?,
        transfers: number(&LIMIT_TRANSFERS, |limits| limits.transfers)?,
        resources: number(&LIMIT_RESOURCES, |limits| limits.resources)?,
        database_growth: size(&LIMIT_DATABASE_GROWTH, |limits| limits.database_growth)?,
    })
}
