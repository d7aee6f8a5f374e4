//! What holds for bytes that nobody vouches for, whatever they are. Used by the fuzz targets here, and by
//! `plugins/archive/tests/hostile_bytes.rs`, which replays the seeds without a fuzzer.

pub mod allocation;
pub mod checks;

pub use allocation::bounded;

#[global_allocator]
static COUNTING: allocation::Counting = allocation::Counting;
