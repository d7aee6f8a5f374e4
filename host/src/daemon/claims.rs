//! Who runs which fire: rows of `orchestrator.schedule_fires`, with PostgreSQL as the referee.
//!
//! A fire belongs to whoever inserts its row. The owner renews a lease for as long as it works on it; when the lease has run out, anybody may
//! take the fire over. Times of leases are the server's, so that no daemon's clock matters. What has ended is never begun again: each write
//! names the owner and the attempt that it is for, and changes nothing when these are not the row's any more.

mod last;
mod layout;
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::decision::Known;
use crate::deployment_log::Status;
use crate::failure::{Failure, FailureKind};
use crate::jobs::Project;
use crate::schedules::Schedule;

pub use last::{Standing, standing};
use server::Parameter;
pub use server::{PATIENCE, Server};

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
    /// When this daemon asked for it, by the process's own clock: the lease runs from no earlier moment.
    pub asked: Instant,
}

/// How a fire ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `Skipped` also for a fire that was missed.
    pub status: Status,
    /// Why it was not run, or how it failed.
    pub message: Option<String>,
}

/// What daemons that are gone have left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// This daemon's from now on.
    pub claims: Vec<Claim>,
    /// Nobody's any more: too many daemons have died at them.
    pub given_up: Vec<Claim>,
}

/// What became of an attempt to claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is this daemon's.
    Ours(Claim),
    /// Another one answers for it, or has.
    Theirs,
}

/// The earlier fires of a schedule that are being worked on, or wait for somebody to take them over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// How many, up to [`QUEUE`] and one.
    pub count: i64,
    /// The first of them.
    pub first: Timestamp,
    /// The newest fire since then that was skipped, or is about to be.
    pub skipped: Option<Timestamp>,
}

/// Fires of one schedule that may wait for an earlier one. A job that hangs would have them pile up without end.
pub const QUEUE: i64 = 100;

/// The claims of one daemon.
#[derive(Debug)]
pub struct Claims {
    server: Server,
    /// Leases are renewed by a connection of their own: a question that is not answered holds up no renewal.
    renewals: Server,
    daemon: String,
    lease: Duration,
}

/// How many daemons may die at a fire before it is given up: a job that kills its daemon would kill them all.
const DEATHS: i32 = 10;

/// How far this machine's clock may be ahead of the server's where something is claimed. A machine whose clock is wrong would claim what is due tomorrow,
/// for all others too.
const AHEAD: Duration = Duration::from_secs(60);

/// Why a fire is not taken over any more.
pub const GIVEN_UP: &str = "given up: each daemon that took it over has died";

/// What the log says of a run whose daemon is gone.
const INTERRUPTED: &str = "the daemon that ran it is gone, and another one has taken its fire over";

/// How long rows of ended fires are kept.
const KEPT: &str = "interval '400 days'";

impl Claims {
    /// `daemon` is unique among all that were ever started.
    pub fn new(project: &Arc<Project>, daemon: String, lease: Duration) -> Self {
        Self {
            server: Server::new(project.clone(), PATIENCE),
            // Several attempts fit into a lease.
            renewals: Server::new(project.clone(), PATIENCE.min(lease / 4)),
            daemon,
            lease,
        }
    }

    /// From now on the rows are in the log's database of another configuration.
    pub async fn move_to(&self, project: &Arc<Project>) {
        self.server.move_to(project.clone()).await;
        self.renewals.move_to(project.clone()).await;
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
                 SELECT schedule, definition, least($3::text::timestamptz, clock_timestamp()) FROM named \
                 ON CONFLICT (schedule) DO UPDATE SET definition = EXCLUDED.definition, \
                     since = CASE WHEN known.definition = EXCLUDED.definition THEN known.since ELSE EXCLUDED.since END \
                 RETURNING schedule, since), \
             logged AS (SELECT actor AS schedule, max((facts ->> 'fire')::timestamptz) AS fire FROM orchestrator.deployment_log \
                 WHERE trigger = 'schedule' AND actor = ANY ($1::text[]) AND facts ? 'fire' GROUP BY actor) \
             SELECT to_char(seen.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 to_char(greatest((SELECT max(fire) FROM orchestrator.schedule_fires AS f WHERE f.schedule = named.schedule), logged.fire) \
                     AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
             FROM named JOIN seen USING (schedule) LEFT JOIN logged USING (schedule) ORDER BY place";
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

    /// Claims a fire. When the answer to an earlier attempt was lost, and not its row, the row's name says whose it is, and its lease begins
    /// again.
    pub async fn claim(
        &self,
        schedule: &str,
        fire: Timestamp,
        passed_over: u32,
    ) -> Result<Claimed, Failure> {
        // By the clock, not by the fire: what a wrong clock takes for yesterday's may be due in a minute, and another daemon's to run.
        let query = "WITH claimed AS (INSERT INTO orchestrator.schedule_fires AS f (schedule, fire, state, daemon, lease_until, passed_over) \
                 SELECT $1, $2::text::timestamptz, 'running', $3, clock_timestamp() + $4 * interval '1 second', $5 \
                 WHERE $7::text::timestamptz <= clock_timestamp() + $6 * interval '1 second' \
                 ON CONFLICT (schedule, fire) DO UPDATE SET lease_until = EXCLUDED.lease_until \
                     WHERE f.daemon = EXCLUDED.daemon AND f.state = 'running' AND f.runs = 0 RETURNING attempt) \
             SELECT (SELECT attempt FROM claimed), extract(epoch FROM $7::text::timestamptz - clock_timestamp())::float8";
        let asked = Instant::now();
        let (fire_text, now, lease, ahead) = (
            fire.to_string(),
            Timestamp::now().to_string(),
            self.lease.as_secs_f64(),
            AHEAD.as_secs_f64(),
        );
        let passed_over = i32::try_from(passed_over).unwrap_or(i32::MAX);
        let rows = self
            .server
            .query(
                query,
                &[
                    (&schedule, Type::TEXT),
                    (&fire_text, Type::TEXT),
                    (&self.daemon, Type::TEXT),
                    (&lease, Type::FLOAT8),
                    (&passed_over, Type::INT4),
                    (&ahead, Type::FLOAT8),
                    (&now, Type::TEXT),
                ],
            )
            .await?;
        let answer = rows
            .first()
            .map(|row| (row.get::<_, Option<i32>>(0), row.get::<_, f64>(1)));
        match answer {
            Some((Some(attempt), _)) => Ok(Claimed::Ours(Claim {
                schedule: schedule.to_owned(),
                fire,
                attempt,
                runs: 0,
                passed_over,
                asked,
            })),
            Some((None, early)) if early > ahead => Err(is_ahead(early)),
            _ => Ok(Claimed::Theirs),
        }
    }

    /// Whether the fire is still this daemon's to run.
    pub async fn is_mine(&self, claim: &Claim) -> Result<bool, Failure> {
        let query = "SELECT 1 FROM orchestrator.schedule_fires \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND attempt = $4 AND state = 'running'";
        self.owned(query, claim, &[]).await
    }

    /// How far this machine's clock is ahead of the server's, in seconds; behind it when negative.
    pub async fn ahead(&self) -> Result<f64, Failure> {
        let query = "SELECT extract(epoch FROM $1::text::timestamptz - clock_timestamp())::float8";
        let now = Timestamp::now().to_string();
        let rows = self.server.query(query, &[(&now, Type::TEXT)]).await?;
        Ok(rows.first().map_or(0.0, |row| row.get(0)))
    }

    /// The earlier fires of the schedule that are not over; none where the job may begin.
    pub async fn before(&self, claim: &Claim) -> Result<Option<Before>, Failure> {
        let query = format!(
            "SELECT count(*), to_char(min(b.fire) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 to_char((SELECT max(s.fire) FROM orchestrator.schedule_fires AS s WHERE s.schedule = $1 AND s.fire > min(b.fire) \
                     AND s.fire < $2::text::timestamptz AND s.state IN ('skipped', 'running')) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') \
             FROM (SELECT fire FROM orchestrator.schedule_fires \
                 WHERE schedule = $1 AND state = 'running' AND fire < $2::text::timestamptz ORDER BY fire LIMIT {QUEUE} + 1) AS b"
        );
        let fire = claim.fire.to_string();
        let rows = self
            .server
            .query(
                &query,
                &[(&claim.schedule, Type::TEXT), (&fire, Type::TEXT)],
            )
            .await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let Some(first) = row.get::<_, Option<&str>>(1) else {
            return Ok(None);
        };
        Ok(Some(Before {
            count: row.get(0),
            first: timestamp(first)?,
            skipped: row.get::<_, Option<&str>>(2).map(timestamp).transpose()?,
        }))
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
            .renewals
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
        more: &[Parameter<'_>],
    ) -> Result<bool, Failure> {
        let fire = claim.fire.to_string();
        let mut parameters: Vec<Parameter<'_>> = vec![
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
    /// What is `held` stays as it is: this daemon itself is at work on it, though its lease has run out.
    ///
    /// A run that the dead daemon had begun is closed in the log: its machine may never come back to say so. If it does, what it knows counts.
    pub async fn take_over(
        &self,
        schedules: &[String],
        held: &[Claim],
        at_most: usize,
    ) -> Result<Taken, Failure> {
        const GONE: &str = "f.state = 'running' AND f.schedule = ANY ($1::text[]) AND f.lease_until < clock_timestamp() \
             AND (f.lease_until = '-infinity' OR pg_postmaster_start_time() < clock_timestamp() - $2 * interval '1 second') \
             AND NOT EXISTS (SELECT FROM unnest($3::text[], $4::text[]) AS mine(schedule, fire) \
                 WHERE f.schedule = mine.schedule AND f.fire = mine.fire::timestamptz)";
        let lease = self.lease.as_secs_f64();
        let (held_schedules, held_fires, _) = columns(held);
        let gone: [Parameter<'_>; 4] = [
            (&schedules, Type::TEXT_ARRAY),
            (&lease, Type::FLOAT8),
            (&held_schedules, Type::TEXT_ARRAY),
            (&held_fires, Type::TEXT_ARRAY),
        ];
        let settled = format!(
            "UPDATE orchestrator.schedule_fires AS f SET state = l.status, finished = coalesce(l.finished, clock_timestamp()), message = l.error_message, lease_until = NULL \
             FROM orchestrator.deployment_log AS l WHERE l.run_id = f.run_id AND l.status = 'succeeded' AND {GONE} RETURNING 1"
        );
        self.server.query(&settled, &gone).await?;
        let given_up = format!(
            "UPDATE orchestrator.schedule_fires AS f SET state = 'failed', finished = clock_timestamp(), lease_until = NULL, message = '{GIVEN_UP}' \
             WHERE {GONE} AND deaths >= {DEATHS} RETURNING {CLAIMED}"
        );
        let given_up = self.server.query(&given_up, &gone).await?;
        let asked = Instant::now();
        // A fire that its daemon has let go of has killed nobody, nor has one that was never begun.
        let taken = format!(
            "WITH gone AS (SELECT f.schedule, f.fire FROM orchestrator.schedule_fires AS f WHERE {GONE} ORDER BY f.fire LIMIT $6 FOR UPDATE SKIP LOCKED), \
             taken AS (UPDATE orchestrator.schedule_fires AS f SET daemon = $5, attempt = f.attempt + 1, lease_until = clock_timestamp() + $2 * interval '1 second', \
                 deaths = f.deaths + (f.lease_until > '-infinity' AND f.run_id IS NOT NULL)::int \
                 FROM gone WHERE f.schedule = gone.schedule AND f.fire = gone.fire RETURNING f.*), \
             closed AS (UPDATE orchestrator.deployment_log AS l SET status = 'interrupted', finished = greatest(l.started, clock_timestamp()), \
                 error_message = '{INTERRUPTED}', error = jsonb_build_object('kind', 'interrupted', 'message', '{INTERRUPTED}'), \
                 recorded = now(), written_in = l.written_in || pg_current_xact_id() \
                 FROM taken WHERE l.run_id = taken.run_id AND l.status = 'running') \
             SELECT {CLAIMED} FROM taken AS f"
        );
        let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
        let [schedules, lease, held_schedules, held_fires] = gone;
        let parameters = [
            schedules,
            lease,
            held_schedules,
            held_fires,
            (&self.daemon as &(dyn ToSql + Sync), Type::TEXT),
            (&at_most, Type::INT8),
        ];
        let taken = self.server.query(&taken, &parameters).await?;
        let claims = |rows: &[Row]| -> Result<Vec<Claim>, Failure> {
            rows.iter().map(|row| claimed(row, asked)).collect()
        };
        Ok(Taken {
            claims: claims(&taken)?,
            given_up: claims(&given_up)?,
        })
    }

    /// How the last fire before this one ended that was run to an end.
    pub async fn outcome_before(&self, claim: &Claim) -> Result<Option<Status>, Failure> {
        let query = "SELECT state FROM orchestrator.schedule_fires WHERE schedule = $1 AND fire < $2::text::timestamptz \
             AND state IN ('succeeded', 'failed', 'refused') ORDER BY fire DESC LIMIT 1";
        let fire = claim.fire.to_string();
        let rows = self
            .server
            .query(query, &[(&claim.schedule, Type::TEXT), (&fire, Type::TEXT)])
            .await?;
        let state = rows.first().map(|row| row.get::<_, &str>(0));
        Ok(state.and_then(|state| serde_json::from_value(state.into()).ok()))
    }

    /// Marks a claimed fire as one that was missed, and ends it.
    pub async fn miss(&self, claim: &Claim, message: &str) -> Result<bool, Failure> {
        let missed = "UPDATE orchestrator.schedule_fires SET state = 'skipped', is_missed = true, message = $5, finished = clock_timestamp(), lease_until = NULL \
             WHERE schedule = $1 AND fire = $2::text::timestamptz AND daemon = $3 AND attempt = $4 AND state = 'running' RETURNING 1";
        self.owned(missed, claim, &[(&message, Type::TEXT)]).await
    }

    /// Closes fires of other schedules than these that nobody has taken over for a day: they are gone, or nobody follows them any more.
    pub async fn abandon(&self, followed: &[String]) -> Result<u64, Failure> {
        let query = "UPDATE orchestrator.schedule_fires SET state = 'skipped', is_missed = true, finished = clock_timestamp(), lease_until = NULL, \
                 message = 'nobody has taken it over: its schedule is gone, or is not enabled' \
             WHERE state = 'running' AND schedule <> ALL ($1::text[]) AND greatest(claimed, lease_until) < clock_timestamp() - interval '1 day' RETURNING 1";
        let rows = self
            .server
            .query(query, &[(&followed, Type::TEXT_ARRAY)])
            .await?;
        Ok(rows.len() as u64)
    }

    /// Removes rows of fires that ended long ago, but for each schedule's last one: what came before it is not owed. Those that tell of
    /// missed fires stay, for their number must not go down.
    pub async fn forget(&self) -> Result<(), Failure> {
        let old = format!(
            "DELETE FROM orchestrator.schedule_fires AS f WHERE state <> 'running' AND finished < clock_timestamp() - {KEPT} \
             AND NOT is_missed AND passed_over = 0 AND fire < (SELECT max(fire) FROM orchestrator.schedule_fires AS newer WHERE newer.schedule = f.schedule)"
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

/// What [`claimed`] reads.
const CLAIMED: &str = "f.schedule, to_char(f.fire AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), f.attempt, f.runs, f.passed_over";

fn claimed(row: &Row, asked: Instant) -> Result<Claim, Failure> {
    Ok(Claim {
        schedule: row.get(0),
        fire: timestamp(row.get(1))?,
        attempt: row.get(2),
        runs: row.get(3),
        passed_over: row.get(4),
        asked,
    })
}

fn is_ahead(early: f64) -> Failure {
    let early = jiff::SignedDuration::from_secs(early as i64);
    Failure::new(
        FailureKind::Conflict,
        format!("this machine's clock is ahead of that of the log's database by {early:#}"),
    )
    .hint("set the clock of this machine, or of the database's, by NTP; nothing is claimed until they agree to a minute")
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
