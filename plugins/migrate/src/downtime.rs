//! What a migration kept others from: the locks of its session, looked at from another one while it works.

use std::collections::BTreeMap;

use orchestrator_sdk::postgres::Connection;
use orchestrator_sdk::{Error, Value};
use serde::Serialize;

/// A lock on a table or a part of one, by what it keeps out (`LockConflicts` in `lock.c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Mode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl Mode {
    /// As pg_locks names it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.strip_suffix("Lock")? {
            "AccessShare" => Self::AccessShare,
            "RowShare" => Self::RowShare,
            "RowExclusive" => Self::RowExclusive,
            "ShareUpdateExclusive" => Self::ShareUpdateExclusive,
            "Share" => Self::Share,
            "ShareRowExclusive" => Self::ShareRowExclusive,
            "Exclusive" => Self::Exclusive,
            "AccessExclusive" => Self::AccessExclusive,
            _ => return None,
        })
    }

    /// INSERT, UPDATE and DELETE of others wait.
    fn blocks_writes(self) -> bool {
        self >= Self::Share
    }

    /// SELECT of others waits.
    fn blocks_reads(self) -> bool {
        self == Self::AccessExclusive
    }
}

/// What was seen of one relation, in milliseconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    strongest: Mode,
    first: u64,
    blocks_writes: Option<u64>,
    blocks_reads: Option<u64>,
}

/// One transaction's locks, from the first sample to its end.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    relations: BTreeMap<String, Seen>,
}

/// What one relation was kept from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// `public."User"`
    pub relation: String,
    /// The strongest lock.
    pub lock: Mode,
    /// How long it was asked for and held, until the transaction ended.
    pub held_ms: u64,
    /// How long others could not write.
    pub writes_blocked_ms: u64,
    /// How long others could not read.
    pub reads_blocked_ms: u64,
}

impl Locks {
    /// A lock was there, or asked for, at a time. Whoever asks for one keeps out those who come later as if he had it.
    pub fn see(&mut self, relation: &str, mode: Mode, at: u64) {
        let seen = self.relations.entry(relation.to_owned()).or_insert(Seen {
            strongest: mode,
            first: at,
            blocks_writes: None,
            blocks_reads: None,
        });
        seen.strongest = seen.strongest.max(mode);
        if mode.blocks_writes() {
            seen.blocks_writes.get_or_insert(at);
        }
        if mode.blocks_reads() {
            seen.blocks_reads.get_or_insert(at);
        }
    }

    /// The transaction has ended.
    pub fn end(self, at: u64) -> Vec<Held> {
        let since = |begin: Option<u64>| begin.map_or(0, |begin| at.saturating_sub(begin));
        let relations = self.relations.into_iter();
        relations
            .map(|(relation, seen)| Held {
                relation,
                lock: seen.strongest,
                held_ms: since(Some(seen.first)),
                writes_blocked_ms: since(seen.blocks_writes),
                reads_blocked_ms: since(seen.blocks_reads),
            })
            .collect()
    }
}

/// The longest time that somebody could not use a table: its downtime.
pub fn longest(held: &[Held]) -> u64 {
    let blocked = held
        .iter()
        .map(|held| held.writes_blocked_ms.max(held.reads_blocked_ms));
    blocked.max().unwrap_or(0)
}

/// Looks at the locks of a session from another one, which sees no table that the session has made and not committed.
pub fn sample(
    watcher: &Connection,
    process: i32,
    now: impl Fn() -> u64,
    locks: &mut Locks,
) -> Result<(), Error> {
    let at = now();
    let rows = watcher.query(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS relation, l.mode FROM pg_catalog.pg_locks l \
         JOIN pg_catalog.pg_class c ON c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE l.locktype = 'relation' AND l.pid = $1 AND c.oid >= 16384 AND c.relkind IN ('r', 'p', 'm', 'f') \
         AND c.relname <> '_prisma_migrations' \
         AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())",
        &[Value::Integer(process.into())],
    )?;
    rows.for_each(|row| {
        if let Some(mode) = Mode::named(row.get("mode")?) {
            locks.see(row.get("relation")?, mode, at);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_kept_out_from_the_first_request_to_the_end() {
        let mut locks = Locks::default();
        locks.see("a", Mode::AccessShare, 1_000);
        locks.see("a", Mode::ShareRowExclusive, 1_100);
        locks.see("a", Mode::AccessExclusive, 1_300);
        locks.see("a", Mode::AccessExclusive, 1_400);
        locks.see("b", Mode::ShareUpdateExclusive, 1_000);
        let held = locks.end(1_500);
        assert_eq!(
            held,
            [
                Held {
                    relation: "a".to_owned(),
                    lock: Mode::AccessExclusive,
                    held_ms: 500,
                    writes_blocked_ms: 400,
                    reads_blocked_ms: 200,
                },
                Held {
                    relation: "b".to_owned(),
                    lock: Mode::ShareUpdateExclusive,
                    held_ms: 500,
                    writes_blocked_ms: 0,
                    reads_blocked_ms: 0,
                },
            ]
        );
        assert_eq!(longest(&held), 400);
        assert_eq!(longest(&[]), 0);
    }

    #[test]
    fn modes_are_those_of_pg_locks() {
        assert_eq!(
            Mode::named("AccessExclusiveLock"),
            Some(Mode::AccessExclusive)
        );
        assert_eq!(Mode::named("SIReadLock"), None);
        assert!(Mode::Share.blocks_writes() && !Mode::Exclusive.blocks_reads());
        assert!(!Mode::ShareUpdateExclusive.blocks_writes());
    }
}
