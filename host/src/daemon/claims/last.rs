//! How far each schedule has come: its last fire, and how many were missed. Asked by whoever shows it, over a connection of its own, so that
//! no renewal of a lease waits for it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Server, definition, timestamp};
use crate::deployment_log::Status;
use crate::failure::Failure;
use crate::schedules::Schedule;

/// The last fire of a schedule that somebody has answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastFire {
    /// When it should have been.
    pub fire: Timestamp,
    /// `Running` while somebody works on it.
    pub status: Status,
    /// Its newest run.
    pub run: Option<Uuid>,
}

/// How far a schedule has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    definition: String,
    since: Timestamp,
    /// None where it has never fired.
    pub last: Option<LastFire>,
    /// Fires that nobody took when they were due, since the database knows the schedule.
    pub missed: u64,
}

impl Standing {
    /// Since when the schedule owes its fires; none when it was another one then.
    pub fn owes_since(&self, schedule: &Schedule) -> Option<Timestamp> {
        (self.definition == definition(schedule)).then(|| match &self.last {
            Some(last) => last.fire.max(self.since),
            None => self.since,
        })
    }

    /// Fires that were answered for stay so, also when the rows are those of an older backup of the database.
    pub fn keep(&mut self, before: Self) {
        let fire = |standing: &Self| standing.last.as_ref().map(|last| last.fire);
        if fire(&before) > fire(self) {
            self.last = before.last;
        }
    }
}

/// All schedules that the database knows, by name. One look into the index for the last fire of each, whatever the number of fires; the
/// missed ones have an index of their own.
pub async fn standing(server: &Server) -> Result<BTreeMap<String, Standing>, Failure> {
    let query = "SELECT s.schedule, s.definition, to_char(s.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
             to_char(last.fire AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), last.state, last.run_id::text, coalesce(missed.count, 0) \
         FROM orchestrator.schedules AS s \
         LEFT JOIN LATERAL (SELECT f.fire, f.state, f.run_id FROM orchestrator.schedule_fires AS f \
             WHERE f.schedule = s.schedule ORDER BY f.fire DESC LIMIT 1) AS last ON true \
         LEFT JOIN (SELECT schedule, sum(passed_over) + count(*) FILTER (WHERE is_missed) AS count FROM orchestrator.schedule_fires \
             WHERE passed_over > 0 OR is_missed GROUP BY schedule) AS missed USING (schedule)";
    let rows = server.query(query, &[]).await?;
    let mut found = BTreeMap::new();
    for row in &rows {
        let last = match row.get::<_, Option<&str>>(3) {
            Some(fire) => Some(LastFire {
                fire: timestamp(fire)?,
                status: serde_json::from_value(row.get::<_, &str>(4).into())
                    .unwrap_or(Status::Failed),
                run: row
                    .get::<_, Option<&str>>(5)
                    .and_then(|run| run.parse().ok()),
            }),
            None => None,
        };
        let standing = Standing {
            definition: row.get(1),
            since: timestamp(row.get(2))?,
            last,
            missed: row.get::<_, i64>(6).unsigned_abs(),
        };
        found.insert(row.get(0), standing);
    }
    Ok(found)
}
