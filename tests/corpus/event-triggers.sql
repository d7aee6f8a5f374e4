-- Event triggers of every event and state.
DO $$ BEGIN
  IF to_regrole('corpus_owner') IS NULL THEN CREATE ROLE corpus_owner; END IF;
  IF to_regrole('corpus_reader') IS NULL THEN CREATE ROLE corpus_reader; END IF;
END $$;
CREATE FUNCTION notice() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''%'', tg_tag; END';
CREATE EVENT TRIGGER "At the end" ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'DROP FUNCTION') EXECUTE FUNCTION notice();
CREATE EVENT TRIGGER at_start ON ddl_command_start EXECUTE FUNCTION notice();
CREATE EVENT TRIGGER on_drop ON sql_drop EXECUTE FUNCTION notice();
CREATE EVENT TRIGGER on_rewrite ON table_rewrite EXECUTE FUNCTION notice();
ALTER EVENT TRIGGER at_start DISABLE;
ALTER EVENT TRIGGER on_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER on_rewrite ENABLE REPLICA;
COMMENT ON EVENT TRIGGER "At the end" IS 'says what was done';
