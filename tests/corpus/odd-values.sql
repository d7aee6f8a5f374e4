-- The edges of every type, and texts that look like something else in COPY's format.
CREATE TABLE numbers (id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, n numeric, n10 numeric(1000, 900), f4 real, f8 float8, m money, o oid);
INSERT INTO numbers VALUES
  (1, -32768, -2147483648, -9223372036854775808, 'NaN', 0, 'NaN', 'NaN', '-92233720368547758.08', 0),
  (2, 32767, 2147483647, 9223372036854775807, '1e-16383', 1e-900, 'Infinity', 'Infinity', '92233720368547758.07', 4294967295),
  (3, 0, 0, 0, '-1e131071', -1e99, '-Infinity', '-Infinity', 0, 1),
  (4, NULL, NULL, NULL, 1e131071, 0.1, 1e-45, 4.9406564584124654e-324, NULL, NULL),
  (5, 1, 1, 1, '-0.000', 0, '-0', '-0', 0, 1), (6, 1, 1, 1, 1e-16383, 0, 3.4028235e38, 1.7976931348623157e308, 0, 1),
  (7, 1, 1, 1, repeat('9', 1000)::numeric, 0, 0.1, 0.1, 0, 1);
CREATE TABLE times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tstz timestamptz, i interval, ts0 timestamp(0));
INSERT INTO times VALUES
  (1, '4713-01-01 BC', '00:00', '00:00+15:59', '4713-01-01 00:00:00 BC', '4713-01-02 00:00:00+00 BC', '-178000000 years', '0001-12-31 23:59:59 BC'),
  (2, '5874897-12-31', '24:00', '24:00-15:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', 'infinity'),
  (3, 'infinity', '23:59:59.999999', '12:00:00.000001+05:30', 'infinity', '-infinity', '1 mon -1 days +00:00:00.000001', '-infinity'),
  (4, '-infinity', NULL, NULL, '-infinity', 'infinity', '-1 year -2 mons +3 days -04:05:06.789', NULL),
  (5, '2024-02-29', '12:30', '12:30+00', '2016-12-31 23:59:60', '1883-11-18 12:03:58-04:56:02', '0', '1999-12-31 23:59:59.6');
CREATE TABLE texts (id int PRIMARY KEY, t text, v varchar, c char(5), n name, one "char");
INSERT INTO texts VALUES
  (1, '\N', '\.', '\N', '\N', '\'), (2, '\.', E'\\.\n', '', '', ''), (3, '', '', '', '', NULL), (4, E'a\tb\nc\rd\be\ff\vg', E'\r\n', E'\t', E'\n', E'\n'),
  (5, '\\', '\\N', '\x41', '\101', '"'), (6, E'\n\\.\n', E'\\.\r\n', NULL, NULL, NULL), (7, 'NULL', 'null', '()', '{}', '{'),
  (8, repeat(E'\\', 10000), repeat(E'\t', 10000), 'ЖЖЖЖЖ', repeat('Ж', 31), 'x'), (9, E'\u00a0\u2028\ufeff\U0010ffff', '🐘', '🐘', '🐘', ' '),
  (10, E'\x01\x02\x1b\x7f', E'e\u0301', '     ', ' ', ','), (11, '-- x', '$$', ';', '/*', '''');
CREATE TABLE bytes (id int PRIMARY KEY, b bytea, one bit, bits bit(8), many varbit);
INSERT INTO bytes VALUES (1, '', B'0', B'00000000', B''), (2, '\x00', B'1', B'11111111', B'1'), (3, '\x5c2e0a5c4e0900ff', NULL, NULL, NULL),
  (4, decode(repeat('00010203ff5c', 5000), 'hex'), B'0', B'10101010', repeat('10', 5000)::varbit);
CREATE TABLE documents (id int PRIMARY KEY, j json, jb jsonb, x xml, v tsvector, q tsquery, p jsonpath);
INSERT INTO documents VALUES
  (1, '{"a" :  1,"a":2, "\u00e4": "\u0000\ud83d\ude00\n"}', '{"b": 1e400, "a": "\u00e4\n\\"}', NULL, 'a:1A b:2,3B ''it''''s'':4 ''\\'':5', '!a & (b:A* | ''c d'')', '$.a[*] ? (@.b > 1)'),
  (2, 'null', 'null', NULL, '', '', 'strict $'), (3, '"\""', '"\""', NULL, '''\.'':1', '''\N''', '$."a\"b"'),
  (4, '[]', '{}', NULL, NULL, NULL, NULL), (5, ' 1 ', '-0.0', NULL, 'x', 'a <-> b <3> c', 'lax $[last]');
-- Some servers are built without libxml, and have no values of that type.
DO $do$ BEGIN
  UPDATE documents SET x = (ARRAY['<a b="c">&lt;&#10;</a>', '', 'text only', E'<?xml version="1.0"?>\n<!-- c --><a/>', '<a>]]&gt;</a>'])[id]::xml;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $do$;
CREATE TABLE addresses (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8, u uuid, l pg_lsn, s txid_snapshot);
INSERT INTO addresses VALUES
  (1, '0.0.0.0/0', '0.0.0.0/0', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '00000000-0000-0000-0000-000000000000', '0/0', '10:20:10,14'),
  (2, '::/0', '::/0', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'FFFFFFFF/FFFFFFFF', '1:1:'),
  (3, '10.1.2.3/8', '10.0.0.0/8', NULL, NULL, NULL, NULL, NULL), (4, '::ffff:1.2.3.4/100', 'fe80::/10', NULL, NULL, NULL, NULL, NULL);
CREATE TABLE shapes (id int PRIMARY KEY, p point, l line, s lseg, b box, h path, g polygon, c circle);
INSERT INTO shapes VALUES (1, '(NaN,Infinity)', '{1,-1,0}', '[(0,0),(1e-300,1e300)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),0>'),
  (2, '(-0,0)', '{0,-1,0.1}', NULL, NULL, '((0,0),(1,1))', '((0,0))', '<(0,0),Infinity>');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN positives AS positive[] CHECK (array_length(VALUE, 1) < 5);
CREATE TYPE pair AS (a int, "B ""q""" text);
CREATE TYPE of_pairs AS (pairs pair[], ps positives, r int4range);
CREATE TABLE arrays (id int PRIMARY KEY, i int[], t text[], d positives, c pair, cs pair[], n of_pairs, ns of_pairs[], b bytea[], j jsonb[]);
INSERT INTO arrays VALUES
  (1, '{}', '{}', '{}', NULL, '{}', NULL, '{}', '{}', '{}'),
  (2, '[-5:-3]={1,NULL,3}', '{NULL,"NULL","null","",","," ","\"","\\","{}"}', '{1,2,3}', '(,)', '{"(1,x)",NULL}', '("{}",,empty)', NULL, '{"\\x00ff",NULL}', '{"{\"a\": \"b\\\\\"}",NULL}'),
  (3, '[0:1][2:3]={{1,2},{3,4}}', ARRAY[[E'\n', E'\t'], [E'\\N', E'\\.']], '[3:4]={7,8}', ROW(1, E'"\\,)\n'), ARRAY[ROW(1, '"'), ROW(NULL, ''), ROW(2, '()')]::pair[],
   ROW(ARRAY[ROW(1, 'x,y')]::pair[], '{1}', '[1,5)'), ARRAY[ROW(ARRAY[ROW(1, E'"\\')]::pair[], '{1}', NULL)]::of_pairs[], NULL, NULL),
  (4, '{{{{{{1}}}}}}', ARRAY[repeat('x', 9000)], NULL, ROW(NULL, NULL), ARRAY[NULL]::pair[], ROW(NULL, NULL, NULL), NULL, NULL, NULL);
CREATE TABLE ranges (id int PRIMARY KEY, i int4range, n numrange, d daterange, t tstzrange, rs int8range[]);
INSERT INTO ranges VALUES (1, 'empty', 'empty', 'empty', 'empty', '{}'), (2, '(,)', '(,)', '(,)', '(,)', '{empty,"(,)",NULL}'),
  (3, '[-2147483648,2147483647)', '(-1e99,NaN]', '[-infinity,infinity]', '["4713-01-02 00:00:00+00 BC",infinity)', '{"[1,2)"}'), (4, '[1,1]', '[1.10,1.100]', '(2024-02-28,2024-03-01)', NULL, NULL);
CREATE TABLE system_types (id int PRIMARY KEY, c regclass, p regprocedure, t regtype, x xid, ci cid, ti tid, r regrole, n regnamespace);
INSERT INTO system_types VALUES (1, 'pg_class', 'now()', 'int', '4294967295', '0', '(4294967295,65535)', 'postgres', 'pg_catalog'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
-- Tables whose rows are nothing, and rows that are only there by their number.
CREATE TABLE no_columns ();
INSERT INTO no_columns SELECT FROM generate_series(1, 5);
CREATE TABLE lost_columns (a int, b text);
INSERT INTO lost_columns VALUES (1, 'x'), (2, 'y');
ALTER TABLE lost_columns DROP COLUMN a, DROP COLUMN b;
CREATE TABLE only_computed (id int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO only_computed SELECT FROM generate_series(1, 3);
CREATE TABLE nulls (a int, b text, c bytea);
INSERT INTO nulls SELECT FROM generate_series(1, 3);
CREATE TABLE wide AS SELECT 1 AS id, repeat('x', 3000000) AS big, decode(repeat('ff', 1000000), 'hex') AS bytes;
