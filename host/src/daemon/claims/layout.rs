//! The tables of the claims.

/// Makes what is missing. Columns may be added later, never renamed or removed: older daemons go on writing.
pub(super) const LAYOUT: &str = "\
BEGIN; SET LOCAL lock_timeout = '10s'; SELECT pg_advisory_xact_lock(8029466390214205031);
CREATE TABLE IF NOT EXISTS orchestrator.schedules (
    schedule text PRIMARY KEY,
    definition text NOT NULL,
    since timestamptz NOT NULL
);
COMMENT ON TABLE orchestrator.schedules IS 'Schedules that a daemon has loaded, and since when they are as they are';
CREATE TABLE IF NOT EXISTS orchestrator.schedule_fires (
    schedule text NOT NULL,
    fire timestamptz NOT NULL,
    state text NOT NULL,
    daemon text NOT NULL,
    attempt integer NOT NULL DEFAULT 1,
    runs integer NOT NULL DEFAULT 0,
    run_id uuid,
    claimed timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz,
    finished timestamptz,
    passed_over integer NOT NULL DEFAULT 0,
    is_missed boolean NOT NULL DEFAULT false,
    message text,
    PRIMARY KEY (schedule, fire)
);
ALTER TABLE orchestrator.schedule_fires ADD COLUMN IF NOT EXISTS deaths integer NOT NULL DEFAULT 0;
COMMENT ON TABLE orchestrator.schedule_fires IS 'One row for each time that a schedule fired: who answers for it, and how it ended';
CREATE INDEX IF NOT EXISTS schedule_fires_running_idx ON orchestrator.schedule_fires (lease_until) WHERE state = 'running';
CREATE INDEX IF NOT EXISTS schedule_fires_missed_idx ON orchestrator.schedule_fires (schedule) WHERE passed_over > 0 OR is_missed;
COMMIT;";

/// Whether there is nothing to make.
pub(super) const IS_MADE: &str = "SELECT to_regclass('orchestrator.schedules') IS NOT NULL \
    AND to_regclass('orchestrator.schedule_fires_running_idx') IS NOT NULL \
    AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('orchestrator.schedule_fires') AND attname = 'deaths') \
    AND to_regclass('orchestrator.schedule_fires_missed_idx') IS NOT NULL";
