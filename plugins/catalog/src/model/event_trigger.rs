//! Event triggers: pg_event_trigger.

use super::Header;

/// An event trigger.
#[derive(Clone, Debug)]
pub struct EventTrigger {
    pub header: Header,
    pub event: String,
    /// Literals; empty for every command.
    pub tags: String,
    pub function: String,
    /// pg_event_trigger.evtenabled
    pub enabled: char,
}
