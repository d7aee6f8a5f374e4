//! Engine, manifest, grants, limits, compiled-code cache: everything between a component's bytes and its result.

pub mod builtin;
mod cache;
pub mod component;
pub mod grants;
pub mod limits;
pub mod runtime;

pub use component::Inspection;
pub use grants::{Grants, Operator};
pub use runtime::{Plugin, Runtime, StepOutcome};
