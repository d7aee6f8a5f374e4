//! The table `_prisma_migrations`, exactly as Prisma makes it and reads it.

/// As Prisma's engine makes it. There is no uniqueness on the name: a retry adds a row.
pub const TABLE: &str = "CREATE TABLE _prisma_migrations (\n    id VARCHAR(36) PRIMARY KEY NOT NULL,\n    checksum VARCHAR(64) NOT NULL,\n    \
     finished_at TIMESTAMPTZ,\n    migration_name VARCHAR(255) NOT NULL,\n    logs TEXT,\n    rolled_back_at TIMESTAMPTZ,\n    \
     started_at TIMESTAMPTZ NOT NULL DEFAULT now(),\n    applied_steps_count INTEGER NOT NULL DEFAULT 0\n)";

/// The key of the session-level advisory lock that Prisma's engine holds while it migrates.
pub const LOCK_KEY: i64 = 72_707_369;

/// A row. Times are as the server prints them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// A UUID.
    pub id: String,
    /// See [`crate::checksum`].
    pub checksum: String,
    /// When all of it was applied.
    pub finished_at: Option<String>,
    /// The name of the migration's folder.
    pub migration_name: String,
    /// What went wrong.
    pub logs: Option<String>,
    /// When somebody said that the failed attempt was undone.
    pub rolled_back_at: Option<String>,
    /// When it began.
    pub started_at: String,
    /// 1 for what a deployment has applied; 0 for what has failed, or was only said to be applied.
    pub applied_steps_count: i32,
}

impl Row {
    /// It was begun and has neither ended nor been given up: nothing else may be applied.
    pub fn is_failed(&self) -> bool {
        self.finished_at.is_none() && self.rolled_back_at.is_none()
    }

    /// It counts: the migration is in the database.
    pub fn is_applied(&self) -> bool {
        self.finished_at.is_some() && self.rolled_back_at.is_none()
    }
}
