//! The data plane: COPY, compression, checksums, storage; bounded and parallel.
//!
//! ```text
//! copy-out ─┐                             ┌─ encrypt ─ storage (put)
//! get ──────┼─ Source ─ gzip / gunzip ─ … ┼─ COPY FROM (copy-in)
//! bytes ────┘      decrypt, expect        └─ discard
//! ```
//! A [`Source`] moves nothing until a sink pulls. A sink runs in a task of its own, a [`Transfer`].

pub mod codec;
pub mod encryption;
pub mod join;
pub mod meter;
pub mod object;
pub mod row_digest;
pub mod source;
pub mod task;
pub mod turn;

pub use encryption::Keys;
pub use meter::{Meter, Progress};
pub use source::Source;
pub use task::{Receipt, Tasks, Transfer};
pub use turn::Turn;
