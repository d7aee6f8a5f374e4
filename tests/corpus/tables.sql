-- Tables: columns of many types, defaults, NOT NULL, checks, storage properties, dropped columns, no columns at all.
CREATE TABLE empty ();
CREATE TABLE types (
  a smallint, b integer NOT NULL, c bigint DEFAULT 42, d numeric(10,2) DEFAULT 1.50, e real, f double precision,
  g text COLLATE "C" DEFAULT 'it''s', h varchar(20), i char(3), j bytea, k date DEFAULT CURRENT_DATE,
  l timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP, m timestamptz, n time, o timetz, p interval year to month,
  q boolean DEFAULT true, r uuid, s json, t jsonb DEFAULT '{"a": 1}'::jsonb, u xml, v inet, w cidr, x macaddr, y bit(3),
  z varbit(5), aa int[] DEFAULT '{1,2}'::int[], ab text[][], ac point, ad int4range, ae tsvector, af money, ag oid, ah "char"
);
INSERT INTO types (a, b, e, f, j, p, r, aa, ah) VALUES
  (1, 2, 'NaN', '-Infinity', '\xdeadbeef', '1 year 2 months', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{3,NULL}', 'x'),
  (NULL, 3, 0.1, 1e-300, '', NULL, NULL, NULL, NULL);
CREATE TABLE checked (
  id int PRIMARY KEY, price numeric CHECK (price > 0), low int, high int,
  CONSTRAINT "low < high" CHECK (low < high), CHECK (low > 0) NO INHERIT
);
INSERT INTO checked VALUES (1, 2, 3, 4);
ALTER TABLE checked ADD CONSTRAINT late CHECK (high < 100) NOT VALID;
COMMENT ON TABLE checked IS 'a table';
COMMENT ON COLUMN checked.price IS 'in cents; a;b' ;
COMMENT ON CONSTRAINT "low < high" ON checked IS 'inline';
COMMENT ON CONSTRAINT late ON checked IS 'separate';
CREATE TABLE dropped (a int, b text, c int DEFAULT 7, d int NOT NULL DEFAULT 1);
INSERT INTO dropped VALUES (1, 'x', 2, 3);
ALTER TABLE dropped DROP COLUMN b;
ALTER TABLE dropped ADD COLUMN e text DEFAULT 'added';
INSERT INTO dropped VALUES (5, 6, 7);
CREATE UNLOGGED TABLE fast (a int) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off);
INSERT INTO fast SELECT generate_series(1, 10);
CREATE TABLE stored (a text, b text, c text, d text);
ALTER TABLE stored ALTER a SET STORAGE EXTERNAL, ALTER b SET STORAGE MAIN, ALTER c SET STORAGE PLAIN;
ALTER TABLE stored ALTER a SET STATISTICS 500, ALTER b SET (n_distinct = -0.5, n_distinct_inherited = 7);
CREATE TABLE nothing (a int PRIMARY KEY);
ALTER TABLE nothing REPLICA IDENTITY NOTHING;
CREATE TABLE everything (a int);
ALTER TABLE everything REPLICA IDENTITY FULL;
CREATE TABLE indexed (a int NOT NULL, b int NOT NULL);
CREATE UNIQUE INDEX indexed_b ON indexed (b);
ALTER TABLE indexed REPLICA IDENTITY USING INDEX indexed_b;
CREATE TABLE keyed (a int PRIMARY KEY);
ALTER TABLE keyed REPLICA IDENTITY USING INDEX keyed_pkey;
CREATE TABLE generated (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text GENERATED ALWAYS AS (upper('x' || a::text)) STORED NOT NULL);
INSERT INTO generated (a) VALUES (1), (2);
CREATE TABLE only_generated (a int GENERATED ALWAYS AS (1) STORED);
INSERT INTO only_generated DEFAULT VALUES;
CREATE TABLE long_row AS SELECT g AS id, repeat(md5(g::text), 200) AS text FROM generate_series(1, 50) g;
