-- Indexes: expressions, partial, included columns, access methods, operator classes, statistics, clustering.
CREATE TABLE t (id int, name text, tags text[], doc jsonb, at timestamptz, body text);
INSERT INTO t SELECT g, 'n' || g, ARRAY['a', g::text], jsonb_build_object('k', g), 'epoch', repeat('x', g) FROM generate_series(1, 100) g;
CREATE INDEX plain ON t (id);
CREATE UNIQUE INDEX "Unique One" ON t (id DESC NULLS LAST) INCLUDE (name);
CREATE INDEX expression ON t (lower(name), (id + 1)) WITH (fillfactor = 50);
CREATE INDEX partial ON t (at) WHERE name <> 'it''s' AND id > 5;
CREATE INDEX pattern ON t (name text_pattern_ops);
CREATE INDEX collated ON t (name COLLATE "C");
CREATE INDEX gin_tags ON t USING gin (tags);
CREATE INDEX gin_doc ON t USING gin (doc jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX brin_at ON t USING brin (at) WITH (pages_per_range = 4);
CREATE INDEX hashed ON t USING hash (body);
ALTER INDEX expression ALTER COLUMN 1 SET STATISTICS 300;
ALTER INDEX expression ALTER COLUMN 2 SET STATISTICS 10;
CLUSTER t USING plain;
COMMENT ON INDEX partial IS 'only some';
