-- The schema public, with another owner and without its comment and its privileges.
DO $$ BEGIN
  IF to_regrole('corpus_public_owner') IS NULL THEN CREATE ROLE corpus_public_owner; END IF;
END $$;
ALTER SCHEMA public OWNER TO corpus_public_owner;
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
COMMENT ON SCHEMA public IS NULL;
