-- What belongs to the database as a whole is in the archive, and pg_restore --create applies it; here it must do no harm.
DO $$ BEGIN
  EXECUTE format('COMMENT ON DATABASE %I IS %L', current_database(), 'it''s a database');
  EXECUTE format('ALTER DATABASE %I SET search_path = "$user", public, "Mixed Case"', current_database());
  EXECUTE format('ALTER DATABASE %I SET work_mem = ''5MB''', current_database());
  EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 50', current_database());
  EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
CREATE TABLE t (a int);
