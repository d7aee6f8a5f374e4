//! What a component may use of the machine. wasmtime's own defaults are no limits.

use std::time::Duration;

use manifest::Limits;
use wasmtime::ResourceLimiter;

/// What a step may use: the less of what its plugin asks for and what the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepLimits {
    /// Memories and tables, summed.
    pub memory_bytes: usize,
    /// Wall time from the first instruction to the result.
    pub deadline: Duration,
    /// Time to return after a cancellation; host calls fail at once in it.
    pub grace: Duration,
    /// What one host call may copy out of the component's memory.
    pub call_bytes: usize,
    /// All lines of the log.
    pub log_bytes: usize,
    /// The result's JSON, and the facts and warnings.
    pub result_bytes: usize,
    /// Open at the same time.
    pub connections: usize,
    /// Under way at the same time.
    pub transfers: usize,
    /// Handles of all kinds.
    pub resources: usize,
    /// By which each database that a plugin is connected to may grow meanwhile; of plugins that are not built in.
    pub database_growth: u64,
    /// The component's file.
    pub component_bytes: usize,
}

impl StepLimits {
    /// The less of both sides; what a manifest does not speak of is the operator's alone.
    #[must_use]
    pub fn asked(self, asked: &Limits) -> Self {
        const KIB: usize = 1024;
        Self {
            memory_bytes: self.memory_bytes.min(asked.memory_mib as usize * KIB * KIB),
            deadline: self
                .deadline
                .min(Duration::from_secs(asked.deadline_seconds.into())),
            log_bytes: self.log_bytes.min(asked.log_kib as usize * KIB),
            result_bytes: self.result_bytes.min(asked.result_kib as usize * KIB),
            connections: self.connections.min(asked.connections as usize),
            transfers: self.transfers.min(asked.transfers as usize),
            ..self
        }
    }
}

/// Sums all memories and tables of a store; wasmtime's `StoreLimits` bounds each of them alone.
#[derive(Debug)]
pub struct MemoryLimiter {
    limit_bytes: usize,
    memory_bytes: usize,
    table_bytes: usize,
    refused: bool,
}

/// A table element is a pointer.
const ELEMENT_BYTES: usize = size_of::<usize>();

impl MemoryLimiter {
    /// Nothing is used yet.
    pub fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            memory_bytes: 0,
            table_bytes: 0,
            refused: false,
        }
    }

    /// Whether the component asked for more than it may have.
    pub fn refused(&self) -> bool {
        self.refused
    }

    /// The limit.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    fn allow(&mut self, memory_bytes: usize, table_bytes: usize) -> bool {
        let fits = memory_bytes
            .checked_add(table_bytes)
            .is_some_and(|total| total <= self.limit_bytes);
        if fits {
            self.memory_bytes = memory_bytes;
            self.table_bytes = table_bytes;
        } else {
            self.refused = true;
        }
        fits
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired.saturating_sub(current);
        Ok(self.allow(self.memory_bytes.saturating_add(grown), self.table_bytes))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let grown = desired
            .saturating_sub(current)
            .saturating_mul(ELEMENT_BYTES);
        Ok(self.allow(self.memory_bytes, self.table_bytes.saturating_add(grown)))
    }

    // A component that the builder makes has a handful of each.
    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_are_summed() {
        let mut limiter = MemoryLimiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.table_growing(0, 40, None).unwrap());
        assert!(!limiter.memory_growing(0, 100, None).unwrap());
        assert!(limiter.refused());
        assert!(limiter.memory_growing(0, 80, None).unwrap());
    }
}
