//! When jobs run by themselves: cron expressions, their fires in a time zone, and what holds around them. Pure: no clock, no file.
//!
//! ```text
//! field     one field of an expression -> the values it stands for
//! cron      an expression: parsed, and its next fire on a wall clock
//! fires     from wall clocks to instants, over the changes of a zone's clock
//! words     an expression as people say it
//! ping      the address of a dead man's switch
//! portable  an expression as Kubernetes reads it
//! schedule  an expression with its zone, its job and its rules
//! ```

mod cron;
mod field;
mod fires;
mod ping;
mod portable;
mod schedule;
mod words;

#[cfg(test)]
mod cron_tests;
#[cfg(test)]
mod fires_tests;

pub use cron::{Cron, CronError};
pub use ping::Ping;
pub use schedule::{Missed, Overlap, Retry, Schedule};
