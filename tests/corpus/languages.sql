-- Procedural languages with their own functions, and their privileges.
DO $$ BEGIN
  IF to_regrole('corpus_owner') IS NULL THEN CREATE ROLE corpus_owner; END IF;
  IF to_regrole('corpus_reader') IS NULL THEN CREATE ROLE corpus_reader; END IF;
END $$;
CREATE FUNCTION handle() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION handle_inline(internal) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION "Validate"(oid) RETURNS void LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE "Other SQL" HANDLER handle INLINE handle_inline VALIDATOR "Validate";
CREATE LANGUAGE untrusted HANDLER handle;
ALTER LANGUAGE "Other SQL" OWNER TO corpus_owner;
COMMENT ON LANGUAGE "Other SQL" IS 'like plpgsql';
REVOKE USAGE ON LANGUAGE "Other SQL" FROM PUBLIC;
GRANT USAGE ON LANGUAGE "Other SQL" TO corpus_reader;
CREATE FUNCTION in_other(int) RETURNS int LANGUAGE "Other SQL" AS 'BEGIN RETURN $1; END';
