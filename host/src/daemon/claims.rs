//! Who runs which fire: rows of `orchestrator.schedule_fires`, with PostgreSQL as the referee.
//!
//! A fire belongs to whoever inserts its row. The owner renews a lease for as long as it works on it; when the lease has run out, anybody may
//! take the fire over. Times of leases are the server's, so that no daemon's clock matters. What has ended is never begun again: each write
//! names the owner and the attempt that it is for, and changes nothing when these are not the row's any more.

mod layout;
mod server;

use std::time::Duration;

use jiff::Timestamp;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::decision::Known;
use crate::deployment_log::Status;
use crate::failure::{Failure, FailureKind};
use crate::schedules::Schedule;

pub use server::Server;

/// One fire that this daemon answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The schedule's name.
    pub schedule: String,
    /// When it should have been.
    pub fire: Timestamp,
    /// How often somebody began to answer for it; 1 for the first.
    pub attempt: i32,
    /// How often its job was begun.
    pub runs: i32,
    /// How many fires before it nobody has run.
    pub passed_over: i32,
}

/// How a fire ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `Skipped` also for a fire that was missed.
    pub status: Status,
    /// Why it was not run, or how it failed.
    pub message: Option<String>,
}

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

/// What became of an attempt to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is this daemon's.
    Ours(Claim),
    /// Another one answers for it, or has.
    Theirs,
}

/// The claims of one daemon.
#[derive(Debug)]
pub struct Claims {
    server: Server,
    daemon: String,
    lease: Duration,
}

/// How often a fire is taken over from daemons that died before it is given up: a job that kills its daemon would kill them all.
const TAKEOVERS: i32 = 10;

/// How long rows of ended fires are kept.
const KEPT: &str = "interval '400 days'";

impl Claims {
    /// `daemon` is unique among all that were ever started.
    pub fn new(server: Server, daemon: String, lease: Duration) -> Self {
        Self {
            server,
            daemon,
            lease,
        }
    }

    /// From now on the rows are in the log's database of another configuration.
    pub async fn move_to(&self, project: std::sync::Arc<crate::jobs::Project>) {
        self.server.move_to(project).await;
    }

    /// How long a fire stays its owner's after the last renewal.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// What is known of schedules' fires, in their order. One that is new, or that has changed, owes nothing from before `now`.
    pub async fn known(
        &self,
        schedules: &[&Schedule],
        now: Timestamp,
    ) -> Result<Vec<Known>, Failure> {
        let names: Vec<String> = schedules
            .iter()
            .map(|schedule| schedule.name.to_string())
            .collect();
        let definitions: Vec<String> = schedules
            .iter()
            .map(|schedule| definition(schedule))
            .collect();
        let now = now.to_string();
        // The log's rows outlive a restore over the database that holds both.
        let query = "WITH named AS (SELECT * FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS s(schedule, definition, place)), \
             seen AS (INSERT INTO orchestrator.schedules AS known (schedule, definition, since) \
                 SELECT schedule, definition, $3::text::timestamptz FROM named \
                 ON CONFLICT (schedule) DO UPDATE SET definition = EXCLUDED.definition, \
                     since = CASE WHEN known.definition = EXCLUDED.definition THEN known.since ELSE EXCLUDED.since END \
                 RETURNING schedule, since) \
             SELECT to_char(seen.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 to_char(greatest((SELECT max(fire) FROM orchestrator.schedule_fires AS f WHERE f.schedule = named.schedule), \
                     (SELECT max((facts ->> 'fire')::timestamptz) FROM orchestrator.deployment_log AS l \
                      WHERE l.trigger = 'schedule' AND l.actor = named.schedule AND facts ? 'fire')) AT TIME ZONE 'UTC', \
                     'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
             FROM named JOIN seen USING (schedule) ORDER BY place";
        let rows = self
            .server
            .query(
                query,
                &[
                    (&names, Type::TEXT_ARRAY),
                    (&definitions, Type::TEXT_ARRAY),
                    (&now, Type::TEXT),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Known {
                    since: timestamp(row.get(0))?,
                    last: row.get::<_, Option<&str>>(1).map(timestamp).transpose()?,
                })
            })
            .collect()
    }

    /// Claims a fire.
    pub async fn claim(
        &self,
        schedule: &str,
        fire: Timestamp,
        passed_over: u32,
    ) -> Result<Claimed, Failure> {
        let claimed = "INSERT INTO orchestrator.schedule_fires (schedule, fire, state, daemon, lease_until, passed_over) \
             VALUES ($1, $2::text::timestamptz, 'running', $3, clock_timestamp() + $4 * interval '1 second', $5) \
             ON CONFLICT DO NOTHING RETURNING attempt";
        let (fire_text, lease) = (fire.to_string(), self.lease.as_secs_f64());
        let passed_over = i32::try_from(passed_over).unwrap_or(i32::MAX);
        let done = self
            .server
            .query(
                claimed,
                &[
                    (&schedule, Type::TEXT),
                    (&fire_text, Type::TEXT),
                    (&self.daemon, Type::TEXT),
                    (&lease, Type::FLOAT8),
                    (&passed_over, Type::INT4),
                ],
            )
            .await;
        let rows = match done {
            Ok(rows) => rows,
            // The answer may have been lost, and not the row: whoever's name stands in it knows.
            Err(failure) if failure.kind == FailureKind::Unavailable => {
                self.mine(schedule, &fire_text).await?
            }
            Err(failure) => return Err(failure),
        };
        Ok(match rows.first() {
            Some(row) => Claimed::Ours(Claim {
                schedule: schedule.to_owned(),
                fire,
                attempt: row.get(0),
                runs: 0,
                passed_over,
            }),
            None => Claimed::Theirs,
        })
    }

    async fn mine(&self, schedule: &str, fire: &str) -> Result<Vec<tokio_postgres::Row>, Failure> {
        let query = "SELECT attempt FROM orchestrator.schedule_fires \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND state = 'running'";
        let rows = self
            .server
            .query(
                query,
                &[
                    (&schedule, Type::TEXT),
                    (&fire, Type::TEXT),
                    (&self.daemon, Type::TEXT),
                ],
            )
            .await?;
        // Not there at all: nobody knows yet, and the next look claims it.
        match rows.is_empty() {
            true => Err(Failure::new(
                FailureKind::Unavailable,
                "the answer to a claim was lost",
            )),
            false => Ok(rows),
        }
    }

    /// Whether an earlier fire of the schedule is being worked on, or waits for somebody to take it over.
    pub async fn is_busy(&self, claim: &Claim) -> Result<bool, Failure> {
        let query = "SELECT EXISTS (SELECT FROM orchestrator.schedule_fires \
             WHERE schedule = $1 AND state = 'running' AND fire < $2::text::timestamptz)";
        let fire = claim.fire.to_string();
        let rows = self
            .server
            .query(query, &[(&claim.schedule, Type::TEXT), (&fire, Type::TEXT)])
            .await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Renews the leases of fires; those that are this daemon's no more come back.
    pub async fn renew<'a>(&self, claims: &'a [Claim]) -> Result<Vec<&'a Claim>, Failure> {
        let (schedules, fires, attempts) = columns(claims);
        let renewed = "UPDATE orchestrator.schedule_fires AS f SET lease_until = clock_timestamp() + $5 * interval '1 second' \
             FROM unnest($1::text[], $2::text[], $3::int4[]) AS mine(schedule, fire, attempt) \
             WHERE f.schedule = mine.schedule AND f.fire = mine.fire::timestamptz AND f.attempt = mine.attempt \
             AND f.daemon = $4 AND f.state = 'running' RETURNING f.schedule, to_char(f.fire AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
        let lease = self.lease.as_secs_f64();
        let rows = self
            .server
            .query(
                renewed,
                &[
                    (&schedules, Type::TEXT_ARRAY),
                    (&fires, Type::TEXT_ARRAY),
                    (&attempts, Type::INT4_ARRAY),
                    (&self.daemon, Type::TEXT),
                    (&lease, Type::FLOAT8),
                ],
            )
            .await?;
        let mut kept = Vec::with_capacity(rows.len());
        for row in &rows {
            kept.push((row.get::<_, &str>(0), timestamp(row.get(1))?));
        }
        Ok(claims
            .iter()
            .filter(|claim| !kept.contains(&(claim.schedule.as_str(), claim.fire)))
            .collect())
    }

    /// Notes which run works on a fire, before it has any effect. `false` when the fire is this daemon's no more.
    pub async fn began(&self, claim: &Claim, run: Uuid) -> Result<bool, Failure> {
        let noted = "UPDATE orchestrator.schedule_fires SET run_id = $5::text::uuid, runs = runs + 1 \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND attempt = $4 AND state = 'running' RETURNING 1";
        self.owned(noted, claim, &[(&run.to_string(), Type::TEXT)])
            .await
    }

    /// Writes how a fire ended. `false` when it was this daemon's no more, and the other one's word counts.
    pub async fn end(&self, claim: &Claim, ending: &Ending) -> Result<bool, Failure> {
        let ended = "UPDATE orchestrator.schedule_fires SET state = $5, message = $6, finished = clock_timestamp(), lease_until = NULL \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND attempt = $4 AND state IN ('running', $5) RETURNING 1";
        let (state, message) = (ending.status.as_str(), ending.message.clone());
        self.owned(
            ended,
            claim,
            &[(&state, Type::TEXT), (&message, Type::TEXT)],
        )
        .await
    }

    /// Lets go of fires that have not been run to their end, so that others take them over at once.
    pub async fn release(&self, claim: &Claim) -> Result<bool, Failure> {
        let released = "UPDATE orchestrator.schedule_fires SET lease_until = '-infinity' \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND attempt = $4 AND state = 'running' RETURNING 1";
        self.owned(released, claim, &[]).await
    }

    async fn owned(
        &self,
        statement: &str,
        claim: &Claim,
        more: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)],
    ) -> Result<bool, Failure> {
        let fire = claim.fire.to_string();
        let mut parameters: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> = vec![
            (&claim.schedule, Type::TEXT),
            (&fire, Type::TEXT),
            (&self.daemon, Type::TEXT),
            (&claim.attempt, Type::INT4),
        ];
        parameters.extend(more.iter().cloned());
        Ok(!self.server.query(statement, &parameters).await?.is_empty())
    }

    /// Takes over fires of these schedules whose owners are gone. First, what the deployment log knows to have ended is settled: its daemon
    /// died after the run, or the rows are those of a restored database. A server that has just started gives the owners time to renew.
    pub async fn take_over(
        &self,
        schedules: &[String],
        at_most: usize,
    ) -> Result<Vec<Claim>, Failure> {
        const GONE: &str = "f.state = 'running' AND f.schedule = ANY ($1::text[]) AND f.lease_until < clock_timestamp() \
             AND (f.lease_until = '-infinity' OR pg_postmaster_start_time() < clock_timestamp() - $2 * interval '1 second')";
        let lease = self.lease.as_secs_f64();
        let settled = format!(
            "UPDATE orchestrator.schedule_fires AS f SET state = l.status, finished = coalesce(l.finished, clock_timestamp()), message = l.error_message, lease_until = NULL \
             FROM orchestrator.deployment_log AS l WHERE l.run_id = f.run_id AND l.status = 'succeeded' AND {GONE} RETURNING 1"
        );
        self.server
            .query(
                &settled,
                &[(&schedules, Type::TEXT_ARRAY), (&lease, Type::FLOAT8)],
            )
            .await?;
        let given_up = format!(
            "UPDATE orchestrator.schedule_fires AS f SET state = 'failed', finished = clock_timestamp(), lease_until = NULL, \
             message = 'given up: each daemon that took it over has died' WHERE {GONE} AND attempt >= {TAKEOVERS} RETURNING 1"
        );
        self.server
            .query(
                &given_up,
                &[(&schedules, Type::TEXT_ARRAY), (&lease, Type::FLOAT8)],
            )
            .await?;
        let taken = format!(
            "UPDATE orchestrator.schedule_fires AS t SET daemon = $3, attempt = t.attempt + 1, lease_until = clock_timestamp() + $2 * interval '1 second' \
             FROM (SELECT f.schedule, f.fire FROM orchestrator.schedule_fires AS f WHERE {GONE} ORDER BY f.fire LIMIT $4 FOR UPDATE SKIP LOCKED) AS gone \
             WHERE t.schedule = gone.schedule AND t.fire = gone.fire \
             RETURNING t.schedule, to_char(t.fire AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), t.attempt, t.runs, t.passed_over"
        );
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let rows = self
            .server
            .query(
                &taken,
                &[
                    (&schedules, Type::TEXT_ARRAY),
                    (&lease, Type::FLOAT8),
                    (&self.daemon, Type::TEXT),
                    (&at_most, Type::INT8),
                ],
            )
            .await?;
        rows.iter()
            .map(|row| {
                Ok(Claim {
                    schedule: row.get(0),
                    fire: timestamp(row.get(1))?,
                    attempt: row.get(2),
                    runs: row.get(3),
                    passed_over: row.get(4),
                })
            })
            .collect()
    }

    /// How the last fire before this one ended that was run to an end.
    pub async fn outcome_before(&self, claim: &Claim) -> Result<Option<String>, Failure> {
        let query = "SELECT state FROM orchestrator.schedule_fires WHERE schedule = $1 AND fire < $2::text::timestamptz \
             AND state IN ('succeeded', 'failed', 'refused') ORDER BY fire DESC LIMIT 1";
        let fire = claim.fire.to_string();
        let rows = self
            .server
            .query(query, &[(&claim.schedule, Type::TEXT), (&fire, Type::TEXT)])
            .await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// The last fires of all schedules, by name; and how many fires of each were missed.
    pub async fn last_fires(&self) -> Result<Vec<(String, LastFire, u64)>, Failure> {
        let query = "SELECT DISTINCT ON (schedule) schedule, to_char(fire AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), state, run_id::text, \
             (SELECT coalesce(sum(m.passed_over), 0) + count(*) FILTER (WHERE m.is_missed) \
              FROM orchestrator.schedule_fires AS m WHERE m.schedule = f.schedule) \
             FROM orchestrator.schedule_fires AS f ORDER BY schedule, fire DESC";
        let rows = self.server.query(query, &[]).await?;
        rows.iter()
            .map(|row| {
                let last = LastFire {
                    fire: timestamp(row.get(1))?,
                    status: serde_json::from_value(row.get::<_, &str>(2).into())
                        .unwrap_or(Status::Failed),
                    run: row
                        .get::<_, Option<&str>>(3)
                        .and_then(|run| run.parse().ok()),
                };
                let missed: i64 = row.get(4);
                Ok((row.get(0), last, missed.unsigned_abs()))
            })
            .collect()
    }

    /// Marks a claimed fire as one that was missed, and ends it.
    pub async fn miss(&self, claim: &Claim, message: &str) -> Result<bool, Failure> {
        let missed = "UPDATE orchestrator.schedule_fires SET state = 'skipped', is_missed = true, message = $5, finished = clock_timestamp(), lease_until = NULL \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND attempt = $4 AND state = 'running' RETURNING 1";
        self.owned(missed, claim, &[(&message, Type::TEXT)]).await
    }

    /// Removes rows of fires that ended long ago, but for each schedule's last one: what came before it is not owed.
    pub async fn forget(&self) -> Result<(), Failure> {
        let old = format!(
            "DELETE FROM orchestrator.schedule_fires AS f WHERE state <> 'running' AND finished < clock_timestamp() - {KEPT} \
             AND fire < (SELECT max(fire) FROM orchestrator.schedule_fires AS newer WHERE newer.schedule = f.schedule)"
        );
        self.server.query(&old, &[]).await.map(drop)
    }
}

/// What makes a schedule another one: its fires from before the change are not owed.
fn definition(schedule: &Schedule) -> String {
    let zone = schedule.time_zone.iana_name().unwrap_or("UTC");
    match schedule.enabled {
        true => format!("{} {zone}", schedule.cron),
        false => "disabled".to_owned(),
    }
}

fn columns(claims: &[Claim]) -> (Vec<&str>, Vec<String>, Vec<i32>) {
    (
        claims.iter().map(|claim| claim.schedule.as_str()).collect(),
        claims.iter().map(|claim| claim.fire.to_string()).collect(),
        claims.iter().map(|claim| claim.attempt).collect(),
    )
}

fn timestamp(text: &str) -> Result<Timestamp, Failure> {
    text.parse().map_err(|error| {
        Failure::internal(format!(
            "a time of orchestrator.schedule_fires, {text:?}, cannot be read: {error}"
        ))
    })
}
