-- Publications of all tables and of some.
DO $$ BEGIN
  IF to_regrole('corpus_owner') IS NULL THEN CREATE ROLE corpus_owner; END IF;
  IF to_regrole('corpus_reader') IS NULL THEN CREATE ROLE corpus_reader; END IF;
END $$;
CREATE TABLE users (id int PRIMARY KEY, name text, note text);
CREATE TABLE "Odd Table" (id int PRIMARY KEY);
CREATE TABLE parted (id int) PARTITION BY LIST (id);
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION "Some" FOR TABLE users, "Odd Table" WITH (publish = 'insert, delete');
CREATE PUBLICATION via_root FOR TABLE parted WITH (publish_via_partition_root = true, publish = 'truncate, update');
CREATE PUBLICATION nothing WITH (publish = '');
ALTER PUBLICATION "Some" OWNER TO postgres;
COMMENT ON PUBLICATION everything IS 'all there is';
