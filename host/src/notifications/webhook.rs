//! The JSON of a webhook. `docs/notifications.md` describes it; fields may be added, never renamed or removed.

use serde_json::{Value, json};
use uuid::Uuid;

use super::notice::Notice;

/// Raised when a receiver would have to change.
const VERSION: u32 = 1;

/// `id` is the same in every attempt.
pub(super) fn body(id: Uuid, notice: &Notice) -> Value {
    json!({
        "version": VERSION,
        "id": id,
        "kind": notice.kind,
        "message": notice.message,
        "environment": notice.environment,
        "host": notice.host,
        "schedule": notice.schedule,
        "job": notice.job,
        "run": notice.run,
        "database": notice.database,
        "fire": notice.fire,
        "started": notice.started,
        "finished": notice.finished,
        "error": notice.error,
        "warnings": notice.warnings,
    })
}
