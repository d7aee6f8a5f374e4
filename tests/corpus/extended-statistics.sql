-- Extended statistics of every kind, with targets, owners and comments.
DO $$ BEGIN
  IF to_regrole('corpus_owner') IS NULL THEN CREATE ROLE corpus_owner; END IF;
  IF to_regrole('corpus_reader') IS NULL THEN CREATE ROLE corpus_reader; END IF;
END $$;
CREATE SCHEMA stats;
CREATE TABLE t (a int, b int, c text);
INSERT INTO t SELECT i, i % 7, 'c' || i % 3 FROM generate_series(1, 100) i;
CREATE STATISTICS every_kind ON a, b FROM t;
CREATE STATISTICS stats."One Kind" (ndistinct) ON a, b, c FROM t;
CREATE STATISTICS stats.two_kinds (dependencies, mcv) ON b, c FROM t;
ALTER STATISTICS stats.two_kinds SET STATISTICS 300;
ALTER STATISTICS stats."One Kind" SET STATISTICS 0;
ALTER STATISTICS every_kind OWNER TO corpus_owner;
COMMENT ON STATISTICS stats.two_kinds IS 'of b and c';
CREATE MATERIALIZED VIEW m AS SELECT * FROM t;
CREATE STATISTICS of_view ON a, b FROM m;
