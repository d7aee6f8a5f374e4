-- Tablespaces: of tables, indexes, keys, materialized views and partitions. They belong to the server; these lie in its folder.
SET allow_in_place_tablespaces = on;
SELECT 'CREATE TABLESPACE corpus_fast LOCATION ''''' WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'corpus_fast') \gexec
SELECT 'CREATE TABLESPACE "Corpus Slow" LOCATION ''''' WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = 'Corpus Slow') \gexec
CREATE TABLE here (id int PRIMARY KEY);
CREATE TABLE fast (id int PRIMARY KEY USING INDEX TABLESPACE "Corpus Slow", t text UNIQUE) TABLESPACE corpus_fast;
INSERT INTO fast SELECT g, repeat('x', g) FROM generate_series(1, 50) g;
CREATE INDEX fast_index ON fast (t, id) TABLESPACE corpus_fast;
CREATE INDEX here_index ON fast (id);
CREATE MATERIALIZED VIEW seen TABLESPACE "Corpus Slow" AS SELECT count(*) AS n FROM fast;
CREATE INDEX seen_index ON seen (n) TABLESPACE corpus_fast;
CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at) TABLESPACE corpus_fast;
CREATE INDEX parts_index ON parts (id) TABLESPACE "Corpus Slow";
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2027-01-01') TO ('2028-01-01') TABLESPACE "Corpus Slow";
CREATE UNLOGGED TABLE scrap (id int) TABLESPACE corpus_fast;
CREATE TABLE excluded (r int4range, EXCLUDE USING gist (r WITH &&) USING INDEX TABLESPACE corpus_fast);
CREATE TABLE again (id int) TABLESPACE pg_default;
