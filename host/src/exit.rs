//! Exit codes: what a pipeline decides by. Documented in the reference.

use crate::failure::{Failure, FailureKind};

/// Done.
pub const DONE: u8 = 0;
/// Failed.
pub const FAILED: u8 = 1;
/// Wrong usage or configuration.
pub const USAGE: u8 = 2;
/// Done, with warnings.
pub const WARNINGS: u8 = 3;
/// Refused by a grant or an environment rule.
pub const REFUSED: u8 = 4;
/// Another run holds the lock.
pub const LOCKED: u8 = 5;
/// Behind: migrations are pending.
pub const BEHIND: u8 = 6;
/// Cancelled by a signal.
pub const CANCELLED: u8 = 130;

/// The code of a run, or of a command that failed before it became one.
pub fn code(failure: Option<&Failure>, before_any_effect: bool, warnings: bool) -> u8 {
    match failure.map(|failure| failure.kind) {
        None if warnings => WARNINGS,
        None => DONE,
        Some(FailureKind::Cancelled) => CANCELLED,
        Some(FailureKind::Refused) if before_any_effect => REFUSED,
        Some(FailureKind::InvalidInput) if before_any_effect => USAGE,
        Some(_) => FAILED,
    }
}
