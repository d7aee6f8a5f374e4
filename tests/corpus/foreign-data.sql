-- Wrappers, servers, user mappings and foreign tables, with options, privileges and comments.
DO $$ BEGIN
  IF to_regrole('corpus_owner') IS NULL THEN CREATE ROLE corpus_owner; END IF;
  IF to_regrole('corpus_reader') IS NULL THEN CREATE ROLE corpus_reader; END IF;
END $$;
CREATE FOREIGN DATA WRAPPER bare;
CREATE FOREIGN DATA WRAPPER "Wrapped" VALIDATOR postgresql_fdw_validator;
CREATE FOREIGN DATA WRAPPER with_options OPTIONS (level 'high', "Odd name" 'it''s; \\ odd');
ALTER FOREIGN DATA WRAPPER "Wrapped" OWNER TO postgres;
GRANT USAGE ON FOREIGN DATA WRAPPER bare TO corpus_reader WITH GRANT OPTION;
CREATE SERVER far FOREIGN DATA WRAPPER bare;
CREATE SERVER "Far Away" TYPE 'oracle' VERSION '19c' FOREIGN DATA WRAPPER "Wrapped" OPTIONS (host 'db.example', port '5433', dbname 'x y');
ALTER SERVER "Far Away" OWNER TO corpus_owner;
GRANT USAGE ON FOREIGN SERVER "Far Away" TO corpus_reader;
CREATE USER MAPPING FOR PUBLIC SERVER far;
CREATE USER MAPPING FOR corpus_reader SERVER "Far Away" OPTIONS (user 'remote', password 'it''s secret');
CREATE USER MAPPING FOR corpus_owner SERVER far OPTIONS (user 'owner');
COMMENT ON FOREIGN DATA WRAPPER bare IS 'does nothing';
COMMENT ON SERVER "Far Away" IS 'nowhere';
CREATE SCHEMA remote;
CREATE FOREIGN TABLE remote.plain (id int NOT NULL, name text) SERVER far;
CREATE FOREIGN TABLE remote."All of it" (
  id int OPTIONS (column_name 'ID', key 'true') NOT NULL,
  name text OPTIONS (column_name 'Name') COLLATE "C" DEFAULT 'n',
  doubled int GENERATED ALWAYS AS (id * 2) STORED,
  CONSTRAINT positive CHECK (id > 0)
) SERVER far OPTIONS (schema_name 'other', table_name 'it''s');
ALTER FOREIGN TABLE remote."All of it" ALTER COLUMN name SET STATISTICS 500;
ALTER FOREIGN TABLE remote."All of it" ALTER COLUMN name SET STORAGE EXTERNAL;
ALTER FOREIGN TABLE remote."All of it" ALTER COLUMN id SET (n_distinct = 5);
ALTER FOREIGN TABLE remote."All of it" ADD CONSTRAINT later CHECK (id < 1000) NOT VALID;
ALTER FOREIGN TABLE remote."All of it" OWNER TO corpus_owner;
GRANT SELECT ON remote."All of it" TO corpus_reader;
GRANT UPDATE (name) ON remote."All of it" TO corpus_reader;
COMMENT ON FOREIGN TABLE remote.plain IS 'over there';
COMMENT ON COLUMN remote.plain.name IS 'a column over there';
CREATE TABLE parent (id int NOT NULL, extra text DEFAULT 'e');
CREATE FOREIGN TABLE remote.child (own int) INHERITS (parent) SERVER far;
ALTER FOREIGN TABLE remote.child ALTER COLUMN extra SET DEFAULT 'other';
CREATE TABLE parted (id int, at date) PARTITION BY RANGE (at);
CREATE FOREIGN TABLE remote.part PARTITION OF parted FOR VALUES FROM ('2020-01-01') TO ('2021-01-01') SERVER far OPTIONS (table_name 'part');
CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER before_insert BEFORE INSERT ON remote.plain FOR EACH ROW EXECUTE FUNCTION noticed();
CREATE VIEW local AS SELECT id FROM remote.plain;
